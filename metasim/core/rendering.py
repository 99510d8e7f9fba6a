"""The contract of a renderer: worlds of one model, given by their coordinates, drawn whatever engine moved them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from metasim.core.errors import InvalidConfig, UnknownName, UnsupportedFeature
from metasim.core.looks import CameraLook, Looks
from metasim.core.registry import Registry

if TYPE_CHECKING:
    from metasim.core.backend import Images

Array = Any
MODES = ("rgb", "depth", "segmentation")


class UnsupportedLooks(UnsupportedFeature):
    """Looks that a renderer cannot show."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where everything is in some worlds.

    Attributes:
        qpos: ``(n, nq)`` coordinates.
        mocap_pos: ``(n, M, 3)`` [m], world.
        mocap_quat: ``(n, M, 4)`` wxyz, world.
        body_pos: ``(n, bodies, 3)`` [m] in each body's parent, where worlds have their own; None for the model's.
        body_quat: ``(n, bodies, 4)`` wxyz, likewise.
        site_pos: ``(n, sites, 3)`` [m] in each site's body, likewise.
    """

    qpos: Array
    mocap_pos: Array
    mocap_quat: Array
    body_pos: Array = None
    body_quat: Array = None
    site_pos: Array = None

    def take(self, rows: Array) -> Places:
        """Return some of the worlds."""
        return Places(**{f.name: None if (v := getattr(self, f.name)) is None else v[rows] for f in fields(self)})

    def own(self, row: int) -> dict[str, Array]:
        """Return what one world has of its own; None for what it has of the model."""
        every = {"body_pos": self.body_pos, "body_quat": self.body_quat, "site_pos": self.site_pos}
        return {name: None if values is None else values[row] for name, values in every.items()}


class Renderer(ABC):
    """Draws worlds of one model.

    Args:
        model: A compiled :class:`metasim.model.Model`; its visual geometry is drawn.
        surfaces: Surface to names of the geoms or bodies that it consists of; what looks can give materials.
        fine: Whether beauty counts more than speed: shadows and smooth edges, where the renderer has them.
        settings: The renderer's own settings by name, instead of what ``fine`` means.
    """

    name: ClassVar[str]
    words: ClassVar[str]
    """What it is called in messages and documents."""

    @abstractmethod
    def __init__(
        self,
        model: Any,
        surfaces: Mapping[str, Sequence[str]] | None = None,
        *,
        fine: bool = False,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Prepare."""

    @abstractmethod
    def render(
        self,
        places: Places,
        camera: str,
        width: int,
        height: int,
        modes: Sequence[str] = ("rgb",),
        looks: Sequence[Looks | None] | None = None,
    ) -> Images:
        """Return pictures of ``n`` worlds.

        Args:
            places: Where everything is.
            camera: Name of the camera.
            width: Pixels.
            height: Pixels.
            modes: Some of ``"rgb"``, ``"depth"``, ``"segmentation"``.
            looks: One per world; None for how the scene has it.

        Raises:
            UnknownName: For a camera, surface or family of textures that is not there.
            InvalidConfig: For an unknown mode or a size that is not positive.
            UnsupportedLooks: For looks that it cannot show.
        """

    @abstractmethod
    def close(self) -> None:
        """Free what it holds; may be called twice."""


RENDERERS: Registry[type[Renderer]] = Registry(
    "renderer",
    group="metasim.renderers",
    accepts=lambda item: isinstance(item, type) and issubclass(item, Renderer),
)
RENDERERS.register("mujoco", "metasim.backends.mujoco.camera:Camera")
RENDERERS.register("pybullet", "metasim.backends.pybullet.camera:SoftwareCamera")


def check_request(modes: Sequence[str], width: int, height: int) -> None:
    """Raise InvalidConfig for an unknown mode or a size that is not positive."""
    unknown = [m for m in modes if m not in MODES]
    if unknown or not modes:
        raise InvalidConfig(f"modes must be some of {list(MODES)}, got {list(modes)}")
    if width < 1 or height < 1:
        raise InvalidConfig(f"width and height must be positive, got {width} x {height}")


def blank(modes: Sequence[str], count: int, height: int, width: int) -> dict[str, Array]:
    """Return zeros of pictures: mode to ``(n, H, W, ...)``."""
    kinds: dict[str, tuple[tuple[int, ...], Any]] = {
        "rgb": ((3,), np.uint8),
        "depth": ((), np.float32),
        "segmentation": ((), np.int32),
    }
    return {mode: np.zeros((count, height, width, *kinds[mode][0]), kinds[mode][1]) for mode in modes}


def check_looks(looks: Looks, surfaces: Mapping[str, Any], lights: int) -> None:
    """Refuse looks that name surfaces or lights which are not there.

    Raises:
        UnknownName: For a surface that the task does not have.
        UnsupportedLooks: For reflection without surfaces, and for a light that is moved where there is none.
    """
    for surface in looks.materials:
        if surface not in surfaces:
            raise UnknownName("surface", surface, surfaces, hint="(axis 'materials'; see Task.surfaces)")
    if looks.reflection is not None and not surfaces:
        raise UnsupportedLooks("axis 'reflection': the task names no surfaces that could reflect; see Task.surfaces")
    light = looks.light
    if light is not None and not lights and (light.position is not None or light.direction is not None):
        raise UnsupportedLooks("axis 'light': the scene has no light that could be moved")


def moved_camera(pos: Array, matrix: Array, fov_rad: float, look: CameraLook) -> tuple[Array, Array, float]:
    """Return position ``(3,)``, axes ``(3, 3)`` (columns right, up, backwards) and field of view of a moved camera."""
    x, y, z = look.turn_rad
    angle = float(np.linalg.norm(look.turn_rad))
    across = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]]) / max(angle, 1e-12)
    turn = np.eye(3) + np.sin(angle) * across + (1.0 - np.cos(angle)) * across @ across
    fov = min(fov_rad * look.fov_scale, 0.95 * np.pi)
    return pos + matrix @ np.asarray(look.shift_m, float), matrix @ turn, fov
