"""Values of a task's own factors: drawn from episodes' seeds, or given instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metasim.core.errors import InvalidConfig, InvalidState
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import Task

Array = Any


def draw_samples(
    task: Task, seeds: Sequence[EpisodeSeed], overrides: Mapping[str, Array] | None = None
) -> dict[str, Array]:
    """Return what varies in some episodes: factor name to value ``(n, ...)``.

    Args:
        task: The task.
        seeds: One an episode.
        overrides: Factor name to value ``(K,)`` or ``(n, K)`` used instead of what would be drawn.

    Raises:
        InvalidConfig: For a factor that the task has not.
        InvalidState: For values of another shape, or that are not finite.
    """
    drawn = [task.sample(seed) for seed in seeds]
    sample = {name: np.stack([d[name] for d in drawn]) for name in drawn[0]} if drawn else {}
    for name, value in (overrides or {}).items():
        if name not in sample:
            raise InvalidConfig(f"no factor named {name!r} to override; task {task.id!r} varies {list(sample)}")
        array = np.asarray(value, dtype=float)
        if array.shape not in (sample[name].shape, sample[name].shape[1:]) or not np.isfinite(array).all():
            raise InvalidState(
                f"override of factor {name!r} must be finite numbers of shape {sample[name].shape[1:]}"
                f" or {sample[name].shape}, got shape {array.shape}"
            )
        sample[name] = np.array(np.broadcast_to(array, sample[name].shape))
    return sample


def check_override(task: type[Task], name: str, value: Array) -> None:
    """Refuse a value ``(K,)`` or values ``(n, K)`` of a factor that make no sense in this task.

    Raises:
        InvalidState: If the factor says so.
    """
    for factor in task.factors:
        array = np.asarray(value, dtype=float)
        if factor.name == name and array.ndim and np.isfinite(array).all():  # else `draw_samples` says what is wrong
            factor.check(np.atleast_2d(array))
