"""What the results say, per task and over all: the numbers that the page shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any

from metasim.benchmarks.checking import InvalidResults
from metasim.benchmarks.metaworld.drift import drift_file
from metasim.benchmarks.metaworld.experts import experts_file
from metasim.benchmarks.metaworld.goldens import goldens_file
from metasim.benchmarks.metaworld.store import Row, Rows
from metasim.benchmarks.results import Results, load
from metasim.benchmarks.statistics import Row as Rate
from metasim.benchmarks.statistics import summarise

SCRIPTED, RANDOM, EXPERT = "scripted", "random", "expert"


@dataclass(frozen=True, kw_only=True)
class Found:
    """Everything that was measured.

    Attributes:
        engines: Names, the reference first.
        experts: Engine to its results.
        goldens: Engine to its rows.
        drift: Rows of both engines, None if not measured.
    """

    engines: Sequence[str]
    experts: Mapping[str, Results] = field(default_factory=dict)
    goldens: Mapping[str, Rows] = field(default_factory=dict)
    drift: Rows | None = None

    @property
    def tasks(self) -> list[str]:
        """Every task that was measured somehow."""
        names = {e.task for results in self.experts.values() for e in results.episodes}
        names |= {
            task for rows in (*self.goldens.values(), *([self.drift] if self.drift else [])) for task in rows.tasks
        }
        return sorted(names)

    def expert_rows(self, engine: str) -> dict[str, Rate]:
        """Return task to success of its expert."""
        return {row.task: row for row in summarise(self.experts[engine])} if engine in self.experts else {}

    def golden_rows(self, engine: str, task: str, kind: str = SCRIPTED) -> list[Row]:
        """Return a task's replays of one kind of recordings."""
        rows = self.goldens[engine].tasks.get(task, []) if engine in self.goldens else []
        return [row for row in rows if row["kind"] == kind]

    def drift_rows(self, task: str, policy: str) -> list[Row]:
        """Return a task's comparisons with one kind of actions."""
        rows = self.drift.tasks.get(task, []) if self.drift else []
        return [row for row in rows if row["policy"] == policy]


def read(out: Path, engines: Sequence[str]) -> Found:
    """Read what is in a folder of results.

    Raises:
        InvalidResults: If there is nothing, or a file holds something else.
    """
    if not any(path.exists() for e in engines for path in (experts_file(out, e), goldens_file(out, e))):
        raise InvalidResults(f"{out} has no results; measure first: experts, goldens, drift with --out {out}")
    return Found(
        engines=tuple(engines),
        experts={e: load(path) for e in engines if (path := experts_file(out, e)).exists()},
        goldens={e: Rows.load(path) for e in engines if (path := goldens_file(out, e)).exists()},
        drift=Rows.load(drift_file(out)) if drift_file(out).exists() else None,
    )


def middle(rows: Iterable[Row], value: Callable[[Row], Any]) -> float | None:
    """Return the median of a figure over rows, None without rows."""
    values = [float(value(row)) for row in rows]
    return median(values) if values else None


def kept(rows: Iterable[Row]) -> tuple[int, int]:
    """Return how many of the recordings with success still succeed, and how many there are."""
    solved = [bool(row["solved"]) for row in rows if row["recorded_solved"]]
    return sum(solved), len(solved)


def agreeing(rows: Sequence[Row]) -> tuple[int, int]:
    """Return in how many comparisons both engines solve the task or neither does, and how many there are."""
    return sum(row["solved"] == row["also_solved"] for row in rows), len(rows)


def average(rates: Iterable[float]) -> float:
    """Return a mean of one value or more."""
    return mean(rates)
