"""What is known of the file of one episode that was just made or checked, so that the merge need not check it anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metasim.core.errors import DatasetError
from metasim.datasets.episode import EpisodeInfo, TaskInfo
from metasim.datasets.statistics import Summary

Array = Any


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Receipt:
    """For a file of one episode whose content is good.

    Attributes:
        info: What its attributes say.
        summary: What it adds to the statistics of its task.
        task: SHA-256 of what the file says of the task.
        sha256: Of the file.
    """

    info: EpisodeInfo
    summary: Summary
    task: str
    sha256: str

    @classmethod
    def of(cls, data: bytes, info: EpisodeInfo, arrays: Mapping[str, Array], task: TaskInfo) -> Receipt:
        """Return that of a file's bytes, which hold these attributes, arrays and task."""
        return cls(
            info=info,
            summary=Summary.of(arrays, task),
            task=task_digest(task),
            sha256=hashlib.sha256(data).hexdigest(),
        )

    def checked(self, path: Path, task: TaskInfo) -> bytes:
        """Return the bytes of the file, which are those that it is for.

        Raises:
            DatasetError: If they are others, or the other episodes are of another task.
        """
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise DatasetError(f"{path} was damaged since it was written; run the same command again")
        if task_digest(task) != self.task:
            raise DatasetError(f"{path}: what it says of {self.info.task} is not what the other episodes say")
        return data


def task_text(task: TaskInfo) -> str:
    """Return what a file of one episode says of its task."""
    return json.dumps(vars(task), default=dict)


def task_digest(task: TaskInfo) -> str:
    """Return its SHA-256."""
    return hashlib.sha256(task_text(task).encode()).hexdigest()
