"""Which heat maps, curves and tables a page about results has."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metasim.benchmarks import statistics
from metasim.benchmarks.comparison import NotComparable, Side, Versus, versus
from metasim.benchmarks.condition import CONTROL, Condition
from metasim.benchmarks.report.charts import Cell, Chart, Heatmap, HeatRow, Line, Point
from metasim.benchmarks.results import Results
from metasim.benchmarks.statistics import Overall, Row
from metasim.benchmarks.tables import FORMATS, records_table

Arm = tuple[str, str]  # engine, policy
THRESHOLDS = np.linspace(0.0, 1.0, 101)
MEAN = "mean of the tasks"
ALONE = "one axis at a time"
MOST_DUELS, DUEL_RESAMPLES = 6, 2000  # in an engine; more would be a page of their own
FEWEST_TASKS = 3  # for curves over tasks to say something


def short(task: str) -> str:
    """Return a task's name without its suite."""
    return task.rsplit("/", 1)[-1] or task


def heat_maps(
    rows: Sequence[Row], totals: Sequence[Overall], arms: Mapping[Arm, str], tasks: Sequence[str], base: Condition
) -> list[Heatmap]:
    """Return maps of tasks and arms, of conditions and arms, and for each arm one of conditions and tasks."""
    cells = {(row.task, row.backend, row.policy, row.condition.order): row for row in rows}
    means = {(o.backend, o.policy, o.condition.order): o for o in totals}
    conditions = [c for _, c in sorted({row.condition.order: row.condition for row in rows}.items())]
    short_names, names = tuple(short(task) for task in tasks), tuple(arms.values())
    found: list[Heatmap] = []
    if len(arms) > 1:
        lines = [
            HeatRow(label=short(t), cells=tuple(_cell(cells.get((t, *arm, base.order)), arms[arm]) for arm in arms))
            for t in tasks
        ]
        mean = tuple(_mean(means.get((*arm, base.order)), arms[arm]) for arm in arms)
        rows_of_map = (*lines, HeatRow(label=MEAN, cells=mean, strong=True))
        found.append(Heatmap(title="Task by task", corner="task", columns=names, rows=rows_of_map))
    if len(conditions) > 1 and len(arms) > 1:
        table = {c: tuple(_mean(means.get((*arm, c.order)), arms[arm]) for arm in arms) for c in conditions}
        found.append(Heatmap(title=f"Conditions, {MEAN}", corner="condition", columns=names, rows=_grouped(table)))
    if len(conditions) > 1:
        for index, arm in enumerate(arms):
            table = {
                c: (
                    *(_cell(cells.get((task, *arm, c.order)), arms[arm]) for task in tasks),
                    _mean(means.get((*arm, c.order)), arms[arm]),
                )
                for c in conditions
            }
            kept = {c: line for c, line in table.items() if any(line)}
            found.append(
                Heatmap(
                    title=arms[arm],
                    corner="condition",
                    columns=(*short_names, MEAN),
                    rows=_grouped(kept),
                    colour=index,
                )
            )
    return found


def _grouped(table: Mapping[Condition, tuple[Cell | None, ...]]) -> tuple[HeatRow, ...]:
    """Return rows under headings: one for the levels, and one for each factor that has several values."""
    kinds = [_kind(c) for c in table]
    lines: list[HeatRow] = []
    for index, (condition, cells) in enumerate(table.items()):
        kind = kinds[index]
        several = kinds.count(kind) > 1
        first = several and kinds.index(kind) == index
        bare = several and condition.factor and not condition.level and condition.value is not None
        label = condition.word if bare else condition.label
        lines.append(HeatRow(label=label, cells=cells, heading=kind if first else "", gap=not several))
    return tuple(lines)


def _kind(condition: Condition) -> str:
    return (condition.factor if condition.value is not None else ALONE) if condition.factor else "levels"


def profiles(rows: Sequence[Row], arms: Mapping[Arm, str], base: Condition) -> list[Chart]:
    """Return the performance profile of success at any step: the share of tasks above each success rate."""
    lines: list[Line] = []
    for index, arm in enumerate(arms):
        rates = [row.success_any for row in rows if (row.backend, row.policy) == arm and row.condition == base]
        if len(rates) < FEWEST_TASKS:
            continue
        found = statistics.profile_of(rates, THRESHOLDS)
        points = tuple(
            Point(x=float(t), y=float(v), low=float(low), high=float(high))
            for t, v, low, high in zip(found.thresholds, found.value, found.low, found.high, strict=True)
        )
        lines.append(Line(name=arms[arm], colour=index, points=points, marks=False))
    ticks = tuple((tenth / 4, f"{25 * tenth} %") for tenth in range(5))
    chart = Chart(
        title="Performance profile", x_label="success rate τ", y_label="tasks above τ", ticks=ticks, lines=tuple(lines)
    )
    return [chart] if lines else []


