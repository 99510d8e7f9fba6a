"""Engines side by side: what each measures for every quantity of the checks, and what the formula says."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from metasim.conformance.measurement import Measurement
from metasim.conformance.suite import CHECKS, Outcome, run_checks
from metasim.core.backend import Backend

Value = float | str | None
UNMEASURED = "(not measured)"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One quantity in several engines.

    Attributes:
        check: The check it belongs to.
        name: The quantity.
        expected: What the formula says.
        tolerance: What the check allows; infinite where it only reports.
        unit: Of all the numbers.
        why: Where the formula and the tolerance come from.
        values: What each backend measured, in the order asked for; None where it did not get that far.
        passed: Whether each is within the tolerance.
        remarks: Why each backend did not measure this check to its end; empty where it did.
    """

    check: str
    name: str
    expected: float | str
    tolerance: float
    unit: str
    why: str
    values: tuple[Value, ...]
    passed: tuple[bool, ...]
    remarks: tuple[str, ...]


def compare_engines(
    backends: Sequence[str | type[Backend]] = ("mujoco", "pybullet"), only: Iterable[str] | None = None
) -> list[Row]:
    """Run the checks in each backend and return one row for every quantity, failed and skipped ones too."""
    names = list(CHECKS if only is None else only)
    runs = [run_checks(backend, names) for backend in backends]
    return [row for outcomes in zip(*runs, strict=True) for row in _rows(outcomes)]


def markdown(rows: Sequence[Row], backends: Sequence[str] = ("mujoco", "pybullet")) -> str:
    """Return the rows as a page: for each check a table of numbers, and how many yes-or-no promises are kept.

    What is out of its tolerance stands in bold.
    """
    lines: list[str] = []
    for check in dict.fromkeys(row.check for row in rows):
        mine = [row for row in rows if row.check == check]
        numbers = [row for row in mine if row.unit != "bytes" and not isinstance(row.expected, str)]
        promises = [row for row in mine if row not in numbers]
        lines += [
            "",
            f"## {check.replace('_', ' ')}",
            "",
            (CHECKS[check].__doc__ or "").strip().splitlines()[0],
            "",
        ]
        if numbers:
            lines += [f"| quantity | formula | {' | '.join(backends)} | tolerance | unit |"]
            lines += ["|---" * (len(backends) + 4) + "|"]
            lines += [f"| {' | '.join(_cells(row))} |" for row in numbers] + [""]
            lines += [f"- {reason}" for reason in _reasons(numbers)]
        lines += [""] if numbers else []
        lines += _promises(promises, backends) if promises else []
        lines += [f"- {b} did not measure this: {r}" for b, r in zip(backends, mine[0].remarks, strict=True) if r]
    return "\n".join(lines).strip() + "\n"


def _rows(outcomes: Sequence[Outcome]) -> list[Row]:
    found = [{m.name: m for m in outcome.measurements} for outcome in outcomes]
    quantities: dict[str, Measurement] = {}
    for measurements in found:
        quantities = {**measurements, **quantities}
    if not quantities:
        quantities[UNMEASURED] = Measurement(name=UNMEASURED, value="", expected="measured")
    return [
        Row(
            check=outcomes[0].check,
            name=name,
            expected=m.expected,
            tolerance=m.tolerance,
            unit=m.unit,
            why=m.why,
            values=tuple(got[name].value if name in got else None for got in found),
            passed=tuple(name in got and got[name].passed for got in found),
            remarks=tuple(outcome.skipped or outcome.error for outcome in outcomes),
        )
        for name, m in quantities.items()
    ]


def _cells(row: Row) -> list[str]:
    tolerance = "reported" if math.isinf(row.tolerance) else "exact" if row.tolerance == 0 else f"{row.tolerance:.2g}"
    marks = zip(row.values, row.passed, strict=True)
    values = [_text(v) if ok or v is None else f"**{_text(v)}**" for v, ok in marks]
    return [row.name, _text(row.expected), *values, tolerance, row.unit]


def _reasons(rows: Sequence[Row]) -> list[str]:
    whys = dict.fromkeys(row.why for row in rows)
    if len(whys) == 1:
        return list(whys)
    return [f"{'; '.join(row.name for row in rows if row.why == why)}: {why}" for why in whys]


def _promises(rows: Sequence[Row], backends: Sequence[str]) -> list[str]:
    lines = []
    for k, backend in enumerate(backends):
        if not rows[0].remarks[k]:
            broken = [f"{row.name}: {_text(row.values[k])}" for row in rows if not row.passed[k]]
            told = f"; not: {'; '.join(broken)}" if broken else ""
            lines.append(f"- {backend} keeps {len(rows) - len(broken)} of {len(rows)} promises without a number{told}")
    return lines


def _text(value: Value) -> str:
    if value is None:
        return "-"
    return value.replace("|", "\\|") if isinstance(value, str) else f"{value:.6g}"
