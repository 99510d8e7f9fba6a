"""A comparison as tables for people and records for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from metasim.benchmarks.comparison.findings import Contrast, Total, Versus
from metasim.benchmarks.condition import Condition
from metasim.benchmarks.statistics.rates import format_p, format_rate, format_share, percent
from metasim.benchmarks.statistics.tables import flat
from metasim.benchmarks.tables import Table, records_table

SCHEMA = "metasim.comparison/1"


def write(found: Sequence[Versus], form: str) -> str:
    """Return comparisons as ``markdown``, ``latex``, ``csv`` or ``json``; equal comparisons, equal text."""
    if form == "json":
        tree = {"schema": SCHEMA, "comparisons": [as_tree(v) for v in found]}
        return json.dumps(tree, indent=1, allow_nan=False) + "\n"
    if form == "csv":
        return records_table([record for v in found for record in records(v)]).csv()
    comment = {"markdown": "{}\n", "latex": "% {}"}[form]
    parts = [
        "\n".join(
            [*(comment.format(line) for line in sentences(v)), cell_table(v).text(form), total_table(v).text(form)]
        )
        for v in found
    ]
    return "\n".join(parts)


def sentences(v: Versus) -> list[str]:
    """Return what a reader must know of a comparison's tables."""
    how = "the same episodes one by one" if v.paired else "independent samples"
    step = "at any step" if v.success == "any" else "at the last step"
    head = f"A is {v.first}, B is {v.second}: success {step}, {how}; {percent(v.confidence)} % intervals."
    return [head, *v.notes]


def cell_table(v: Versus) -> Table:
    """Return a table with a line per task, engine and condition."""
    engines = len({c.cell.backend for c in v.cells}) > 1
    said = any(c.cell.condition != Condition() for c in v.cells)
    columns = [
        *("task", *(["engine"] if engines else []), *(["condition"] if said else [])),
        *("A", "B", "A − B", "p (Barnard)", *(["p (McNemar)"] if v.paired else []), "p (Holm)"),
        *("P(A > B)", "P(A > B), return"),
    ]
    rows = [
        (
            *(c.cell.task, *([c.cell.backend] if engines else []), *([c.cell.condition.label] if said else [])),
            *(_of(c.first), _of(c.second), format_rate(c.difference)),
            *(format_p(c.barnard), *([format_p(c.mcnemar)] if v.paired else []), format_p(c.holm)),
            *(format_share(c.improvement), format_share(c.improvement_return)),
        )
        for c in v.cells
    ]
    return Table(columns=tuple(columns), rows=tuple(rows), words=1 + engines + said)


def total_table(v: Versus) -> Table:
    """Return a table with a line for each group of tasks."""
    test = "p (McNemar)" if v.paired else "p (Birch)"
    columns = (
        *("over", "cells", "mean A", "mean B", "IQM A", "IQM B", "mean A − B", test, "p (Barnard)"),
        *("P(A > B)", "P(A > B), return"),
    )
    rows = [
        (
            *(t.label, str(t.cells)),
            *(format_rate(side.mean) for side in (t.aggregates_first, t.aggregates_second)),
            *(format_rate(side.iqm) for side in (t.aggregates_first, t.aggregates_second)),
            *(format_rate(t.difference), format_p(t.exact), format_p(t.barnard)),
            *(format_share(t.improvement), format_share(t.improvement_return)),
        )
        for t in v.totals
    ]
    return Table(columns=columns, rows=tuple(rows))


def as_tree(v: Versus) -> dict[str, Any]:
    """Return a comparison as plain JSON data."""
    return {
        **_said(v),
        "confidence": v.confidence,
        "notes": list(v.notes),
        "cells": [_cell_record(c) for c in v.cells],
        "totals": [_total_record(t) for t in v.totals],
    }


def records(v: Versus) -> list[dict[str, Any]]:
    """Return a flat record per cell and total, all with the same fields; what does not apply is None."""
    rows = [
        *({"scope": "cell", **_cell_record(c)} for c in v.cells),
        *({"scope": "total", **_total_record(t)} for t in v.totals),
    ]
    fields = dict.fromkeys(name for row in rows for name in row)
    return [{**_said(v), **{name: row.get(name) for name in fields}} for row in rows]


def _said(v: Versus) -> dict[str, Any]:
    return {"a": v.first, "b": v.second, "success": v.success, "paired": v.paired}


def _cell_record(c: Contrast) -> dict[str, Any]:
    condition, pairs = c.cell.condition, c.pairs or (None,) * 4
    return {
        **{"task": c.cell.task, "backend": c.cell.backend or None},
        **{"level": condition.level, "factor": condition.factor, "value": condition.value},
        **_both(c),
        **dict(zip(("both", "only_a", "only_b", "neither"), pairs, strict=True)),
        **{"p_mcnemar": c.mcnemar, "p_holm": c.holm},
    }


def _total_record(t: Total) -> dict[str, Any]:
    return {
        **{"over": t.label, "cells": t.cells},
        **_both(t),
        "p_exact": t.exact,
        **{
            name: number
            for side, found in (("a", t.aggregates_first), ("b", t.aggregates_second))
            for metric in ("mean", "iqm", "median", "optimality_gap")
            for name, number in flat(f"{side}_{metric}", getattr(found, metric)).items()
        },
    }


def _both(found: Contrast | Total) -> dict[str, Any]:
    sides = {"a": found.first, "b": found.second}
    return {
        **{
            name: number
            for side, rate in sides.items()
            for name, number in {
                **{f"{side}_episodes": rate.n, f"{side}_successes": rate.successes},
                **flat(f"{side}_rate", rate),
            }.items()
        },
        **flat("difference", found.difference),
        **{"difference_method": found.difference.method, "p_barnard": found.barnard},
        **flat("improvement", found.improvement),
        **flat("improvement_return", found.improvement_return),
    }


def _of(rate: Any) -> str:
    return f"{rate.successes} of {rate.n}: {format_rate(rate)}"
