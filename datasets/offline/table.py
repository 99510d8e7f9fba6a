"""Returns of a family's files, by split, quality and task, as JSON values and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metasim.datasets.offline.arrays import goal_numbers
from metasim.datasets.reader import Dataset

Array = Any


@dataclass(frozen=True, kw_only=True)
class Returns:
    """What a file's episodes are worth.

    Attributes:
        split: ``"train"`` or ``"test"``.
        quality: For example ``"medium"``.
        episodes: Number of episodes.
        steps: Their steps.
        mean: Mean return.
        error: Its standard error, over episodes.
        low: Lowest return.
        high: Highest return.
        success: Share of episodes solved at some step.
        by_goal: Mean return of each goal's episodes.
    """

    split: str
    quality: str
    episodes: int
    steps: int
    mean: float
    error: float
    low: float
    high: float
    success: float
    by_goal: tuple[float, ...]


def returns_of(path: str | Path, split: str, quality: str) -> Returns:
    """Read a file's rewards and return what its episodes are worth."""
    with Dataset(path) as data:
        demos = list(data)
        infos = [demo.info for demo in demos]
        totals = np.array([demo.array("rewards").sum() for demo in demos])
    goals = goal_numbers(infos)
    return Returns(
        split=split,
        quality=quality,
        episodes=len(infos),
        steps=sum(info.num_samples for info in infos),
        mean=float(totals.mean()),
        error=float(totals.std(ddof=1) / np.sqrt(len(totals))) if len(totals) > 1 else 0.0,
        low=float(totals.min()),
        high=float(totals.max()),
        success=float(np.mean([info.success for info in infos])),
        by_goal=tuple(float(totals[goals == goal].mean()) for goal in sorted(set(goals.tolist()))),
    )


def table(rows: Sequence[Returns], goals: Mapping[str, Array]) -> str:
    """Return two tables in Markdown: returns by quality, and mean returns of each task.

    Args:
        rows: What the files are worth.
        goals: Split to its goals ``(G, K)``, for the names of the tasks.
    """
    lines = [
        "| split | quality | episodes | steps | mean return | lowest | highest | solved |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        numbers = f"{_minus(r.mean)} ± {r.error:.1f} | {_minus(r.low)} | {_minus(r.high)} | {r.success:.0%}"
        lines.append(f"| {r.split} | {r.quality} | {r.episodes} | {r.steps} | {numbers} |")
    qualities = list(dict.fromkeys(r.quality for r in rows))
    lines += ["", f"| split | task | hidden | {' | '.join(qualities)} |", "|---" * (3 + len(qualities)) + "|"]
    for split, values in goals.items():
        found = {r.quality: r.by_goal for r in rows if r.split == split}
        for k, value in enumerate(values) if found else ():
            cells = [_minus(found[q][k]) if q in found else "" for q in qualities]
            lines.append(f"| {split} | {k} | {_short(value)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _minus(number: float) -> str:
    return f"{number:.1f}".replace("-", "−")


def _short(value: Array, shown: int = 3) -> str:
    words = [f"{number:.2f}".replace("-", "−") for number in value[:shown]]
    return ", ".join(words) + (", …" if len(value) > shown else "")
