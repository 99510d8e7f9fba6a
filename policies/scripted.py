"""Policies that learn nothing: the task's own expert, random actions, and none.

Actions are float32 ``(N, A)`` in [-1, 1]. Row i of a batch gets the bits that row i alone would get: what is
random is drawn from the episode's own stream, ``EpisodeSeed.rng("policy")``, whoever else is in the batch.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from metasim.core.errors import InvalidConfig
from metasim.core.policy import NEED_EXPERT, POLICIES
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import Task
from metasim.envs import Episodes

Array = Any
STREAM = "policy"
CHUNK_STEPS = 128  # steps of an episode that are drawn at once


class Expert:
    """The task's scripted expert, a pure function of the flat observation.

    Args:
        task: The task, or its class.
        num_worlds: N.

    Raises:
        InvalidConfig: If the task has no expert; the message lists the policies that can run it.
    """

    def __init__(self, task: Task | type[Task], num_worlds: int) -> None:
        task = task() if isinstance(task, type) else task
        expert: Any = task.expert
        if expert is None:
            able = [name for name in POLICIES if name not in NEED_EXPERT]
            name = task.id or type(task).__name__
            raise InvalidConfig(f"task {name!r} has no scripted expert; policies that can run it: {able}")
        self.num_worlds = num_worlds
        self._expert = expert

    def reset(self, rows: Array, seeds: Sequence[EpisodeSeed]) -> None:
        """Begin episodes; an expert remembers nothing."""

    def act(self, observation: Array) -> Array:
        """Return actions ``(N, A)`` for flat observations ``(N, D)``."""
        return np.clip(np.asarray(self._expert(observation), np.float32), -1.0, 1.0)


class Random:
    """Actions drawn uniformly from [-1, 1]^A.

    Arguments as for :class:`Expert`.
    """

    def __init__(self, task: Task | type[Task], num_worlds: int) -> None:
        self._draws = Draws(num_worlds, action_size(task), "random")

    def reset(self, rows: Array, seeds: Sequence[EpisodeSeed]) -> None:
        """Begin episodes, each with its own draws."""
        self._draws.reset(rows, seeds)

    def act(self, observation: Array) -> Array:
        """Return actions ``(N, A)``."""
        return 2.0 * self._draws.next() - 1.0


class Zero:
    """The action 0 always: a mocap or delta control stands still.

    Arguments as for :class:`Expert`.
    """

    def __init__(self, task: Task | type[Task], num_worlds: int) -> None:
        self._action = np.zeros((num_worlds, action_size(task)), np.float32)

    def reset(self, rows: Array, seeds: Sequence[EpisodeSeed]) -> None:
        """Begin episodes; nothing is remembered."""

    def act(self, observation: Array) -> Array:
        """Return zeros ``(N, A)``."""
        return self._action.copy()


class Draws:
    """One stream of float32 numbers for each world, a row of them for each step.

    Args:
        num_worlds: N.
        size: Numbers per step, K.
        kind: ``"random"`` (uniform in [0, 1)) or ``"standard_normal"``. A world never reset draws zeros.
    """

    def __init__(self, num_worlds: int, size: int, kind: str) -> None:
        self._kind, self._size = kind, size
        self._rngs: list[np.random.Generator | None] = [None] * num_worlds
        self._drawn = np.zeros((num_worlds, CHUNK_STEPS, size), np.float32)
        self._step = np.zeros(num_worlds, np.int64)
        self._all = np.arange(num_worlds)

    def reset(self, rows: Array, seeds: Sequence[EpisodeSeed]) -> None:
        """Begin episodes in some worlds."""
        for row, seed in zip(np.asarray(rows).tolist(), seeds, strict=True):
            self._rngs[row] = seed.rng(STREAM)
            self._draw(row)

    def next(self) -> Array:
        """Return the next ``(N, K)``."""
        for row in np.flatnonzero(self._step == CHUNK_STEPS).tolist():
            self._draw(row)
        drawn = self._drawn[self._all, self._step]
        self._step += 1
        return drawn

    def _draw(self, row: int) -> None:
        rng = self._rngs[row]
        self._step[row] = 0
        if rng is not None:
            self._drawn[row] = getattr(rng, self._kind)((CHUNK_STEPS, self._size), dtype=np.float32)


def action_size(task: Task | type[Task]) -> int:
    """Return A, the number of action components; it follows from scene and control, not from the engine."""
    return _action_size(task if isinstance(task, type) else type(task))


@functools.cache
def _action_size(task: type[Task]) -> int:
    episodes = Episodes(task)
    try:
        return episodes.action_size
    finally:
        episodes.close()
