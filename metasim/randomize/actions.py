"""Axes between the policy and the worlds: noise and delay of actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metasim.core.errors import InvalidState
from metasim.core.model import ModelInfo
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import Task
from metasim.randomize.axis import Channel, StepAxis
from metasim.randomize.ranges import Span, numbers

Array = Any
Json = Any
BLOCK = 64
"""Steps whose noise is drawn at once; part of what an episode's noise is."""
LONGEST = 16
"""Largest delay in steps."""


class ActionNoise(StepAxis):
    """Value: standard deviation of the Gaussian noise on every component of an action, which is within [-1, 1]."""

    name = "action-noise"
    summary = "Gaussian noise on actions, by its standard deviation."
    span = Span(train=((0.0, 0.1),), test=((0.1, 0.3),))

    def sample(self, rng: np.random.Generator, split: str, task: type[Task]) -> Json:
        """Draw the standard deviation."""
        return self.span.draw(rng, split)

    def check(self, info: ModelInfo, value: Sequence[Json]) -> None:
        """Refuse anything but deviations of 0 or more."""
        numbers(self.name, value, 0.0)

    def channel(self, task: type[Task], info: ModelInfo, num_worlds: int, action_size: int) -> Channel:
        """Return the noise of N worlds."""
        return _Noise(num_worlds, action_size)


class ActionDelay(StepAxis):
    """Value: how many steps later an action takes effect; until the first one does, actions are 0."""

    name = "action-delay"
    summary = "Actions take effect so many steps later."
    steps = {"train": (0, 1), "test": (2, 3)}

    def sample(self, rng: np.random.Generator, split: str, task: type[Task]) -> Json:
        """Draw the number of steps."""
        low, high = self.steps[split]
        return int(rng.integers(low, high + 1))

    def check(self, info: ModelInfo, value: Sequence[Json]) -> None:
        """Refuse anything but whole numbers of steps up to the longest delay."""
        steps = numbers(self.name, value, 0, LONGEST)
        if (steps % 1).any():
            raise InvalidState(f"a value of axis {self.name!r} is a whole number of steps, got {list(value)}")

    def channel(self, task: type[Task], info: ModelInfo, num_worlds: int, action_size: int) -> Channel:
        """Return the delays of N worlds."""
        return _Delay(num_worlds, action_size)


class _Noise(Channel):
    def __init__(self, n: int, actions: int) -> None:
        self._all, self._sd, self._t = np.arange(n), np.zeros(n, np.float32), np.zeros(n, np.int64)
        self._noise = np.zeros((n, BLOCK, actions), np.float32)
        self._seeds: list[EpisodeSeed | None] = [None] * n

    def begin(self, rows: Array, values: Sequence[Json], seeds: Sequence[EpisodeSeed]) -> None:
        """Begin episodes: their first block is drawn at the first step."""
        self._sd[rows] = [0.0 if v is None else v for v in values]
        self._t[rows] = 0
        for row, seed, value in zip(rows, seeds, values, strict=True):
            self._seeds[int(row)] = None if value is None else seed
            self._noise[row] = 0.0

    def act(self, action: Array) -> Array:
        """Add this step's noise."""
        at = self._t % BLOCK
        if not at.all():
            for row in np.flatnonzero(at == 0).tolist():
                self._draw(row)
        self._t += 1
        return np.clip(action + self._sd[:, None] * self._noise[self._all, at], -1.0, 1.0)

    def snapshot(self) -> Json:
        """Return all of it."""
        return self._sd.copy(), self._t.copy(), self._noise.copy(), list(self._seeds)

    def restore(self, snapshot: Json) -> None:
        """Put it back."""
        self._sd[:], self._t[:], self._noise[:], self._seeds = *snapshot[:3], list(snapshot[3])

    def _draw(self, row: int) -> None:
        seed = self._seeds[row]
        if seed is not None:
            rng = seed.rng(f"run/{ACTION_NOISE.name}/{self._t[row] // BLOCK}")
            self._noise[row] = rng.standard_normal(self._noise[row].shape)


class _Delay(Channel):
    def __init__(self, n: int, actions: int) -> None:
        self._all, self._delay, self._t = np.arange(n), np.zeros(n, np.int64), np.zeros(n, np.int64)
        self._sent = np.zeros((n, LONGEST + 1, actions), np.float32)

    def begin(self, rows: Array, values: Sequence[Json], seeds: Sequence[EpisodeSeed]) -> None:
        """Begin episodes with nothing on its way."""
        self._delay[rows], self._t[rows], self._sent[rows] = [v or 0 for v in values], 0, 0.0

    def act(self, action: Array) -> Array:
        """Return the actions of so many steps ago."""
        ring = LONGEST + 1
        self._sent[self._all, self._t % ring] = action
        due = self._sent[self._all, (self._t - self._delay) % ring]  # 0 where nothing was sent yet
        self._t += 1
        return due

    def snapshot(self) -> Json:
        """Return all of it."""
        return self._delay.copy(), self._t.copy(), self._sent.copy()

    def restore(self, snapshot: Json) -> None:
        """Put it back."""
        self._delay[:], self._t[:], self._sent[:] = snapshot


ACTION_NOISE, ACTION_DELAY = ActionNoise(), ActionDelay()
