"""What is in a dataset, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metasim.datasets.reader import Dataset, Demo


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Mean, least and greatest of some numbers."""

    mean: float
    min: float
    max: float


@dataclass(frozen=True, kw_only=True)
class TaskSummary:
    """Episodes of one task from one engine and policy.

    Attributes:
        task: Task id.
        backend: Engine.
        policy: Policy.
        split: Ranges of the factors.
        episodes: How many episodes.
        steps: Their steps.
        successes: Episodes solved at some step.
        successes_last: Episodes solved at the last step.
        returns: Sum of rewards of an episode.
        lengths: Steps of an episode.
    """

    task: str
    backend: str
    policy: str
    split: str
    episodes: int
    steps: int
    successes: int
    successes_last: int
    returns: Spread
    lengths: Spread


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A dataset in a few lines.

    Attributes:
        path: The file.
        schema: Its schema.
        size_bytes: Its size.
        episodes: How many episodes.
        steps: Their steps.
        tasks: One row per task, engine, policy and split, in file order.
        masks: Name to number of episodes.
        versions: Package to version.
        env_args: robomimic's description of the environment.
    """

    path: Path
    schema: str
    size_bytes: int
    episodes: int
    steps: int
    tasks: tuple[TaskSummary, ...]
    masks: Mapping[str, int]
    versions: Mapping[str, str]
    env_args: Mapping[str, Any]


def inspect(path: str | Path) -> Summary:
    """Return what is in a dataset.

    Raises:
        DatasetError: If the file is missing, damaged, or no dataset of ours.
    """
    groups: dict[tuple[str, str, str, str], list[Demo]] = {}
    with Dataset(path) as data:
        for demo in data:
            info = demo.info
            groups.setdefault((info.task, info.backend, info.policy, info.split), []).append(demo)
        return Summary(
            path=data.path,
            schema=str(data.file["data"].attrs["schema"]),
            size_bytes=data.path.stat().st_size,
            episodes=len(data),
            steps=data.header.total,
            tasks=tuple(_summary(key, demos) for key, demos in groups.items()),
            masks={name: len(data.mask(name)) for name in data.masks},
            versions=data.header.versions,
            env_args=data.header.env_args,
        )


def _summary(key: tuple[str, str, str, str], demos: list[Demo]) -> TaskSummary:
    task, backend, policy, split = key
    return TaskSummary(
        task=task,
        backend=backend,
        policy=policy,
        split=split,
        episodes=len(demos),
        steps=sum(len(demo) for demo in demos),
        successes=sum(demo.info.success for demo in demos),
        successes_last=sum(demo.info.success_last for demo in demos),
        returns=_spread([float(demo.array("rewards").sum()) for demo in demos]),
        lengths=_spread([float(len(demo)) for demo in demos]),
    )


def _spread(values: list[float]) -> Spread:
    return Spread(mean=float(np.mean(values)), min=min(values), max=max(values))
