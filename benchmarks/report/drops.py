"""What variation costs: every condition against the control, and every condition across engines.

Only results that say what their conditions are (``config["conditions"]``) have such tables: it decides whether two
conditions begin in the same starts, so that episodes are compared one by one, or not.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from metasim.benchmarks.comparison import NotComparable, Side, Versus, versus
from metasim.benchmarks.comparison.findings import Contrast, Total
from metasim.benchmarks.condition import CONTROL, Condition
from metasim.benchmarks.episode import EpisodeResult
from metasim.benchmarks.results import Results
from metasim.benchmarks.statistics.rates import format_p, format_rate
from metasim.benchmarks.tables import FORMATS, Table

RESAMPLES = 2000
REACHES = (0.1, 0.25, 0.5, 1.0)
ALLOWED = ("tasks", "episodes")


@dataclass(frozen=True, kw_only=True)
class Drop:
    """One side against another under one condition, over all tasks that have both.

    Attributes:
        label: The condition.
        paired: Whether the same starts were compared one by one.
        total: Over the tasks; the first side less the second.
        worst: The task where the first side is furthest below the second; None where it is nowhere.
    """

    label: str
    paired: bool
    total: Total
    worst: Contrast | None


@dataclass(frozen=True, kw_only=True)
class DropTable:
    """Conditions of one policy, line by line.

    Attributes:
        title: Whose.
        first: What the first side is.
        second: What the second side is.
        learned: The engine that the policy learned in; empty if nobody says so.
        rows: In the order of conditions.
        colour: Of the arm.
    """

    title: str
    first: str
    second: str
    learned: str
    rows: tuple[Drop, ...]
    colour: int = 0

    @property
    def reach(self) -> float:
        """How far to both sides of nothing a picture of the differences must reach."""
        differences = [row.total.difference for row in self.rows]
        furthest = max((abs(end) for d in differences for end in (d.low, d.high, d.value)), default=1.0)
        return next((reach for reach in REACHES if furthest <= reach), 1.0)


def against_control(results: Results, arms: Mapping[tuple[str, str], str]) -> list[DropTable]:
    """Return, for each engine and policy, every condition against the control."""
    splits, found = _splits(results), list[DropTable]()
    for index, ((backend, policy), name) in enumerate(arms.items()):
        mine = results.only(backend=backend, policy=policy)
        control = [e for e in mine.episodes if e.condition.level == CONTROL]
        rows: dict[Condition, Drop] = {}
        for paired in (True, False):
            labels = {label for label, split in splits.items() if (split == splits.get(CONTROL)) == paired}
            varied = [e for e in mine.episodes if e.condition.label in labels and e.condition.level != CONTROL]
            rows |= _compared(results, varied, _under(control, varied), paired=paired)
        if rows:
            lines = tuple(drop for _, drop in sorted(rows.items(), key=lambda item: item[0].order))
            learned = learned_in(results, policy)
            found.append(
                DropTable(title=name, first="varied", second=CONTROL, learned=learned, rows=lines, colour=index)
            )
    return found


def across_engines(results: Results, arms: Mapping[tuple[str, str], str]) -> list[DropTable]:
    """Return, for each policy and pair of engines, what the first engine makes of every condition and the second."""
    if not _splits(results):
        return []
    found: list[DropTable] = []
    engines = sorted({backend for backend, _ in arms})
    for first, second in itertools.combinations(engines, 2):
        for policy in sorted({policy for backend, policy in arms if backend == first and (second, policy) in arms}):
            sides = [list(results.only(backend=engine, policy=policy).episodes) for engine in (first, second)]
            rows = _compared(results, *sides, paired=True)
            lines = tuple(drop for _, drop in sorted(rows.items(), key=lambda item: item[0].order))
            if lines:
                found.append(
                    DropTable(
                        title=policy,
                        first=first,
                        second=second,
                        learned=learned_in(results, policy),
                        rows=lines,
                        colour=len(found),
                    )
                )
    return found


def not_applicable(results: Results) -> list[tuple[str, str, str]]:
    """Return cells that the protocol has not, as engines, reason, and which."""
    listed = results.config.get("not_applicable", {})
    found: dict[str, dict[str, set[str]]] = {}
    for engine, tasks in listed.items() if isinstance(listed, Mapping) else ():
        for task, labels in tasks.items():
            for label, reason in labels.items():
                cell = f"{task.rsplit('/', 1)[-1]} ({label})"
                found.setdefault(str(reason), {}).setdefault(cell, set()).add(str(engine))
    lines = []
    for reason, cells in found.items():
        for engines in sorted({tuple(sorted(engines)) for engines in cells.values()}):
            named = [cell for cell, there in cells.items() if tuple(sorted(there)) == engines]
            lines.append((", ".join(engines), reason, ", ".join(named)))
    return lines


def learned_in(results: Results, policy: str) -> str:
    """Return the engine that a policy learned in; empty if the results do not say."""
    trained = results.config.get("trained", {})
    said = trained.get(policy, {}) if isinstance(trained, Mapping) else {}
    return str(said.get("backend", "")) if isinstance(said, Mapping) else ""


def pasteable(tables: Sequence[DropTable], heading: str) -> list[tuple[str, dict[str, str]]]:
    """Return title and text by format of tables, one below the other."""
    rows = [
        (
            *(table.title, row.label, row.total.cells),
            *(format_rate(side.mean) for side in (row.total.aggregates_first, row.total.aggregates_second)),
            *(format_rate(row.total.difference), format_p(row.total.exact), format_p(row.total.barnard)),
        )
        for table in tables
        for row in table.rows
    ]
    if not rows:
        return []
    firsts, seconds = ({getattr(table, name) for table in tables} for name in ("first", "second"))
    a, b = (names.pop() if len(names) == 1 else word for names, word in ((firsts, "A"), (seconds, "B")))
    columns = ("arm", "condition", "tasks", a, b, "difference", "p (exact)", "p (Barnard)")
    table = Table(columns=columns, rows=tuple(rows), words=2)
    return [(heading, {form: table.text(form) for form in FORMATS})]


def _splits(results: Results) -> dict[str, str]:
    conditions = results.config.get("conditions", {})
    if not isinstance(conditions, Mapping):
        return {}
    return {str(label): str(said.get("split", "")) for label, said in conditions.items() if isinstance(said, Mapping)}


def _under(control: Sequence[EpisodeResult], varied: Sequence[EpisodeResult]) -> list[EpisodeResult]:
    """Return the control's episodes under the name of each condition that a task has."""
    wanted = dict.fromkeys((e.task, e.condition) for e in varied)
    by_task: dict[str, list[EpisodeResult]] = {}
    for e in control:
        by_task.setdefault(e.task, []).append(e)
    return [
        replace(e, level=condition.level, factor=condition.factor, value=condition.value)
        for task, condition in wanted
        for e in by_task.get(task, ())
    ]


