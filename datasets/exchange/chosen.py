"""The episodes of a dataset of ours that are to be written for another project, each checked when it is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from metasim.core.errors import DatasetError, UnknownName
from metasim.datasets import checking
from metasim.datasets.episode import EpisodeInfo, TaskInfo
from metasim.datasets.reader import Dataset, Demo
from metasim.datasets.states import FIRST, MOVING, STATES, whole

Array = Any


class Chosen:
    """Episodes of an open dataset.

    Args:
        data: The dataset.
        task: Task whose episodes are meant; None for all.

    Attributes:
        numbers: Their numbers in the file.
        demos: The episodes.

    Raises:
        UnknownName: If the dataset has no such task.
        DatasetError: If there are no episodes.
    """

    def __init__(self, data: Dataset, task: str | None) -> None:
        if task is not None and task not in data.header.tasks:
            raise UnknownName("task", task, data.header.tasks, hint=f"in {data.path}")
        self.data = data
        self.numbers, self.demos = list[int](), list[Demo]()
        for number, demo in enumerate(data):
            if task in (None, demo.info.task):
                self.numbers.append(number)
                self.demos.append(demo)
        if not self.demos:
            raise DatasetError(f"{data.path} has no episodes to convert")

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.demos)

    @property
    def infos(self) -> list[EpisodeInfo]:
        """Their attributes."""
        return [demo.info for demo in self.demos]

    @property
    def steps(self) -> int:
        """The sum of their steps."""
        return sum(map(len, self.demos))

    @property
    def tasks(self) -> dict[str, TaskInfo]:
        """Their tasks."""
        return {name: self.data.header.tasks[name] for name in dict.fromkeys(info.task for info in self.infos)}

    def only_task(self, format: str) -> tuple[str, TaskInfo]:
        """Return the one task that all of them are of.

        Raises:
            DatasetError: If there are several.
        """
        if len(self.tasks) > 1:
            raise DatasetError(
                f"{self.data.path} holds {len(self.tasks)} tasks, and a {format} dataset is of one: "
                f"choose one of {list(self.tasks)} (--task)"
            )
        return next(iter(self.tasks.items()))

    def checked(self, values: bool = True) -> Iterator[tuple[Demo, dict[str, Array]]]:
        """Check one episode after the other, and yield it with its arrays by path, which are empty without values.

        States are whole.

        Raises:
            DatasetError: If one is damaged, with file, demo and reason.
        """
        for number, demo in zip(self.numbers, self.demos, strict=True):
            found = dict[str, Array]()
            checking.check_demo(
                demo.group,
                {demo.info.task: demo.task},
                f"{self.data.path}: demo_{number}",
                values=values,
                visit=lambda _, arrays, found=found: found.update(arrays),
            )
            if values:
                found[STATES] = whole(found, failed=bool(demo.info.failure))
                del found[FIRST], found[MOVING]
            yield demo, found


def flat(arrays: dict[str, Array], task: TaskInfo) -> tuple[Array, Array]:
    """Return the flat observations before and after each action, ``(T, D)`` each, without pictures."""
    before = np.concatenate([arrays[f"obs/{name}"] for name, _ in task.observation], axis=1)
    last = np.concatenate([arrays[f"final_obs/{name}"] for name, _ in task.observation], axis=1)
    return before, np.concatenate([before[1:], last])


def need_numbers(task: str, info: TaskInfo, format: str) -> None:
    """Raise DatasetError if a task's observation is all pictures."""
    if not info.observation:
        raise DatasetError(f"{task} observes nothing but pictures, which a {format} dataset has no place for")
