"""What a row of the robot table says, and how it becomes a MuJoCo spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import mujoco

from metasim.core.errors import InvalidModel
from metasim.core.scene import Asset, Drive
from metasim.model.assets import SOURCES, locate
from metasim.model.urdf import spec_from_urdf

UNSTATED = "not stated beside the model"
EXTRAS = MappingProxyType({"menagerie": "robots"})


@dataclass(frozen=True, kw_only=True)
class RobotEntry:
    """A robot that an installed package brings.

    Args:
        file: Locator of its URDF or MJCF (see `metasim.model.assets`), or a path.
        maker: Who builds the robot.
        floating: Whether its base is free; else it is fixed in the world.
        effector: Body at the end of an arm; "" for walkers.
        feet: Bodies a walker stands on; () for arms.
        home: Joint name to position [rad or m] in a usual posture.
        height_m: Height of the base above flat ground in that posture; 0 for arms.
        hold: Position drives that hold the robot at home, for a file without actuators of its own; nothing uses them
            unless a scene says ``Robot(model=NAME, drive=ROBOTS[NAME].hold)``.
        overlapping: Pairs of bodies that never touch here, because their convex hulls overlap where the parts do not.
        licence: Terms of the model files, as far as the package states them.
        wrapper: For a file that is a fragment of MJCF: the text around it, with the fields ``{folder}`` (of the
            meshes) and ``{parts}`` (the file without its suffix).
        mesh_folder: For such a fragment: the folder of the meshes, relative to the file's.
    """

    file: str
    maker: str
    floating: bool = False
    effector: str = ""
    feet: tuple[str, ...] = ()
    home: Mapping[str, float] = field(default_factory=dict)
    height_m: float = 0.0
    hold: Drive | None = None
    overlapping: tuple[tuple[str, str], ...] = ()
    licence: str = UNSTATED
    wrapper: str = ""
    mesh_folder: str = "."

    def __post_init__(self) -> None:
        """Make the home position unchangeable."""
        object.__setattr__(self, "home", MappingProxyType(dict(self.home)))

    @property
    def source(self) -> str:
        """Return what brings the files: ``"pybullet"``, ``"metaworld"``, ``"menagerie"``, else ``"file"``."""
        prefix = str(self.file).partition(":")[0]
        return prefix if prefix in SOURCES else "file"

    @property
    def extra(self) -> str:
        """Return the extra of metasim-robotics that brings the files, "" if none is needed."""
        return EXTRAS.get(self.source, "")

    def resolve(self) -> tuple[Asset, Mapping[str, float]]:
        """Return the robot's file as an asset, and its home position by joint.

        Raises:
            InvalidModel: If the file is a fragment, which only `load` can complete.
            MissingDependency: If the package that brings the file is not installed.
        """
        if self.wrapper:
            raise InvalidModel(f"{self.file} is a fragment of MJCF and no asset of its own; use load()")
        path = locate(self.file)
        return Asset(path=path, floating=self.floating and _is_urdf(path)), self.home

    def load(self) -> tuple[mujoco.MjSpec, Mapping[str, float]]:
        """Return the robot as a spec of its own, and its home position by joint.

        A free base lies in the origin, where `height_m` counts from; keyframes and lamps of the file, which do not
        fit a scene with more in it, are left out. A URDF, which says nothing about integration, gets MuJoCo's
        implicit one: with the default, a position drive's damping would shake light wrists to pieces.

        Raises:
            InvalidModel: If the file does not parse, or a floating robot's MJCF has no free joint.
            MissingDependency: If the package that brings the file is not installed.
        """
        path = locate(self.file)
        spec = self._read_urdf(path) if _is_urdf(path) else self._read_mjcf(path)
        for one, other in self.overlapping:
            spec.add_exclude(bodyname1=one, bodyname2=other)
        return spec, self.home

    def _read_urdf(self, path: Path) -> mujoco.MjSpec:
        spec = spec_from_urdf(path, floating_base=self.floating)
        spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
        return spec

    def _read_mjcf(self, path: Path) -> mujoco.MjSpec:
        try:
            if self.wrapper:
                text = self.wrapper.format(folder=path.parent / self.mesh_folder, parts=path.with_suffix(""))
                spec = mujoco.MjSpec.from_string(text)
            else:
                spec = mujoco.MjSpec.from_file(str(path))
        except ValueError as error:
            raise InvalidModel(f"{path}: MuJoCo cannot read it ({error})") from error
        for item in [*spec.keys, *spec.lights]:
            spec.delete(item)
        if self.floating:
            _base_to_origin(spec, path)
        return spec


def posture(names: Sequence[str], positions: Sequence[float]) -> Mapping[str, float]:
    """Return positions by joint name."""
    return dict(zip(names, positions, strict=True))


def legs(names: Sequence[str], joints: Mapping[str, float]) -> Mapping[str, float]:
    """Return the same positions for every leg; ``*`` in a joint's name stands for the leg's."""
    return {joint.replace("*", leg): q for leg in names for joint, q in joints.items()}


def _is_urdf(path: Path) -> bool:
    return path.suffix.lower() == ".urdf"


def _base_to_origin(spec: mujoco.MjSpec, path: Path) -> None:
    free = [
        body for body in spec.worldbody.bodies if any(joint.type == mujoco.mjtJoint.mjJNT_FREE for joint in body.joints)
    ]
    if len(free) != 1:
        raise InvalidModel(
            f"{path} has {len(free)} bodies with a free joint; a floating robot's MJCF has one, on its base"
        )
    free[0].pos = [0.0, 0.0, 0.0]
