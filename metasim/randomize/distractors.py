"""The axis of distractors: things on the table that the task is not about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from metasim.core.backend import Start
from metasim.core.errors import InvalidConfig, InvalidState, UnsupportedFeature
from metasim.core.model import ModelInfo
from metasim.core.scene import Body, Box, Cylinder, Rgba, Scene
from metasim.core.task import Task
from metasim.randomize.axis import SceneAxis
from metasim.randomize.parts import Parts, parts_of

Array = Any
Json = Any
EDGE_M = 0.06
"""Distance of a distractor's middle from the edge of the table."""
APART_M = 0.1
"""Least distance between the middles of two distractors."""
CLEAR_M = 0.05
"""How far a distractor's middle stays from where anything of the task may be: more than any of them reaches."""
LOW_M = 0.15
"""What is higher above the table than this is no hindrance."""
TRIES = 5000

_GREY, _PURPLE, _YELLOW, _TEAL = (0.5, 0.5, 0.5, 1.0), (0.5, 0.2, 0.6, 1.0), (0.9, 0.8, 0.1, 1.0), (0.1, 0.6, 0.6, 1.0)
_PINK, _BROWN, _ORANGE, _WHITE = (0.9, 0.5, 0.7, 1.0), (0.4, 0.25, 0.1, 1.0), (0.9, 0.5, 0.1, 1.0), (0.9, 0.9, 0.9, 1.0)


def _box(x: float, y: float, z: float, rgba: Rgba) -> Body:
    return Box(size_m=(x, y, z), mass_kg=0.1, rgba=rgba)


def _can(radius: float, height: float, rgba: Rgba) -> Body:
    return Cylinder(radius_m=radius, height_m=height, mass_kg=0.1, rgba=rgba)


VARIANTS: Mapping[str, tuple[Body, ...]] = MappingProxyType(
    {
        "train-0": (_box(0.04, 0.04, 0.04, _PURPLE), _can(0.02, 0.05, _YELLOW)),
        "train-1": (_box(0.05, 0.03, 0.03, _TEAL), _box(0.03, 0.03, 0.05, _GREY), _can(0.025, 0.03, _PURPLE)),
        "train-2": (_can(0.03, 0.02, _GREY), _box(0.04, 0.04, 0.02, _YELLOW)),
        "test-0": tuple(_box(0.04, 0.04, 0.04, rgba) for rgba in (_PINK, _ORANGE, _WHITE, _BROWN)),
        "test-1": (
            _can(0.03, 0.05, _ORANGE),
            _box(0.06, 0.02, 0.04, _PINK),
            _can(0.015, 0.06, _WHITE),
            _box(0.03, 0.05, 0.05, _BROWN),
            _can(0.02, 0.03, _PINK),
        ),
        "test-2": (
            _box(0.05, 0.05, 0.03, _BROWN),
            _can(0.03, 0.03, _PINK),
            _box(0.03, 0.03, 0.06, _ORANGE),
            _can(0.02, 0.04, _WHITE),
            _box(0.04, 0.02, 0.02, _PINK),
        ),
    }
)
"""Name to what stands about; names begin with the split that draws them."""


