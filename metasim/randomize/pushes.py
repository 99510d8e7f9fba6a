"""The axis of pushes from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metasim.core.backend import BACKENDS, Backend
from metasim.core.errors import InvalidState
from metasim.core.model import ModelInfo
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import Task
from metasim.randomize.axis import Channel, StepAxis
from metasim.randomize.parts import parts_of
from metasim.randomize.ranges import Span

Array = Any
Json = Any
GRAVITY = 9.81
MOST = 8
"""Most pushes of one episode."""
KEYS = ("body", "force", "at", "steps")


class Pushes(StepAxis):
    """Value: ``body``, ``force`` (3) [N] in the world's axes, ``at`` the steps when it begins, ``steps`` it lasts."""

    name = "pushes"
    summary = "Pushes on a free object, or else the hand, at random times."
    weights = Span(train=((0.5, 1.0),), test=((1.0, 2.0),))
    on_hand_n = Span(train=((3.0, 8.0),), test=((8.0, 25.0),))
    times = {"train": 1, "test": 3}
    steps = 3
    part = 0.6
    """They begin within this share of the task's horizon."""

    def sample(self, rng: np.random.Generator, split: str, task: type[Task]) -> Json:
        """Draw direction, size and times; sizes go by the weight of what is pushed."""
        parts = parts_of(task)
        body = next(iter(parts.objects), parts.hand)
        if parts.objects:
            size = self.weights.draw(rng, split) * GRAVITY * parts.masses_kg[body]
        else:
            size = self.on_hand_n.draw(rng, split)
        angle = rng.uniform(0.0, 2 * np.pi)
        at = sorted(int(t) for t in rng.integers(0, max(1, int(self.part * task.horizon)), self.times[split]))
        force = [float(size * np.cos(angle)), float(size * np.sin(angle)), 0.0]
        return {"body": body, "force": force, "at": at, "steps": self.steps}

    def refuse(self, task: type[Task], backend: str) -> str:
        """Refuse tasks with nothing to push, and engines that cannot."""
        parts = parts_of(task)
        if not parts.objects and not parts.hand:
            return "it has neither a free object nor a hand"
        return "" if "wrench" in BACKENDS[backend].capabilities else "the engine takes no forces from outside"

    def check(self, info: ModelInfo, value: Sequence[Json]) -> None:
        """Refuse anything but pushes of bodies that there are."""
        for one in value:
            info.index("body", _checked(one)[0])

    def channel(self, task: type[Task], info: ModelInfo, num_worlds: int, action_size: int) -> Channel:
        """Return the pushes of N worlds."""
        return _Pushes(info, num_worlds)


class _Pushes(Channel):
    def __init__(self, info: ModelInfo, n: int) -> None:
        self._info, self._t = info, np.zeros(n, np.int64)
        self._now: Array = np.zeros(n, bool)
        self._force, self._body = np.zeros((n, 6)), np.zeros(n, np.int64)
        self._at, self._steps = np.full((n, MOST), -1), np.zeros(n, np.int64)

    def begin(self, rows: Array, values: Sequence[Json], seeds: Sequence[EpisodeSeed]) -> None:
        """Begin episodes; the engine begins them without forces."""
        for row, value in zip(rows.tolist(), values, strict=True):
            self._t[row], self._now[row], self._steps[row] = 0, False, 0
            if value is not None:
                body, force, at, steps = _checked(value)
                self._body[row], self._force[row, :3] = self._info.index("body", body), force
                self._at[row], self._steps[row] = -1, steps
                self._at[row, : len(at)] = at

    def push(self, backend: Backend) -> None:
        """Apply the force where one begins, and take it away where one ends."""
        since = self._t[:, None] - self._at
        now: Array = ((self._at >= 0) & (since >= 0) & (since < self._steps[:, None])).any(axis=1)
        changed = np.flatnonzero(now != self._now)
        if len(changed):
            for body in np.unique(self._body[changed]).tolist():
                rows = changed[self._body[changed] == body]
                backend.apply_wrench(self._info.bodies[body], self._force[rows] * now[rows, None], rows)
        self._now = now
        self._t += 1

    def snapshot(self) -> Json:
        """Return all of it."""
        return tuple(array.copy() for array in self._arrays())

    def restore(self, snapshot: Json) -> None:
        """Put it back."""
        for mine, array in zip(self._arrays(), snapshot, strict=True):
            mine[:] = array

    def _arrays(self) -> tuple[Array, ...]:
        return self._t, self._now, self._force, self._body, self._at, self._steps


def _checked(value: Json) -> tuple[str, Array, list[int], int]:
    """Return body, force ``(3,)``, beginnings and duration of a value.

    Raises:
        InvalidState: If it is something else.
    """
    try:
        if not isinstance(value, Mapping) or set(value) != set(KEYS):
            raise ValueError(f"it needs exactly {list(KEYS)}")
        force, at, steps = np.array(value["force"], float), [int(t) for t in value["at"]], int(value["steps"])
        if force.shape != (3,) or not np.isfinite(force).all() or len(at) > MOST or min([*at, steps]) < 0:
            raise ValueError(f"force is (3,) finite numbers, at holds up to {MOST} steps, steps is 0 or more")
    except (TypeError, ValueError) as error:
        raise InvalidState(f"a value of axis {PUSHES.name!r} is not {value!r}: {error}") from error
    return str(value["body"]), force, at, steps


PUSHES = Pushes()
