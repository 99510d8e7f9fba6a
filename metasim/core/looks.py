"""How a world looks in pictures and nowhere else: camera, light, materials, reflection and what draws it.

Plain data that round-trips through JSON; whatever it leaves out looks as the scene says. Renderers apply it per world
and refuse what they cannot show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, cast

import numpy as np

from metasim.core.errors import InvalidConfig
from metasim.core.registry import Registry
from metasim.core.scene import Vec3

Array = Any
Json = Any
SURFACES = ("table", "floor", "wall")
"""Names that tasks give the surfaces they have."""
TEXTURE_SIZE = 128
"""Height and width of a texture in pixels."""

TEXTURES: Registry[Callable[[int], Array]] = Registry("family of textures", group="metasim.textures")
"""Family to what makes a texture ``(TEXTURE_SIZE, TEXTURE_SIZE, 3)`` uint8 of a number, always the same one."""
for _family in ("planks", "marble", "noise", "checker", "tiles", "stripes", "plain"):
    TEXTURES.register(_family, f"metasim.randomize.looks.textures:{_family}")


def texture(name: str) -> Array:
    """Return the texture ``(TEXTURE_SIZE, TEXTURE_SIZE, 3)`` uint8 of a name such as ``"planks-017"``.

    Raises:
        UnknownName: For a family that is not registered.
        InvalidConfig: For a name of another form.
    """
    family, number = _texture_parts(name)
    return TEXTURES[family](number)


def _texture_parts(name: str) -> tuple[str, int]:
    family, _, number = str(name).rpartition("-")
    if not (family and number.isdigit()):
        raise InvalidConfig(f"a texture is named '<family>-<number>', such as 'planks-017', got {name!r}")
    return family, int(number)


@dataclass(frozen=True, kw_only=True)
class CameraLook:
    """Where cameras are instead of where the scene has them, each about its own axes: right, up, backwards.

    Args:
        shift_m: How far a camera is moved ``(3,)`` [m], at most 2.
        turn_rad: Rotation vector by which it is then turned ``(3,)`` [rad], at most pi long.
        fov_scale: What its field of view is multiplied by, in [0.25, 2].
    """

    shift_m: Vec3 = (0.0, 0.0, 0.0)
    turn_rad: Vec3 = (0.0, 0.0, 0.0)
    fov_scale: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        _vector(self, "shift_m", -2.0, 2.0)
        _vector(self, "turn_rad", -np.pi, np.pi)
        _number(self, "fov_scale", 0.25, 2.0)


@dataclass(frozen=True, kw_only=True)
class LightLook:
    """How the scene is lit.

    Args:
        position: Of the first light ``(3,)`` [m], world; None where the scene has it.
        direction: In which the first light shines ``(3,)``, world, any length; None as in the scene.
        colour: What every light's colour is multiplied by, each in [0, 1].
        strength: What every light's brightness is multiplied by, in [0, 4].
        ambient: Brightness of what no light reaches, in [0, 1]; None as in the scene.
    """

    position: Vec3 | None = None
    direction: Vec3 | None = None
    colour: Vec3 = (1.0, 1.0, 1.0)
    strength: float = 1.0
    ambient: float | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        _vector(self, "position", -100.0, 100.0)
        _vector(self, "direction", -100.0, 100.0)
        if self.direction is not None and not np.any(self.direction):
            raise InvalidConfig("LightLook.direction must not be zero")
        _vector(self, "colour", 0.0, 1.0)
        _number(self, "strength", 0.0, 4.0)
        _number(self, "ambient", 0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class MaterialLook:
    """What a surface is made of.

    Args:
        texture: Name of a texture (:func:`texture`); empty for none.
        tint: What the texture's colours are multiplied by, or the colour itself, each in [0, 1].
    """

    texture: str = ""
    tint: Vec3 = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        """Check name and range."""
        if self.texture:
            _texture_parts(self.texture)
        _vector(self, "tint", 0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class ReflectionLook:
    """How the task's surfaces throw light back; each in [0, 1].

    Args:
        specular: Strength of highlights.
        shininess: How small and sharp highlights are.
        reflectance: Share of a mirror image.
    """

    specular: float = 0.5
    shininess: float = 0.5
    reflectance: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("specular", "shininess", "reflectance"):
            _number(self, name, 0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Looks:
    """How one world looks; None, or no entry, is how the scene has it.

    Attributes:
        camera: Where cameras are.
        light: How it is lit.
        materials: Surface to what it is made of; surfaces are those of :attr:`metasim.core.task.Task.surfaces`.
        reflection: How those surfaces throw light back.
        renderer: Name of the renderer, empty for the one asked for.
    """

    camera: CameraLook | None = None
    light: LightLook | None = None
    materials: Mapping[str, MaterialLook] = field(default_factory=dict[str, MaterialLook])
    reflection: ReflectionLook | None = None
    renderer: str = ""

    def __bool__(self) -> bool:
        """Whether anything looks different from the scene."""
        return self != Looks()

    def json(self) -> dict[str, Json]:
        """Return it as plain JSON, parts that say nothing left out."""
        parts: dict[str, Json] = {name: getattr(self, name) for name in ("camera", "light", "reflection")}
        found: dict[str, Json] = {name: _plain(part) for name, part in parts.items() if part is not None}
        if self.materials:
            found["materials"] = {name: _plain(material) for name, material in self.materials.items()}
        return found | ({"renderer": self.renderer} if self.renderer else {})

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> Looks:
        """Return the looks that :meth:`json` gave.

        Raises:
            InvalidConfig: For an unknown part or entry, or a value out of range.
        """
        parts = {"camera": CameraLook, "light": LightLook, "reflection": ReflectionLook}
        _known("looks", value, [f.name for f in fields(cls)])
        found: dict[str, Any] = {
            name: _part(kind, name, value[name]) for name, kind in parts.items() if value.get(name) is not None
        }
        materials: Mapping[str, Json] = _mapping("materials", value.get("materials") or {})
        found["materials"] = {str(k): _part(MaterialLook, f"materials.{k}", v) for k, v in materials.items()}
        return cls(**found, renderer=str(value.get("renderer") or ""))


def _plain(part: Any) -> dict[str, Json]:
    entries: dict[str, Any] = asdict(part)
    return {
        k: list(cast(tuple[Any, ...], v)) if isinstance(v, tuple) else v for k, v in entries.items() if v is not None
    }


def _part(kind: type[Any], name: str, value: Any) -> Any:
    entries = _mapping(name, value)
    _known(f"looks: {name}", entries, [f.name for f in fields(kind)])
    return kind(**{k: tuple(cast(list[Any], v)) if isinstance(v, list) else v for k, v in entries.items()})


def _mapping(name: str, value: Any) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise InvalidConfig(f"looks: {name} must be a mapping, got {value!r}")
    return cast(Mapping[str, Json], value)


def _known(where: str, value: Mapping[str, Any], valid: list[str]) -> None:
    odd = sorted(set(value) - set(valid))
    if odd:
        raise InvalidConfig(f"{where} has no {odd}; valid: {valid}")


def _left_out(owner: Any, name: str, value: object) -> bool:
    return value is None and next(f for f in fields(owner) if f.name == name).default is None


def _number(owner: object, name: str, low: float, high: float) -> None:
    value = getattr(owner, name)
    if _left_out(owner, name, value):
        return
    if not (isinstance(value, (int, float)) and low <= value <= high):
        raise InvalidConfig(f"{type(owner).__name__}.{name} must be a number in [{low:g}, {high:g}], got {value!r}")


def _vector(owner: object, name: str, low: float, high: float) -> None:
    value = getattr(owner, name)
    if _left_out(owner, name, value):
        return
    parts = cast(tuple[Any, ...], value) if isinstance(value, tuple) else ()
    if len(parts) != 3 or not all(isinstance(v, (int, float)) and low <= v <= high for v in parts):
        raise InvalidConfig(
            f"{type(owner).__name__}.{name} must be three numbers in [{low:g}, {high:g}], got {value!r}"
        )
