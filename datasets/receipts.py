"""What is known of the file of one episode that was just made or checked, so that the merge need not check it anew."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from metasim.core.errors import DatasetError
from metasim.datasets.episode import EpisodeInfo, TaskInfo
from metasim.datasets.statistics import Summary


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
    def of(cls, data: bytes, info: EpisodeInfo, summary: Summary, task: str) -> Receipt:
        """Return that of a file's bytes, which hold these attributes and :func:`task_text`."""
        return cls(info=info, summary=summary, task=_digest(task.encode()), sha256=_digest(data))

    def checked(self, path: Path, task: str) -> bytes:
        """Return the bytes of the file, which are those that it is for; ``task`` is what the others say of theirs.

        Raises:
            DatasetError: If they are others, or the other episodes are of another task.
        """
        data = path.read_bytes()
        if _digest(data) != self.sha256:
            raise DatasetError(f"{path} was damaged since it was written; run the same command again")
        if _digest(task.encode()) != self.task:
            raise DatasetError(f"{path}: what it says of {self.info.task} is not what the other episodes say")
        return data


def task_text(task: TaskInfo) -> str:
    """Return what a file of one episode says of its task."""
    return json.dumps(vars(task), default=dict)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
