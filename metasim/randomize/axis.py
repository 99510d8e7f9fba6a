"""What varies besides a task's own factors: axes, each with train and test ranges and a stream of its own.

A value is drawn without an engine or a renderer, from the episode's seed alone, and is plain JSON: it is stored with
the episode, and the episode can be run again from it. Where a value takes effect is the axis's kind:

- :class:`SceneAxis`: another scene is compiled (sizes, distractors). Its values are few, so that episodes share models.
- :class:`StartAxis`: parameters and joints at the start of the episode (mass, friction, gains, the robot's pose).
- :class:`StepAxis`: every step (noise and delay of actions, pushes).
- :class:`LooksAxis`: pictures only (materials, camera, light, reflection).

The engine itself is no axis here: whoever runs episodes chooses it.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from metasim.core.backend import Backend, Start
from metasim.core.errors import InvalidConfig, UnsupportedFeature
from metasim.core.model import ModelInfo
from metasim.core.registry import Registry
from metasim.core.scene import Scene
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import Task

Array = Any
Json = Any
SPLITS = ("train", "test")


class Axis(ABC):
    """One thing that varies.

    Attributes:
        name: What it is called on the command line and in results.
        summary: One sentence, for lists.
    """

    name: ClassVar[str]
    summary: ClassVar[str]

    @abstractmethod
    def sample(self, rng: np.random.Generator, split: str, task: type[Task]) -> Json:
        """Draw one episode's value, of numbers, words, lists and mappings only."""

    def refuse(self, task: type[Task], backend: str) -> str:
        """Return why this task in this engine cannot be varied so; empty where it can."""
        return ""


class SceneAxis(Axis):
    """An axis whose values each need a model of their own; what :meth:`key` leaves of them is one of few."""

    def key(self, value: Json) -> Json:
        """Return the part of a value that the scene depends on, and that :meth:`scene` gets; by default all of it."""
        return value

    @abstractmethod
    def scene(self, scene: Scene, task: type[Task], value: Json) -> Scene:
        """Return the scene with the value, of which it gets the :meth:`key`, in effect."""

    def start(self, task: type[Task], info: ModelInfo, value: Sequence[Json]) -> Start:
        """Return what else is set when episodes begin, for values of ``n`` worlds; by default nothing."""
        return Start()


class StartAxis(Axis):
    """An axis that sets parameters, joints or poses once, when episodes begin."""

    @abstractmethod
    def start(self, task: type[Task], info: ModelInfo, value: Sequence[Json]) -> Start:
        """Return what is set in ``n`` worlds, one value each, on top of the task's own start."""


class StepAxis(Axis):
    """An axis that acts at every step, through a channel that N worlds share."""

    @abstractmethod
    def check(self, info: ModelInfo, value: Sequence[Json]) -> None:
        """Refuse stored values that cannot be, with InvalidState or UnknownName, before any world has begun."""

    @abstractmethod
    def channel(self, task: type[Task], info: ModelInfo, num_worlds: int, action_size: int) -> Channel:
        """Return what stands between the policy and N worlds."""


class LooksAxis(Axis):
    """An axis that pictures show and physics does not feel."""

    @abstractmethod
    def looks(self, value: Json) -> Mapping[str, Json]:
        """Return the part of ``metasim.core.looks.Looks`` that it sets, as JSON."""


class Channel(ABC):
    """What stands between the policy and N worlds; all arrays ``(N, ...)``, batched, exact at any N."""

    @abstractmethod
    def begin(self, rows: Array, values: Sequence[Json], seeds: Sequence[EpisodeSeed]) -> None:
        """Begin new episodes in worlds ``rows`` ``(n,)``; None among the values: nothing happens there."""

    def act(self, action: Array) -> Array:
        """Return the actions ``(N, A)`` that the worlds get instead of ``action``."""
        return action

    def push(self, backend: Backend) -> None:  # noqa: B027
        """Apply forces before the engine's next step."""

    def snapshot(self) -> Json:
        """Return an exact copy of its memory."""
        return None

    def restore(self, snapshot: Json) -> None:  # noqa: B027
        """Put its memory back."""


AXES: Registry[Axis] = Registry("axis", group="metasim.axes", accepts=lambda item: isinstance(item, Axis))


def sample(axes: Mapping[str, str], task: type[Task], seed: EpisodeSeed) -> dict[str, Json]:
    """Draw one episode's variation: axis name to value, for axis names mapped to ``"train"`` or ``"test"``.

    Axis ``a`` draws from the stream ``vary/a`` of the episode, so that adding one does not move the others.

    Raises:
        UnknownName: For an axis that is not registered.
        InvalidConfig: For another split.
    """
    found: dict[str, Json] = {}
    for name, split in axes.items():
        if split not in SPLITS:
            raise InvalidConfig(f"axis {name!r}: split must be 'train' or 'test', got {split!r}")
        found[name] = AXES[name].sample(seed.rng(f"vary/{name}"), split, task)
    return found


def check(axes: Iterable[str], task: type[Task], backend: str) -> None:
    """Refuse axes along which a task or an engine cannot vary.

    Raises:
        UnknownName: For an axis that is not registered.
        UnsupportedFeature: Naming the axis, the task and the reason.
    """
    for name in axes:
        reason = _reason(AXES[name], task, backend)
        if reason:
            raise UnsupportedFeature(f"axis {name!r} cannot vary {task.id} in {backend}: {reason}")


@functools.lru_cache(maxsize=1024)
def _reason(axis: Axis, task: type[Task], backend: str) -> str:
    return axis.refuse(task, backend)
