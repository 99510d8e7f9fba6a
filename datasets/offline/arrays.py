"""Transitions as plain arrays, as offline-RL code takes them: flat, or a row of steps for each episode."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from metasim.core.errors import DatasetError
from metasim.core.protocol import NUM_GOALS, PROTOCOLS
from metasim.datasets.episode import EpisodeInfo
from metasim.datasets.goals import goal_count
from metasim.datasets.offline.views import View
from metasim.datasets.reader import Dataset, Demo

Array = Any
GOAL = "goal"
"""Name of the observation that a protocol with hidden goals hides."""


def to_arrays(
    data: str | Path | Dataset | View,
    goal: int | None = None,
    *,
    task: str | None = None,
    by_episode: bool = False,
    dtype: Any = np.float32,
) -> dict[str, Array]:
    """Return the transitions of a dataset, or of one of its tasks or goals, in memory.

    Where the goals of the episodes' protocol are hidden and the task observes them, they are zeros.

    Args:
        data: A file, an open dataset, or a view of one.
        goal: Number of a goal of the episodes' protocol; None for all.
        task: Task id; None for the only one.
        by_episode: Return ``(E, T, ...)``, padded with zeros, instead of ``(n, ...)``.
        dtype: Of all that is not boolean or a number of an episode.

    Returns:
        ``observations`` and ``next_observations`` ``(n, D)``, ``actions`` ``(n, A)``, ``rewards`` ``(n,)``,
        ``terminals`` and ``timeouts`` ``(n,)`` bool: the decision process, or the recording, ended after the step; and
        ``episode`` ``(n,)`` int64, the number of the demo. By episode, ``masks`` ``(E, T)`` bool says which steps are
        there, and ``episode`` is ``(E,)``. From a view, what is hidden is NaN.

    Raises:
        DatasetError: If there are no such episodes, or several tasks and none is named.
    """
    if isinstance(data, (str, Path)):
        with Dataset(data) as opened:
            return to_arrays(opened, goal, task=task, by_episode=by_episode, dtype=dtype)
    demos = list(data)
    numbers = _chosen(demos, goal, task, data.path)
    episodes = [_transitions(demos[i], dtype) for i in numbers]
    if by_episode:
        steps = max(len(episode["rewards"]) for episode in episodes)
        found = {name: np.stack([_padded(e[name], steps) for e in episodes]) for name in episodes[0]}
        lengths = np.array([len(episode["rewards"]) for episode in episodes])
        return {**found, "masks": np.arange(steps) < lengths[:, None], "episode": np.array(numbers, np.int64)}
    found = {name: np.concatenate([episode[name] for episode in episodes]) for name in episodes[0]}
    lengths = [len(episode["rewards"]) for episode in episodes]
    return {**found, "episode": np.repeat(np.array(numbers, np.int64), lengths)}


def goal_numbers(infos: Iterable[EpisodeInfo]) -> Array:
    """Return the number of each episode's goal in its protocol ``(n,)`` int64; -1 where its seed drew it."""
    found = [info.episode % goal_count(info.goals, info.task, info.seed) if info.goals else -1 for info in infos]
    return np.array(found, np.int64)


def _chosen(demos: Sequence[Demo], goal: int | None, task: str | None, path: Path) -> Sequence[int]:
    infos = [demo.info for demo in demos]
    tasks = list(dict.fromkeys(info.task for info in infos))
    if task is None and len(tasks) != 1:
        raise DatasetError(f"{path} has {len(tasks)} tasks, name one of them: {tasks}")
    wanted = task or tasks[0]
    numbers = [i for i, info in enumerate(infos) if info.task == wanted]
    if goal is not None:
        goals = goal_numbers(infos)
        numbers = [i for i in numbers if goals[i] == goal]
    if not numbers:
        there = f"goals {sorted(set(goal_numbers(infos).tolist()))}" if wanted in tasks else f"tasks {tasks}"
        raise DatasetError(f"{path} has no episodes of {wanted} with goal {goal}; it has {there}")
    return numbers


def _transitions(demo: Demo, dtype: Any) -> dict[str, Array]:
    seen = np.concatenate([demo.observation, demo.final_observation]).astype(dtype)
    for columns in _hidden_columns(demo):
        seen[:, columns] = 0.0
    steps = len(demo)
    actions = _or_nan(demo, "actions", (steps, demo.task.action_size))
    return {
        "observations": seen[:-1],
        "actions": actions.astype(dtype, copy=False),
        "rewards": _or_nan(demo, "rewards", (steps,)).astype(dtype, copy=False),
        "next_observations": seen[1:],
        "terminals": demo.array("terminated"),
        "timeouts": demo.array("truncated"),
    }


def _or_nan(demo: Demo, name: str, shape: tuple[int, ...]) -> Array:
    return np.full(shape, np.nan) if name in getattr(demo, "hidden", ()) else demo.array(name)


def _hidden_columns(demo: Demo) -> list[slice]:
    """Return where the goal stands that the episode's protocol hides."""
    if not demo.info.goals or _shows_goals(demo.info.goals, demo.info.task):
        return []
    ends = np.cumsum([size for _, size in demo.task.observation]).tolist()
    return [slice(e - n, e) for e, (name, n) in zip(ends, demo.task.observation, strict=True) if name == GOAL]


@lru_cache(maxsize=64)
def _shows_goals(id: str, task: str) -> bool:
    protocol = PROTOCOLS[id]
    chosen = {"task": task} if protocol.choices == ("task",) else {}
    return protocol.benchmark(0, NUM_GOALS, **chosen).goals_visible


def _padded(array: Array, steps: int) -> Array:
    return np.concatenate([array, np.zeros((steps - len(array), *array.shape[1:]), array.dtype)])
