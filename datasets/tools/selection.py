"""Chooses episodes by a condition, and the best, worst or first of each task."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from metasim.core.errors import InvalidConfig
from metasim.datasets.reader import Dataset
from metasim.datasets.tools.condition import Condition, Facts, facts
from metasim.datasets.tools.subset import write_subset

_ORDERS: dict[str, Callable[[Facts], float]] = {
    "best": lambda known: -known["return"],
    "worst": lambda known: known["return"],
    "first": lambda known: known["demo"],
}


def select(
    path: str | Path,
    out: str | Path,
    *,
    where: str = "",
    best: int | None = None,
    worst: int | None = None,
    first: int | None = None,
) -> Path:
    """Write the chosen episodes of a dataset, in their order, into ``out`` and return it.

    Args:
        path: The dataset.
        out: The new one.
        where: What an episode must be like, such as ``success and return > 100``; see :class:`Condition`.
        best: Keep so many of each task, those of the highest return.
        worst: Keep so many of each task, those of the lowest return.
        first: Keep so many of each task, those that come first in the file.

    Raises:
        InvalidConfig: If nothing is asked for, more than one order is, the condition is none, or no episode is left.
        DatasetError: If the dataset fails its check, or ``out`` is something else already.
    """
    counts = {name: n for name, n in (("best", best), ("worst", worst), ("first", first)) if n is not None}
    if len(counts) > 1 or not (counts or where):
        raise InvalidConfig(f"give a condition, or one of {list(_ORDERS)} for each task, or both; got {list(counts)}")
    for name, n in counts.items():
        if n < 1:
            raise InvalidConfig(f"{name} must be at least 1, got {n}")
    condition = Condition(where) if where else None
    with Dataset(path) as data:
        chosen = [known for known in map(facts, data) if condition is None or condition.holds(known)]
        for name, n in counts.items():
            ordered = sorted(chosen, key=_ORDERS[name])
            tasks = dict.fromkeys(known["task"] for known in ordered)
            chosen = [known for task in tasks for known in [k for k in ordered if k["task"] == task][:n]]
    if not chosen:
        raise InvalidConfig(f"no episode of {path} meets the condition {where!r}")
    return write_subset(path, sorted(known["demo"] for known in chosen), out)