def curves(totals: Sequence[Overall], arms: Mapping[Arm, str]) -> list[Chart]:
    """Return the curve of success against the level, and one against the values of each factor."""
    kinds = sorted({o.condition.factor for o in totals})
    found = (_curve(kind, [o for o in totals if o.condition.factor == kind], totals, arms) for kind in kinds)
    return [chart for chart in found if chart]


def duels(results: Results, arms: Mapping[Arm, str]) -> list[Versus]:
    """Return, in each engine, every policy against every later one; the same episodes are compared one by one."""
    found: list[Versus] = []
    for backend in sorted({backend for backend, _ in arms}):
        policies = sorted(policy for engine, policy in arms if engine == backend)
        for pair in list(itertools.combinations(policies, 2))[:MOST_DUELS]:
            first, second = (
                Side(name=arms[backend, policy], results=results.only(backend=backend, policy=policy))
                for policy in pair
            )
            said = {"despite": ("tasks", "episodes"), "resamples": DUEL_RESAMPLES}
            try:
                found.append(versus(first, second, **said))
            except NotComparable:  # no episode in common, or nothing at all
                if {e.task for e in first.results.episodes} & {e.task for e in second.results.episodes}:
                    found.append(versus(first, second, unpaired=True, **said))
    return found


def pasteable(rows: Sequence[Row], totals: Sequence[Overall]) -> list[tuple[str, dict[str, str]]]:
    """Return title and text by format of the tables of a page."""
    words = {
        "Each task": (statistics.task_table(rows), statistics.task_records(rows)),
        "Over all tasks": (statistics.overall_table(totals), statistics.overall_records(totals)),
    }
    return [
        (title, {form: records_table(records).csv() if form == "csv" else table.text(form) for form in FORMATS})
        for title, (table, records) in words.items()
    ]


def _curve(kind: str, mine: Sequence[Overall], totals: Sequence[Overall], arms: Mapping[Arm, str]) -> Chart | None:
    """Return success against a factor's values, or for no factor against levels; None where there is one place only."""
    conditions = sorted({o.condition.order: o.condition for o in mine if kind or o.condition.level != CONTROL}.items())
    if len(conditions) < 2:
        return None
    numeric = all(_is_number(c.value) for _, c in conditions)
    names = {order: c.word if kind and c.value is not None else c.label for order, c in conditions}
    place = {order: float(c.value or 0.0) if numeric else float(i) for i, (order, c) in enumerate(conditions)}
    lines: list[Line] = []
    for index, arm in enumerate(arms):
        own = [o for o in mine if (o.backend, o.policy) == arm and o.condition.order in place]
        own.sort(key=lambda o: place[o.condition.order])
        control = [o for o in totals if (o.backend, o.policy) == arm and o.condition == Condition(level=CONTROL)]
        points = tuple(
            Point(
                x=place[o.condition.order],
                y=o.success_any.value,
                low=o.success_any.low,
                high=o.success_any.high,
                tip=f"{arms[arm]}, {o.condition.label}: {statistics.format_rate(o.success_any)} over {o.tasks} tasks",
            )
            for o in own
        )
        level = control[0].success_any.value if control else None
        if points:
            lines.append(Line(name=arms[arm], colour=index, points=points, level=level))
    return Chart(
        title=kind or "Levels",
        x_label=kind or "level",
        y_label="success",
        ticks=tuple((place[order], names[order]) for order, _ in conditions),
        lines=tuple(lines),
    )


def _cell(row: Row | None, arm: str) -> Cell | None:
    if row is None:
        return None
    rate = row.success_any
    where = ", ".join([row.task, arm, *([row.condition.label] if row.condition != Condition() else [])])
    tip = f"{where}: {rate.successes} of {rate.n} solved at any step, {statistics.format_rate(rate)}"
    ends = f"{100.0 * rate.low:.0f}–{100.0 * rate.high:.0f}"
    return Cell(value=rate.value, text=statistics.percent(rate.value), tip=tip, below=ends)


def _mean(found: Overall | None, arm: str) -> Cell | None:
    if found is None:
        return None
    where = ", ".join([arm, *([found.condition.label] if found.condition != Condition() else [])])
    tip = f"{where}: mean of {found.tasks} tasks {statistics.format_rate(found.success_any)}"
    mean = found.success_any
    ends = f"{100.0 * mean.low:.0f}–{100.0 * mean.high:.0f}"
    return Cell(value=mean.value, text=statistics.percent(mean.value), tip=tip, below=ends)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
