"""How often each window is drawn: shares of tasks, and shares of qualities within each task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from metasim.core.errors import InvalidConfig, UnknownName
from metasim.datasets.training.index import Episodes

Array = Any
REST = "*"
"""Every episode that no other quality names."""


def window_weights(
    episodes: Episodes,
    counts: Array,
    *,
    tasks: Mapping[str, float] | str | None = None,
    quality: Mapping[str, float] | None = None,
) -> Array:
    """Return how likely each episode's windows are drawn, ``(episodes,)``: one of its windows, each alike.

    Args:
        episodes: The episodes.
        counts: ``(episodes,)`` windows of each.
        tasks: Share of each task; ``"equal"`` for equal ones; None for as many as there are windows.
        quality: Share of each quality within every task that has it. A quality is the name of a policy or of a mask,
            ``"success"`` or ``"failure"``, or :data:`REST`; an episode belongs to the first that fits, one of none is
            never drawn.

    Raises:
        UnknownName: For a task or quality that no episode has.
        InvalidConfig: For a share that is negative or not finite, or if nothing is left to be drawn.
    """
    by_task = _task_shares(episodes, counts, tasks)
    labels, names = np.zeros(len(episodes), np.int64), [REST]
    shares = np.ones(1)
    if quality is not None:
        labels, names = _qualities(episodes, quality)
        shares = np.array([*quality.values(), 0.0], np.float64)
        _check(quality)
    inside = np.zeros((len(by_task), len(names)))
    np.add.at(inside, (episodes.task, labels), counts)
    within = np.where(inside > 0, shares, 0.0)
    total = within.sum(axis=1, keepdims=True)
    within = np.divide(within, total, out=np.zeros_like(within), where=total > 0)
    each = by_task[:, None] * within
    each = np.divide(each, inside, out=np.zeros_like(each), where=inside > 0)[episodes.task, labels]
    drawn = float((each * counts).sum())
    if drawn <= 0:
        raise InvalidConfig(f"with tasks={tasks!r} and quality={quality!r} no window would ever be drawn")
    return each / drawn


def _task_shares(episodes: Episodes, counts: Array, tasks: Mapping[str, float] | str | None) -> Array:
    windows = np.bincount(episodes.task, weights=counts, minlength=len(episodes.tasks))
    if tasks is None:
        return windows
    if isinstance(tasks, str):
        if tasks != "equal":
            raise InvalidConfig(f"tasks must be 'equal', None, or a mapping of tasks to shares, got {tasks!r}")
        return np.where(windows > 0, 1.0, 0.0)
    for name in tasks:
        if name not in episodes.tasks:
            raise UnknownName("task in these datasets", name, episodes.tasks)
    _check(tasks)
    return np.array([float(tasks.get(name, 0.0)) for name in episodes.tasks]) * (windows > 0)


def _qualities(episodes: Episodes, quality: Mapping[str, float]) -> tuple[Array, list[str]]:
    names = [*quality, ""]
    label = np.full(len(episodes), len(quality), np.int64)
    solved = np.array([info.success for info in episodes.infos], bool)
    policies = np.array([info.policy for info in episodes.infos], object)
    for i, name in reversed(list(enumerate(quality))):
        belongs = np.asarray(policies == name, bool)
        if name in episodes.masks:
            belongs = belongs | episodes.masks[name]
        if name in ("success", "failure"):
            belongs = belongs | (solved if name == "success" else ~solved)
        if name == REST:
            continue
        if not belongs.any():
            raise UnknownName(
                "quality", name, [*dict.fromkeys(policies.tolist()), *episodes.masks, "success", "failure"]
            )
        label[belongs] = i
    if REST in quality:
        label[label == len(quality)] = list(quality).index(REST)
    return label, names


def _check(shares: Mapping[str, float]) -> None:
    for name, share in shares.items():
        if not (np.isfinite(share) and share >= 0):
            raise InvalidConfig(f"the share of {name!r} must be a number of at least 0, got {share!r}")
