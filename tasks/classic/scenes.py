"""The bodies of the classic suite: gymnasium's own MuJoCo files, with what is the same for every task of a body.

Files: those of gymnasium's v5 MuJoCo environments, found in the installed package. Frames: world, z up, x forward;
lengths in metres, angles in radians. Other suites (``meta_rl/*``) build on the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from metasim.core.scene import Asset, Camera, Light, Scene

FREE_HOME = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Morphology:
    """A body that tasks move: its scene, how long an action lasts, and its coordinates.

    Attributes:
        scene: The scene.
        substeps: Physics steps per action.
        timestep_s: The file's physics step.
        joints: Joint name to its initial coordinates, in the order of qpos; one number [rad or m], or seven for a
            free joint (position [m], quaternion wxyz).
        camera: The camera that pictures are made with by default.
        hidden: Leading coordinates that are where the body is along the ground, left out of observations.
    """

    scene: Scene
    substeps: int
    timestep_s: float
    joints: Mapping[str, tuple[float, ...]]
    camera: str = "track"
    hidden: int = 0

    @property
    def period_s(self) -> float:
        """How long an action lasts."""
        return self.timestep_s * self.substeps

    @property
    def qpos_size(self) -> int:
        """Number of positions."""
        return sum(map(len, self.joints.values()))

    @property
    def qvel_size(self) -> int:
        """Number of velocities."""
        return sum(6 if len(home) == 7 else 1 for home in self.joints.values())


def _row(
    file: str,
    substeps: int,
    timestep_s: float,
    joints: Mapping[str, tuple[float, ...]],
    *,
    cameras: Mapping[str, Camera] | None = None,
    **more: Any,
) -> Morphology:
    """Return a row; bodies whose file has neither camera nor light give ``cameras``, and get a light."""
    light = {"light": Light()} if cameras else {}
    scene = Scene(base=Asset(path=f"gymnasium:{file}"), cameras=cameras or {}, lights=light)
    frozen = MappingProxyType(dict(joints))
    return Morphology(scene=scene, substeps=substeps, timestep_s=timestep_s, joints=frozen, **more)


def _planar(height_m: float, *hinges: str) -> dict[str, tuple[float, ...]]:
    """Return the coordinates of a body that moves in the x-z plane, ``height_m`` being rootz at the start."""
    return {"rootx": (0.0,), "rootz": (height_m,), "rooty": (0.0,), **{name: (0.0,) for name in hinges}}


def _floating(height_m: float, *hinges: str) -> dict[str, tuple[float, ...]]:
    """Return the coordinates of a body that moves freely, its torso starting upright at ``height_m``."""
    return {"root": (0.0, 0.0, height_m, *FREE_HOME), **{name: (0.0,) for name in hinges}}


def _leg(side: str) -> tuple[str, ...]:
    return tuple(f"{side}_{joint}" for joint in ("hip_x", "hip_z", "hip_y", "knee"))


def _arm(side: str) -> tuple[str, ...]:
    return tuple(f"{side}_{joint}" for joint in ("shoulder1", "shoulder2", "elbow"))


CART_POLE = _row(
    "inverted_pendulum.xml",
    2,
    0.02,
    {"slider": (0.0,), "hinge": (0.0,)},
    cameras={"side": Camera(pos=(0.0, -2.2, 0.5), target=(0.0, 0.0, 0.25))},
    camera="side",
)
REACHER = _row(
    "reacher.xml",
    2,
    0.01,
    {"joint0": (0.0,), "joint1": (0.0,), "target_x": (0.1,), "target_y": (-0.1,)},
    cameras={"above": Camera(pos=(0.0, -0.01, 0.9))},
    camera="above",
)
HALF_CHEETAH = _row(
    "half_cheetah.xml",
    5,
    0.01,
    _planar(0.0, "bthigh", "bshin", "bfoot", "fthigh", "fshin", "ffoot"),
    hidden=1,
)
HOPPER = _row("hopper.xml", 4, 0.002, _planar(1.25, "thigh_joint", "leg_joint", "foot_joint"), hidden=1)
WALKER2D = _row(
    "walker2d_v5.xml",
    4,
    0.002,
    _planar(1.25, *(f"{part}{side}_joint" for side in ("", "_left") for part in ("thigh", "leg", "foot"))),
    hidden=1,
)
ANT = _row(
    "ant.xml", 5, 0.01, _floating(0.75, *(f"{part}_{k}" for k in (1, 2, 3, 4) for part in ("hip", "ankle"))), hidden=2
)
HUMANOID = _row(
    "humanoid.xml",
    5,
    0.003,
    _floating(1.4, "abdomen_z", "abdomen_y", "abdomen_x", *_leg("right"), *_leg("left"), *_arm("right"), *_arm("left")),
    hidden=2,
)
