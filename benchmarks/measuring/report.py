"""What a benchmark found: rows of figures, goals they are held against, as a table or as JSON."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table

from metasim.core.errors import InvalidConfig
from metasim.work import write_atomically

PAGE_WIDTH = 140
_KEYS = {"benchmark", "columns", "rows", "summary", "goals", "machine", "settings", "versions"}
DISTRIBUTIONS = ("metasim-robotics", "mujoco", "pybullet", "gymnasium", "numpy")


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the table; ``digits`` after the point."""

    key: str
    heading: str
    digits: int = 2


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A figure to reach: a key of the summary, and the least or the most it may be."""

    key: str
    at_least: float | None = None
    at_most: float | None = None

    def reached(self, value: float) -> bool:
        """Tell whether a value is good enough."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def __str__(self) -> str:
        return f"at least {self.at_least:g}" if self.at_least is not None else f"at most {self.at_most:g}"


@dataclass(frozen=True, kw_only=True)
class Report:
    """The outcome of one benchmark.

    Attributes:
        benchmark: Its name.
        settings: What it was asked to do.
        columns: Columns of the table.
        rows: Name of a row to its figures by column key.
        summary: Figures over all rows.
        goals: What summary figures are held against.
        versions: Of the peer, if there is one.
    """

    benchmark: str
    settings: Mapping[str, Any]
    columns: Sequence[Column]
    rows: Mapping[str, Mapping[str, float]]
    summary: Mapping[str, float]
    goals: Sequence[Goal] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    def data(self) -> dict[str, Any]:
        """Return all of it, and the machine it was measured on, as plain data."""
        return {
            "benchmark": self.benchmark,
            "settings": dict(self.settings),
            "machine": machine(),
            "versions": {**own_versions(), **self.versions},
            "columns": [asdict(column) for column in self.columns],
            "rows": [{"name": name, **figures} for name, figures in self.rows.items()],
            "summary": dict(self.summary),
            "goals": [self._held(goal) for goal in self.goals],
        }

    def show(self, out: TextIO, as_json: bool) -> None:
        """Write the report."""
        if as_json:
            out.write(json.dumps(self.data(), indent=1) + "\n")
            return
        console = Console(file=out, highlight=False, markup=False, emoji=False, width=PAGE_WIDTH)
        table = Table(title=self.benchmark, title_justify="left", box=box.SIMPLE_HEAD)
        table.add_column("")
        for column in self.columns:
            table.add_column(column.heading, justify="right")
        for name, figures in self.rows.items():
            table.add_row(name, *(f"{figures[c.key]:,.{c.digits}f}" if c.key in figures else "-" for c in self.columns))
        console.print(table)
        goals = {goal.key: goal for goal in self.goals}
        for key, value in self.summary.items():
            goal = goals.get(key)
            verdict = f"  (wanted: {goal}; {'reached' if goal.reached(value) else 'MISSED'})" if goal else ""
            console.print(f"{key.replace('_', ' ')}: {value:.3f}{verdict}")
        m = machine()
        console.print(f"{m['processor']}, {m['cores']} cores, load {m['load_1min']:.1f}; {_listed(self.versions)}")

    def _held(self, goal: Goal) -> dict[str, Any]:
        value = self.summary[goal.key]
        return {"key": goal.key, "wanted": str(goal), "value": value, "reached": goal.reached(value)}


def save(report: Report, path: Path) -> Path:
    """Write a report as JSON and return the path."""
    return write_atomically(path, json.dumps(report.data(), indent=1).encode() + b"\n")


def stored(path: Path) -> Mapping[str, Any]:
    """Return what :func:`save` wrote, or what ``--json`` printed.

    Raises:
        InvalidConfig: If the file is missing, or something else.
    """
    try:
        data = json.loads(path.read_bytes())
        lacks = _KEYS - set(data)
    except (OSError, ValueError, TypeError) as error:
        raise InvalidConfig(f"{path} is not a report that --out wrote: {error}") from error
    if lacks or not isinstance(data, dict):
        raise InvalidConfig(f"{path} is not a report that --out wrote: it lacks {sorted(lacks)}")
    return data


def machine() -> dict[str, Any]:
    """Return what the figures depend on; the load tells how busy others kept the machine."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 2),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def own_versions() -> dict[str, str]:
    """Return the versions of this package and its engines."""
    found = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # run from a checkout that is not installed, or without an engine
    return found


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in {**own_versions(), **versions}.items())
