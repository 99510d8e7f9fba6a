"""Sides that take turns: the arithmetic of a fair comparison on a machine that is never quite quiet."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from metasim.core.errors import InvalidConfig


class Lap(NamedTuple):
    """What one side did in one round.

    Attributes:
        steps: Environment steps, all worlds together.
        seconds: What they took.
        reset_s: What the reset of one world took besides, on average; 0 where resets are part of steps.
    """

    steps: int
    seconds: float
    reset_s: float = 0.0

    def rate(self, horizon: int | None = None) -> float:
        """Return steps per second; with a horizon, each episode of that many steps pays for its reset."""
        reset = self.reset_s / horizon if horizon else 0.0
        return 1.0 / (self.seconds / self.steps + reset)


Side = Callable[[int], Lap]
"""Runs so many steps of each of its worlds and returns what that took."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long to measure.

    Args:
        seconds: What a round of one side should take.
        rounds: Rounds of every side.
    """

    seconds: float = 0.5
    rounds: int = 7

    def __post_init__(self) -> None:
        """Refuse what cannot be measured."""
        if not (self.seconds > 0 and self.rounds >= 1):
            raise InvalidConfig(f"seconds must be positive and rounds at least 1, got {self.seconds} and {self.rounds}")


@dataclass(frozen=True)
class Rounds:
    """Laps by side, one for each round."""

    laps: Mapping[str, tuple[Lap, ...]]

    def rate(self, side: str, horizon: int | None = None) -> float:
        """Return a side's median steps per second."""
        return median(lap.rate(horizon) for lap in self.laps[side])

    def ratio(self, side: str, other: str, horizon: int | None = None) -> float:
        """Return how many times as fast as another a side is: the median of the rounds' ratios."""
        pairs = zip(self.laps[side], self.laps[other], strict=True)
        return median(a.rate(horizon) / b.rate(horizon) for a, b in pairs)


def pilot(sides: Iterable[Side], seconds: float, limit: int) -> int:
    """Warm up, and return how many steps the slowest side makes in some seconds, at least 2 and at most ``limit``."""
    return min(_steps(side, seconds, limit) for side in sides)


def alternate(sides: Mapping[str, Side], steps: int, rounds: int) -> Rounds:
    """Let the sides take turns, ``rounds`` times; who begins changes from round to round."""
    names = list(sides)
    laps: dict[str, list[Lap]] = {name: [] for name in names}
    for k in range(rounds):
        turn = k % len(names)
        for name in names[turn:] + names[:turn]:
            laps[name].append(sides[name](steps))
    return Rounds({name: tuple(row) for name, row in laps.items()})


def geometric_mean(values: Iterable[float]) -> float:
    """Return the geometric mean of positive numbers."""
    logs = [math.log(v) for v in values]
    return math.exp(sum(logs) / len(logs))


def _steps(side: Side, seconds: float, limit: int) -> int:
    """Double the steps until they take a tenth of the seconds, then scale up."""
    steps = min(2, limit)
    while True:
        taken = side(steps).seconds
        if taken >= 0.1 * seconds or steps >= limit:
            return max(min(round(steps * seconds / max(taken, 1e-9)), limit), min(2, limit))
        steps = min(2 * steps, limit)
