"""Engine states as they are stored: what does not change in an episode once, the columns that do row by row.

Most of an engine's state stands still, such as wrenches that nobody applies, and would be most of a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Array = Any
STATES, FIRST, MOVING = "states", "initial/state", "initial/moving"
"""Paths in a demo: the columns that move ``(T + 1, k)``, the first state ``(K,)``, and which columns move ``(k,)``."""


def packed(states: Array, *, failed: bool = False) -> dict[str, Array]:
    """Return states ``(T + 1, K)`` as they are stored, by their paths in a demo.

    Args:
        states: The states.
        failed: Whether the last row means nothing, all of it NaN, since the engine gave the world up.
    """
    states = np.ascontiguousarray(states, np.float64)
    bits = states[: len(states) - failed].view(np.int64)
    moving = np.flatnonzero((bits != bits[0]).any(axis=0))
    return {STATES: states[:, moving], FIRST: states[0], MOVING: moving.astype(np.int32)}


def whole(arrays: Mapping[str, Array], *, failed: bool = False) -> Array:
    """Return the states ``(T + 1, K)`` of a demo's arrays, which have been checked."""
    rows = arrays[STATES]
    states = spread(rows, arrays[FIRST], arrays[MOVING])
    if failed:
        states[-1] = np.nan
    return states


def spread(rows: Array, first: Array, moving: Array) -> Array:
    """Return some rows ``(n, k)`` of the columns that move as whole states ``(n, K)``."""
    states = np.repeat(first[None], len(rows), axis=0)
    states[:, moving] = rows
    return states


def problem(arrays: Mapping[str, Array]) -> str:
    """Return in what a demo's arrays contradict each other about the states; empty for nothing."""
    rows, first, moving = arrays[STATES], arrays[FIRST], arrays[MOVING]
    wrong = problem_of_columns(moving, len(first))
    if wrong:
        return wrong
    if not np.array_equal(first[moving].view(np.int64), np.ascontiguousarray(rows[0]).view(np.int64)):
        return f"the first row of {STATES!r} is not what {FIRST!r} has in those columns"
    return ""


def problem_of_columns(moving: Array, size: int) -> str:
    """Return what is wrong with a list of columns of a state of a size; empty for nothing."""
    ascending = not (moving[1:] <= moving[:-1]).any()
    if moving.size and not (ascending and moving[0] >= 0 and moving[-1] < size):
        return f"{MOVING!r} must list columns of a state of {size}, in ascending order"
    return ""
