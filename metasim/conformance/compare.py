"""Engines side by side: what each measures for every quantity of the checks, and what the formula says."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from metasim.conformance.measurement import Measurement
from metasim.conformance.suite import CHECKS, Outcome, run_checks

Value = float | str | None


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
    """

    check: str
    name: str
    expected: float | str
    tolerance: float
    unit: str
    why: str
    values: tuple[Value, ...]


def compare_engines(
    backends: Sequence[str] = ("mujoco", "pybullet"), only: Iterable[str] | None = None
) -> list[Row]:
    """Run the checks in each backend and return one row for every quantity, failed and skipped ones too."""
    names = list(CHECKS if only is None else only)
    runs = [run_checks(backend, names) for backend in backends]
    return [row for outcomes in zip(*runs, strict=True) for row in _rows(outcomes)]


def markdown(rows: Sequence[Row], backends: Sequence[str] = ("mujoco", "pybullet")) -> str:
    """Return the rows as a page: numbers in a table for each check, yes or no and bit-equality as counts."""
    lines: list[str] = []
    for check in dict.fromkeys(row.check for row in rows):
        mine = [row for row in rows if row.check == check]
        lines += ["", f"## {check.replace('_', ' ')}", "", _summary(check), ""]
        lines += [f"| quantity | formula | {' | '.join(backends)} | tolerance | unit |"]
        lines += ["|---" * (len(backends) + 4) + "|"]
        lines += [f"| {' | '.join(_cells(row))} |" for row in mine]
        whys = dict.fromkeys(
            f"{row.name}: {row.why}" for row in mine if row.why and not isinstance(row.expected, str)
        )
        lines += ["", *(f"- {why}" for why in whys)] if whys else []
    return "\n".join(lines).strip() + "\n"


def _rows(outcomes: Sequence[Outcome]) -> list[Row]:
    found = [{m.name: m for m in outcome.measurements} for outcome in outcomes]
    quantities: dict[str, Measurement] = {}
    for measurements in found:
        quantities = {**measurements, **quantities}
    if not quantities:
        reasons = tuple(outcome.skipped or outcome.error for outcome in outcomes)
        return [_row(outcomes[0].check, Measurement(name="(not measured)", value="", expected=""), reasons)]
    return [
        _row(outcomes[0].check, m, tuple(got[name].value if name in got else None for got in found))
        for name, m in quantities.items()
    ]


def _row(check: str, m: Measurement, values: tuple[Value, ...]) -> Row:
    return Row(
        check=check,
        name=m.name,
        expected=m.expected,
        tolerance=m.tolerance,
        unit=m.unit,
        why=m.why,
        values=values,
    )


def _cells(row: Row) -> list[str]:
    tolerance = (
        "reported" if math.isinf(row.tolerance) else "exact" if row.tolerance == 0 else f"{row.tolerance:.2g}"
    )
    return [row.name, _text(row.expected), *(_text(v) for v in row.values), tolerance, row.unit]


def _text(value: Value) -> str:
    if value is None:
        return "not reached"
    return value.replace("|", "\\|") if isinstance(value, str) else f"{value:.6g}"


def _summary(check: str) -> str:
    return (CHECKS[check].__doc__ or "").strip().splitlines()[0]
