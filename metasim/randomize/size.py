"""The axis of sizes: free primitive objects, scaled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from metasim.core.rotation import rotate
from metasim.core.scene import Body, Box, Capsule, Cylinder, Scene, Sphere
from metasim.core.task import Task
from metasim.randomize.axis import SceneAxis
from metasim.randomize.ranges import numbers

Json = Any
Primitive = Box | Sphere | Cylinder | Capsule


class Size(SceneAxis):
    """Value: a factor for the extents of all free primitive objects, which keep their masses and their support.

    A task whose success depends on exact sizes may say in its class attribute ``sizes`` which factors it stands,
    ``{"train": (...), "test": (...)}``; none: it cannot vary so.
    """

    name = "size"
    summary = "Extents of free boxes, spheres, cylinders and capsules, scaled; masses stay."
    levels = {"train": (0.95, 1.0, 1.05), "test": (0.85, 0.9, 1.1, 1.2)}

    def sample(self, rng: np.random.Generator, split: str, task: type[Task]) -> Json:
        """Draw one of the levels."""
        levels = self._levels(task)[split]
        return float(levels[rng.integers(len(levels))])

    def refuse(self, task: type[Task], backend: str) -> str:
        """Refuse tasks without such an object."""
        if not any(_varies(item) for item in task.scene.objects.values()):
            return "it has no free object that is a box, sphere, cylinder or capsule"
        return "" if all(self._levels(task).values()) else "its success depends on the exact sizes"

    def scene(self, scene: Scene, task: type[Task], value: Json) -> Scene:
        """Return the scene with the objects scaled about the lowest point of each."""
        (factor,) = numbers(self.name, [value], 0.1, 10.0)
        objects = {n: _scaled(o, float(factor)) if _varies(o) else o for n, o in scene.objects.items()}
        return replace(scene, objects=objects)

    def _levels(self, task: type[Task]) -> Mapping[str, tuple[float, ...]]:
        return self.levels if task.sizes is None else task.sizes


def _varies(item: Any) -> bool:
    return isinstance(item, (Box, Sphere, Cylinder, Capsule)) and not item.fixed


def _scaled(item: Any, s: float) -> Body:
    lift = (s - 1.0) * _below(item)
    moved: dict[str, Any] = {"pos": (*item.pos[:2], item.pos[2] + lift)}
    if item.mass_kg is None:
        moved["density"] = item.density / s**3
    for name in ("radius_m", "height_m", "length_m"):
        if hasattr(item, name):
            moved[name] = getattr(item, name) * s
    if isinstance(item, Box):
        moved["size_m"] = tuple(extent * s for extent in item.size_m)
    return replace(item, **moved)


def _below(item: Primitive) -> float:
    """Return how far an object reaches below its middle [m]."""
    if isinstance(item, Sphere):
        return item.radius_m
    down = np.abs(rotate(np.array(item.quat), np.eye(3))[:, 2])  # the world's z along the object's axes
    if isinstance(item, Box):
        return float(down @ np.array(item.size_m) / 2)
    if isinstance(item, Capsule):
        return float(down[2] * item.length_m / 2 + item.radius_m)
    return float(down[2] * item.height_m / 2 + np.sqrt(max(0.0, 1.0 - down[2] ** 2)) * item.radius_m)


SIZE = Size()
