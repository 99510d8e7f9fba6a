"""Ranges that values are drawn from, and checks of values that were stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metasim.core.errors import InvalidState

Array = Any
Json = Any


@dataclass(frozen=True, kw_only=True)
class Span:
    """One number, drawn from an interval or from several, each as likely as it is wide.

    Args:
        train: Intervals (low, high) of the train split.
        test: Intervals of the test split.
    """

    train: tuple[tuple[float, float], ...]
    test: tuple[tuple[float, float], ...]

    def draw(self, rng: np.random.Generator, split: str) -> float:
        """Return one number."""
        intervals = np.array(self.test if split == "test" else self.train)
        widths = intervals[:, 1] - intervals[:, 0]
        edges = np.cumsum(widths)
        at = rng.random() * edges[-1]
        k = min(int(np.searchsorted(edges, at, side="right")), len(edges) - 1)
        return float(intervals[k, 1] - (edges[k] - at))


def numbers(axis: str, values: Sequence[Json], low: float = -np.inf, high: float = np.inf) -> Array:
    """Return values ``(n,)`` of an axis as float64.

    Raises:
        InvalidState: For anything but finite numbers between the bounds.
    """
    for value in values:
        plain = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not plain or not np.isfinite(value) or not low <= value <= high:
            raise InvalidState(f"a value of axis {axis!r} is a number from {low:g} to {high:g}, got {value!r}")
    return np.array(values, float)


def named(axis: str, values: Sequence[Json], names: Sequence[str], default: float) -> dict[str, Array]:
    """Return, for values that map some of ``names`` to numbers, each name's numbers ``(n,)``.

    Raises:
        InvalidState: For another name, or something that is no finite number.
    """
    for value in values:
        if not isinstance(value, Mapping) or not set(value) <= set(names):
            raise InvalidState(f"a value of axis {axis!r} maps names among {list(names)} to numbers, got {value!r}")
    present = [name for name in names if any(name in value for value in values)]
    return {name: numbers(axis, [value.get(name, default) for value in values]) for name in present}
