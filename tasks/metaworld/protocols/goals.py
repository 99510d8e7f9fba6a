"""The goals of a benchmark: the original's random vectors, to the bit.

The original seeds numpy's global generator, then resets each task so many times, one task after another; every reset
draws twice and keeps the second vector, and each of the two is drawn again while object and goal are too close. Here
the same stream (Mersenne Twister, ``RandomState``) is a local one; nobody else's random numbers are touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metasim.core.errors import InvalidConfig, UnknownName
from metasim.core.protocol import NUM_GOALS, is_whole
from metasim.core.task import TASKS
from metasim.tasks.metaworld.family import RandomVector

Array = Any
DRAWS_PER_RESET = 2


def goals(tasks: Sequence[str], seed: int, count: int = NUM_GOALS) -> dict[str, Array]:
    """Return task id to its random vectors ``(count, K)``, in order; they depend on the tasks before, as they should.

    Raises:
        UnknownName: For an unknown task, or one that has no random vector.
        InvalidConfig: If there are no tasks, one is named twice, or ``count`` is no positive integer.
    """
    if not is_whole(count) or count < 1:
        raise InvalidConfig(f"num_goals must be a positive integer, got {count!r}")
    if isinstance(tasks, str) or not tasks or len(set(tasks)) != len(tasks):
        raise InvalidConfig(f"tasks must be a list of one or more task ids, each once, got {tasks!r}")
    factors = [random_vector(task) for task in tasks]
    stream = np.random.RandomState(seed)
    return {
        task: np.array([_reset(factor, stream) for _ in range(count)])
        for task, factor in zip(tasks, factors, strict=True)
    }


def random_vector(task: str) -> RandomVector:
    """Return the factor that a task's goals are values of."""
    for factor in TASKS[task].factors:
        if isinstance(factor, RandomVector):
            return factor
    valid = [id for id, cls in TASKS.items() if any(isinstance(f, RandomVector) for f in cls.factors)]
    raise UnknownName("task with a random vector", task, valid)


def _reset(factor: RandomVector, stream: np.random.RandomState) -> Array:
    vector = np.zeros(0)
    for _ in range(DRAWS_PER_RESET):
        vector = stream.uniform(factor.low, factor.high)
        while factor.apart_m and _gap_m(factor, vector) < factor.apart_m:
            vector = stream.uniform(factor.low, factor.high)
    return vector


def _gap_m(factor: RandomVector, vector: Array) -> float:
    other = vector[3:5] if factor.apart_from is None else np.array(factor.apart_from)
    return float(np.linalg.norm(vector[:2] - other))
