"""An episode's variation, axis name to value, put into effect: the scene, the steps, the pictures.

How it starts is in :mod:`metasim.randomize.starting`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from metasim.core.backend import Backend
from metasim.core.errors import InvalidConfig
from metasim.core.model import ModelInfo
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import Task
from metasim.randomize.axis import AXES, Channel, LooksAxis, SceneAxis, StepAxis, check

Array = Any
Json = Any
Variation = Mapping[str, Json]


def scene_key(variation: Variation | None) -> str:
    """Return what episodes must have in common to run in the same model; empty where the task's own scene does."""
    found = {
        name: axis.key((variation or {})[name]) for name, axis in ordered(variation) if isinstance(axis, SceneAxis)
    }
    return json.dumps(found, sort_keys=True) if found else ""


def by_scene(variations: Iterable[tuple[int, Variation | None]]) -> dict[str, list[int]]:
    """Return, for numbered episodes, scene to the numbers of those that run in it; both in the order they came in."""
    scenes: dict[str, list[int]] = {}
    for index, variation in variations:
        scenes.setdefault(scene_key(variation), []).append(index)
    return scenes


def varied_task(task: type[Task], variation: Variation | None) -> type[Task]:
    """Return the task with the scene that a variation asks for; the task itself where it asks for none.

    Its id is the same. Equal scenes give the same class.
    """
    key, plain = scene_key(variation), unvaried(task)
    return _varied(plain, key) if key else plain


def unvaried(task: type[Task]) -> type[Task]:
    """Return the task as it is registered, for one of :func:`varied_task`."""
    return getattr(task, "unvaried", task)


@functools.lru_cache(maxsize=256)
def _varied(task: type[Task], key: str) -> type[Task]:
    scene, values = task.scene, json.loads(key)
    for name, axis in ordered(values):
        assert isinstance(axis, SceneAxis)
        scene = axis.scene(scene, task, values[name])
    body = {"scene": scene, "scene_key": key, "unvaried": task, "__doc__": task.__doc__, "__module__": task.__module__}
    return type(task.__name__, (task,), body)


def looks_of(variation: Variation | None) -> dict[str, Json]:
    """Return what pictures of an episode show otherwise, as JSON of ``metasim.core.looks.Looks``; empty for nothing."""
    looks: dict[str, Json] = {}
    for name, axis in ordered(variation):
        if isinstance(axis, LooksAxis):
            looks |= axis.looks((variation or {})[name])
    return looks


def refuse(task: type[Task], backend: str, variations: Sequence[Variation | None]) -> None:
    """Refuse variations that a task, an engine, or the model they would run in cannot have.

    Raises:
        UnknownName: For an axis that is not registered.
        UnsupportedFeature: If the axis says so, with its reason.
        InvalidConfig: If the scene of the task is not the one that the variation asks for.
    """
    check(dict.fromkeys(name for variation in variations for name in variation or ()), unvaried(task), backend)
    mine = getattr(task, "scene_key", "")
    for variation in variations:
        key = scene_key(variation)
        if key != mine:
            raise InvalidConfig(
                f"these worlds of {task.id} have the scene {mine or 'of the task'}, and a variation asks for"
                f" {key or 'the task as it is'}; make others with varied_task(task, variation)"
            )


class Channels:
    """All that stands between a policy and N worlds, in the order of :data:`AXES`.

    Args:
        task: The task.
        info: Of the model.
        num_worlds: N.
        action_size: A.
    """

    def __init__(self, task: type[Task], info: ModelInfo, num_worlds: int, action_size: int) -> None:
        self._shape = (unvaried(task), info, num_worlds, action_size)
        self._channels: dict[str, Channel] = {}
        self._active: dict[str, Array] = {}

    def begin(self, rows: Array, seeds: Sequence[EpisodeSeed], variations: Sequence[Variation | None]) -> bool:
        """Begin episodes in worlds ``rows`` ``(n,)`` and tell whether anything now happens at steps."""
        wanted = {n for v in variations for n, axis in ordered(v) if isinstance(axis, StepAxis)}
        if wanted - self._channels.keys():
            self._open(wanted | self._channels.keys())
        for name, channel in self._channels.items():
            values = [(v or {}).get(name) for v in variations]
            channel.begin(rows, values, seeds)
            self._active[name][rows] = [value is not None for value in values]
        self._channels = {n: c for n, c in self._channels.items() if self._active[n].any()}
        return bool(self._channels)

    def act(self, action: Array) -> Array:
        """Return the actions ``(N, A)`` that the worlds get instead of ``action``."""
        for channel in self._channels.values():
            action = channel.act(action)
        return action

    def push(self, backend: Backend) -> None:
        """Apply forces before the engine's next step."""
        for channel in self._channels.values():
            channel.push(backend)

    def snapshot(self) -> dict[str, Json]:
        """Return an exact copy of what they remember."""
        return {n: (self._active[n].copy(), c.snapshot()) for n, c in self._channels.items()}

    def restore(self, snapshot: Mapping[str, Json]) -> bool:
        """Put their memory back and tell whether anything happens at steps."""
        self._channels = {}
        self._open(snapshot)
        for name, (active, memory) in snapshot.items():
            self._active[name][:] = active
            self._channels[name].restore(memory)
        return bool(self._channels)

    def _open(self, names: Any) -> None:
        task, info, n, actions = self._shape
        opened: dict[str, Channel] = {}
        for name in (name for name in AXES if name in names):
            if name in self._channels:
                opened[name] = self._channels[name]
                continue
            axis: Any = AXES[name]
            opened[name], self._active[name] = axis.channel(task, info, n, actions), np.zeros(n, bool)
        self._channels = opened


def ordered(variation: Variation | None) -> list[tuple[str, Any]]:
    """Return a variation's axes in the order of :data:`AXES`."""
    if not variation:
        return []
    for name in variation:
        if name not in AXES:
            AXES[name]  # raises UnknownName, with the nearest names
    return [(name, AXES[name]) for name in AXES if name in variation]
