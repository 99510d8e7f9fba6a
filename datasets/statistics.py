"""Mean, deviation and range of a task's arrays: gathered episode by episode, kept in the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """What one episode adds to the statistics of its task; arrays ``(D,)``.

    Attributes:
        count: Rows.
        mean: Their mean.
        squares: Sum of their squared deviations from it.
        least: Least of each column.
        most: Greatest of each column.
    """

    count: int
    mean: Array
    squares: Array
    least: Array
    most: Array

    @classmethod
    def of(cls, arrays: Mapping[str, Array], task: TaskInfo) -> Summary:
        """Return that of an episode's arrays by their paths in a demo; beyond about 1e150 numbers become infinite."""
        named = columns(task).items()
        with np.errstate(over="ignore", invalid="ignore"):
            rows = np.concatenate([arrays[name].reshape(-1, size) for name, size in named], axis=1)
            mean = rows.mean(axis=0)
            return cls(len(rows), mean, np.square(rows - mean).sum(axis=0), rows.min(axis=0), rows.max(axis=0))


class Statistics:
    """Mean, population deviation, least and greatest of the rows of one task's episodes.

    Parts are joined as Chan, Golub and LeVeque (1979) do, so that large means do not hide small deviations. The order
    of the episodes decides the last bits.

    Args:
        task: What the episodes share.
    """

    def __init__(self, task: TaskInfo) -> None:
        self._task, self._columns = task, columns(task)
        self.count = 0

    def add(self, arrays: Mapping[str, Array]) -> None:
        """Add an episode, given by its arrays' paths in a demo."""
        self.join(Summary.of(arrays, self._task))

    def join(self, more: Summary) -> None:
        """Add an episode, given by its summary."""
        if not self.count:
            self.count, self._mean, self._squares = more.count, more.mean, more.squares
            self._min, self._max = more.least, more.most
            return
        with np.errstate(over="ignore", invalid="ignore"):
            n, total, apart = more.count, self.count + more.count, more.mean - self._mean
            self._mean = self._mean + apart * (n / total)
            self._squares = self._squares + more.squares + np.square(apart) * (self.count * n / total)
        self._min, self._max = np.minimum(self._min, more.least), np.maximum(self._max, more.most)
        self.count = total

    def result(self) -> dict[str, dict[str, Array]]:
        """Return array to ``{"mean", "std", "min", "max"}``, each ``(D,)`` float64."""
        values = {"mean": self._mean, "std": np.sqrt(self._squares / self.count), "min": self._min, "max": self._max}
        found, start = dict[str, dict[str, Array]](), 0
        for name, size in self._columns.items():
            found[name] = {kind: values[kind][start : start + size].astype(np.float64) for kind in KINDS}
            start += size
        return found
