"""Actions that are given from outside, checked before any world is stepped."""

from __future__ import annotations

from typing import Any

import numpy as np

from metasim.core.errors import InvalidAction

Array = Any


def checked_action(action: Array, shape: tuple[int, int]) -> Array:
    """Return the action ``(N, A)`` as float32, clipped to [-1, 1].

    Raises:
        InvalidAction: For a wrong shape or type, or values that are not finite.
    """
    array = as_action(action, shape)
    clipped = np.minimum(np.maximum(array, -1.0), 1.0)
    if not np.isfinite(array).all():
        bad = np.flatnonzero(~np.isfinite(array).all(axis=1)).tolist()
        raise InvalidAction(f"action has values that are not finite in worlds {bad}; no world was stepped")
    return clipped


def as_action(action: Array, shape: tuple[int, ...]) -> Array:
    """Return the action as float32 of a shape, or raise InvalidAction."""
    try:
        array = np.asarray(action, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidAction(f"action must be numbers of shape {shape}, got {action!r}: {error}") from error
    if array.shape != shape:
        raise InvalidAction(f"action must have shape {shape}, got {array.shape}")
    return array
