"""Mean, deviation and range of a task's arrays: gathered episode by episode, kept in the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from metasim.datasets.episode import TaskInfo

Array = Any
KINDS = ("mean", "std", "min", "max")


def columns(task: TaskInfo) -> dict[str, int]:
    """Return the arrays that statistics are kept of, with their columns."""
    return {
        **{f"obs/{name}": size for name, size in task.observation},
        "actions": task.action_size,
        "rewards": 1,
    }


class Statistics:
    """Mean, population deviation, least and greatest of the rows of one task's episodes.

    Parts are joined as Chan, Golub and LeVeque (1979) do, so that large means do not hide small deviations. The order
    of the episodes decides the last bits.

    Args:
        task: What the episodes share.
    """

    def __init__(self, task: TaskInfo) -> None:
        self._columns = columns(task)
        self.count = 0

    def add(self, arrays: Mapping[str, Array]) -> None:
        """Add an episode, given by its arrays' paths in a demo; numbers beyond about 1e150 overflow to infinity."""
        with np.errstate(over="ignore", invalid="ignore"):
            self._add(arrays)

    def _add(self, arrays: Mapping[str, Array]) -> None:
        rows = np.concatenate([arrays[name].reshape(-1, size) for name, size in self._columns.items()], axis=1)
        n, mean, least, most = len(rows), rows.mean(axis=0), rows.min(axis=0), rows.max(axis=0)
        squares = np.square(rows - mean).sum(axis=0)
        if not self.count:
            self.count, self._mean, self._squares, self._min, self._max = n, mean, squares, least, most
            return
        total, apart = self.count + n, mean - self._mean
        self._mean = self._mean + apart * (n / total)
        self._squares = self._squares + squares + np.square(apart) * (self.count * n / total)
        self._min, self._max = np.minimum(self._min, least), np.maximum(self._max, most)
        self.count = total

    def result(self) -> dict[str, dict[str, Array]]:
        """Return array to ``{"mean", "std", "min", "max"}``, each ``(D,)`` float64."""
        values = {"mean": self._mean, "std": np.sqrt(self._squares / self.count), "min": self._min, "max": self._max}
        found, start = dict[str, dict[str, Array]](), 0
        for name, size in self._columns.items():
            found[name] = {kind: values[kind][start : start + size].astype(np.float64) for kind in KINDS}
            start += size
        return found