class Distractors(SceneAxis):
    """Value: ``variant``, what stands about (one of :data:`VARIANTS`), and ``places``, x, y [m] and turn [rad] of each.

    They are free bodies with contacts, ``distractor-<k>``, and stand where nothing of the task can be at the start.
    """

    name = "distractors"
    summary = "More things on the table, off the task's own."

    def sample(self, rng: np.random.Generator, split: str, task: type[Task]) -> Json:
        """Draw the variant, and where its things stand."""
        names = [name for name in VARIANTS if name.startswith(split)]
        variant = names[rng.integers(len(names))]
        return {"variant": variant, "places": _places(parts_of(task), task, len(VARIANTS[variant]), rng)}

    def refuse(self, task: type[Task], backend: str) -> str:
        """Refuse tasks without a table, or with a full one."""
        parts = parts_of(task)
        if parts.table is None:
            return "it has no table to put them on"
        try:
            _places(parts, task, max(map(len, VARIANTS.values())), np.random.default_rng(0))
        except UnsupportedFeature as error:
            return str(error)
        return ""

    def key(self, value: Json) -> Json:
        """Return the variant; places are set when episodes begin."""
        return {"variant": _checked(value)}

    def scene(self, scene: Scene, task: type[Task], value: Json) -> Scene:
        """Return the scene with the things, each where one may stand."""
        things, parts = VARIANTS[_checked(value)], parts_of(task)
        places = _places(parts, task, len(things), np.random.default_rng(0))
        added = {
            f"distractor-{k}": replace(thing, pos=(x, y, _height(parts, thing)))
            for k, (thing, (x, y, _)) in enumerate(zip(things, places, strict=True))
        }
        if set(added) & set(scene.objects):
            raise InvalidConfig(f"{task.id} has objects named {sorted(added)} of its own")
        return replace(scene, objects={**scene.objects, **added})

    def start(self, task: type[Task], info: ModelInfo, value: Sequence[Json]) -> Start:
        """Return the poses."""
        (variant,) = {_checked(v) for v in value}
        things, parts = VARIANTS[variant], parts_of(task)
        try:
            places = np.array([v["places"] for v in value], float)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidState(f"places of axis {self.name!r} are x, y and turn of each thing ({error})") from error
        if places.shape != (len(value), len(things), 3) or not np.isfinite(places).all():
            raise InvalidState(
                f"places of axis {self.name!r} must be {len(things)} times x, y and turn, finite numbers"
            )
        joints = {}
        for k, thing in enumerate(things):
            x, y, half = places[:, k, 0], places[:, k, 1], places[:, k, 2] / 2
            none, z = np.zeros(len(value)), np.full(len(value), _height(parts, thing))
            joints[f"distractor-{k}"] = np.stack([x, y, z, np.cos(half), none, none, np.sin(half)], axis=1)
        return Start(joints=joints)


def _checked(value: Json) -> str:
    variant = value.get("variant") if isinstance(value, Mapping) else None
    if variant not in VARIANTS:
        raise InvalidState(f"a value of axis 'distractors' has a variant among {list(VARIANTS)}, got {value!r}")
    return str(variant)


def _height(parts: Parts, thing: Body) -> float:
    """Return the height of a thing's middle when it stands on the table."""
    assert isinstance(thing, (Box, Cylinder))
    return parts.table_z + (thing.size_m[2] if isinstance(thing, Box) else thing.height_m) / 2


def _places(parts: Parts, task: type[Task], count: int, rng: np.random.Generator) -> list[list[float]]:
    """Draw places off the task's things and off each other.

    Raises:
        UnsupportedFeature: If there is no room for them.
    """
    low, high = parts.table + np.array([[EDGE_M], [-EDGE_M]])
    taken = [*_standing(parts), *_placed(parts, task)]
    found: list[list[float]] = []
    for _ in range(TRIES):
        spot = rng.uniform(low, high)
        turn = float(rng.uniform(-np.pi, np.pi))
        free = all(np.hypot(*(spot - other[:2])) >= APART_M for other in found)
        if free and not any((lower <= spot).all() and (spot <= upper).all() for lower, upper in taken):
            found.append([float(spot[0]), float(spot[1]), turn])
        if len(found) == count:
            return found
    raise UnsupportedFeature(f"there is no room on its table for {count} more things")


def _standing(parts: Parts) -> list[Array]:
    """Return rectangles (2, 2) [m] around all that is low on the table at home."""
    boxes = parts.boxes
    low = (boxes[:, 0, 2] < parts.table_z + LOW_M) & (boxes[:, 1, 2] > parts.table_z + 1e-3)
    return [box[:, :2] + np.array([[-CLEAR_M], [CLEAR_M]]) for box in boxes[low]]


def _placed(parts: Parts, task: type[Task]) -> list[Array]:
    """Return rectangles (2, 2) [m] around where factors may place something, in either split.

    A factor's numbers are taken for points: x, y and z of one after another.
    """
    margin = CLEAR_M + parts.reach_m
    found: list[Array] = []
    for factor in task.factors:
        bounds = getattr(factor, "bounds", None)
        if bounds is None:
            continue
        corners = [np.array(bounds(split)) for split in ("train", "test")]
        lower, upper = np.min([c[0] for c in corners], axis=0), np.max([c[1] for c in corners], axis=0)
        for k in range(0, len(lower) - 1, 3):
            found.append(np.array([lower[k : k + 2] - margin, upper[k : k + 2] + margin]))
    return found


DISTRACTORS = Distractors()