def _compared(
    results: Results, first: Sequence[EpisodeResult], second: Sequence[EpisodeResult], *, paired: bool
) -> dict[Condition, Drop]:
    """Return what a comparison finds under each condition."""
    sides = [Side(name=name, results=_bare(results, rows)) for name, rows in (("a", first), ("b", second))]
    try:
        found = versus(*sides, unpaired=not paired, despite=ALLOWED, resamples=RESAMPLES)
    except NotComparable:  # nothing in common
        return {}
    conditions = {c.cell.condition.label: c.cell.condition for c in found.cells}
    drops: dict[Condition, Drop] = {}
    for total in found.totals:
        only = next(iter(conditions)) if len(conditions) == 1 else ""
        label = total.label if total.label in conditions else only
        if label:
            drops.setdefault(
                conditions[label], Drop(label=label, paired=paired, total=total, worst=_worst(found, conditions[label]))
            )
    return drops


def _bare(results: Results, rows: Sequence[EpisodeResult]) -> Results:
    return replace(results, episodes=tuple(replace(e, variation={}) for e in rows))


def _worst(found: Versus, condition: Condition) -> Contrast | None:
    cells: list[Any] = [c for c in found.cells if c.cell.condition == condition and c.difference.value < 0.0]
    return min(cells, key=lambda c: (c.difference.value, c.cell.task)) if cells else None
