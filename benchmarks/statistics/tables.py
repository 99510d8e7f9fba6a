"""A summary as tables: words for people, numbers for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metasim.benchmarks.condition import Condition
from metasim.benchmarks.results import Results
from metasim.benchmarks.statistics.rates import Estimate, Rate, format_rate
from metasim.benchmarks.statistics.summary import Overall, Row, overall, summarise
from metasim.benchmarks.tables import Table

NONE = "–"


def markdown(results: Results) -> str:
    """Return the summary as two Markdown tables: per task, and over all tasks."""
    return f"{task_table(summarise(results)).markdown()}\n{overall_table(overall(results)).markdown()}"


def task_table(rows: Sequence[Row]) -> Table:
    """Return a table with a line per task, engine, policy and condition."""
    said = _conditions(rows)
    return Table(
        columns=(
            *("task", "engine", "policy", *(["condition"] if said else [])),
            *("episodes", "success at any step", "at the last step", "return", "steps to it"),
        ),
        rows=tuple(
            (
                *(row.task, row.backend, row.policy, *([row.condition.label] if said else [])),
                *(_count(row), format_rate(row.success_any), format_rate(row.success_last)),
                *(f"{row.mean_return:.1f}", NONE if row.first_success is None else f"{row.first_success:g}"),
            )
            for row in rows
        ),
        words=3 + said,
    )


def overall_table(rows: Sequence[Overall]) -> Table:
    """Return a table with a line per engine, policy and condition: aggregates over tasks."""
    said = _conditions(rows)
    return Table(
        columns=(
            *("engine", "policy", *(["condition"] if said else []), "tasks", "episodes"),
            *("success at any step", "interquartile mean", "median", "success at the last step"),
        ),
        rows=tuple(
            (
                *(o.backend, o.policy, *([o.condition.label] if said else []), str(o.tasks), _count(o)),
                *(format_rate(o.success_any), format_rate(o.any_step.iqm), format_rate(o.any_step.median)),
                format_rate(o.success_last),
            )
            for o in rows
        ),
        words=2 + said,
    )


def task_records(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return a flat record per task, engine, policy and condition: numbers, not words."""
    return [
        {
            **_cell(row),
            "task": row.task,
            **{"episodes": row.n, "broken_off": row.errors},
            **{"solved_any": row.success_any.successes, "solved_last": row.success_last.successes},
            **flat("success_any", row.success_any),
            **flat("success_last", row.success_last),
            **{"mean_return": row.mean_return, "median_first_success_step": row.first_success},
        }
        for row in rows
    ]


def overall_records(rows: Sequence[Overall]) -> list[dict[str, Any]]:
    """Return a flat record per engine, policy and condition: aggregates over tasks."""
    return [
        {
            **_cell(o),
            **{"tasks": o.tasks, "episodes": o.n, "broken_off": o.errors},
            **{
                name: value
                for when, found in (("any", o.any_step), ("last", o.last_step))
                for metric in ("mean", "iqm", "median", "optimality_gap")
                for name, value in flat(f"{metric}_{when}", getattr(found, metric)).items()
            },
        }
        for o in rows
    ]


def flat(name: str, found: Rate | Estimate) -> dict[str, float]:
    """Return a number and its interval as fields of a record."""
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _cell(row: Row | Overall) -> dict[str, Any]:
    c = row.condition
    return {"backend": row.backend, "policy": row.policy, "level": c.level, "factor": c.factor, "value": c.value}


def _conditions(rows: Sequence[Row | Overall]) -> bool:
    return any(row.condition != Condition() for row in rows)


def _count(row: Row | Overall) -> str:
    return f"{row.n} ({row.errors} broken off)" if row.errors else str(row.n)
