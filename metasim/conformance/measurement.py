"""What a check reports: measured against expected, with the tolerance and its reason."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from metasim.core.backend import Backend
from metasim.core.errors import MetasimError

Array = Any
BackendFactory = Callable[..., Backend]
"""Makes an empty backend from ``(num_worlds, workers=...)``: a backend class is one."""
Check = Callable[[BackendFactory], "list[Measurement]"]
C = TypeVar("C", bound=Callable[..., Any])


def needs(*capabilities: str) -> Callable[[C], C]:
    """Mark a check as one to skip for engines that do not declare these capabilities."""

    def mark(check: C) -> C:
        setattr(check, "needs", capabilities)  # noqa: B010  (a function has no such attribute for the type checker)
        return check

    return mark


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One measured quantity.

    Attributes:
        name: What was measured, unique within its check.
        value: The measured number, or a word (the class of a raised error).
        expected: What the formula says.
        tolerance: Largest allowed distance between the two; infinite for what is reported but not held.
        unit: Of value, expected and tolerance.
        why: Where the expected value and the tolerance come from.
    """

    name: str
    value: float | str
    expected: float | str
    tolerance: float = 0.0
    unit: str = ""
    why: str = ""

    @property
    def passed(self) -> bool:
        """Whether the value is within the tolerance; NaN never is."""
        if isinstance(self.value, str) or isinstance(self.expected, str):
            return self.value == self.expected
        return math.isinf(self.tolerance) or bool(abs(self.value - self.expected) <= self.tolerance)

    def __str__(self) -> str:
        """Return ``name: measured ..., expected ... +- ... (why)``."""
        margin = f" +- {_short(self.tolerance)}" if 0 < self.tolerance < math.inf else ""
        unit = f" {self.unit}" if self.unit else ""
        numbers = f"measured {_short(self.value)}, expected {_short(self.expected)}{margin}{unit}"
        return f"{self.name}: {numbers} ({self.why})"


class ConformanceFailure(MetasimError, AssertionError):
    """A backend that does not keep the contract; the message lists every failure.

    Args:
        backend: Name of the backend.
        problems: Check name to what went wrong in it, one line each.
        ran: How many checks ran.
    """

    def __init__(self, backend: str, problems: dict[str, list[str]], ran: int) -> None:
        self.backend, self.problems = backend, problems
        lines = [f"  {check}: {line}" for check, found in problems.items() for line in found]
        super().__init__("\n".join([f"{backend} fails {len(problems)} of {ran} conformance checks:", *lines]))


def near(name: str, value: Any, expected: Any, tolerance: float, unit: str, why: str) -> Measurement:
    """Return a measurement of two numbers, or of the largest difference of two arrays (expected 0)."""
    measured, wanted = np.asarray(value, float), np.asarray(expected, float)
    if measured.ndim or wanted.ndim:
        name += " (largest difference)"
        measured, wanted = np.abs(measured - wanted).max(initial=0.0), np.zeros(())
    return Measurement(
        name=name, value=float(measured), expected=float(wanted), tolerance=tolerance, unit=unit, why=why
    )


def report(name: str, value: float, expected: float, unit: str, why: str) -> Measurement:
    """Return a measurement that is shown beside the expected value and never fails."""
    return Measurement(name=name, value=float(value), expected=float(expected), tolerance=math.inf, unit=unit, why=why)


def same(name: str, value: Any, expected: Any, why: str) -> Measurement:
    """Return the number of bytes in which two arrays, or two sequences of arrays, differ (expected 0)."""
    a, b = _bytes(value), _bytes(expected)
    differing = int((a != b).sum()) if a.shape == b.shape else max(a.size, b.size)
    return Measurement(name=name, value=differing, expected=0, unit="bytes", why=why)


def holds(name: str, condition: bool, why: str) -> Measurement:
    """Return a yes or no as a measurement."""
    return Measurement(name=name, value="yes" if condition else "no", expected="yes", why=why)


def raises(
    name: str, error: type[Exception], call: Callable[[], object], why: str, mentions: Iterable[str] = ()
) -> Measurement:
    """Return the class of what ``call`` raises, with the words its message lacks."""
    try:
        call()
    except Exception as raised:  # whatever comes is the measurement
        got = error.__name__ if isinstance(raised, error) else type(raised).__name__
        lacking = [word for word in mentions if word not in str(raised)]
        if lacking:
            got += f" without {lacking} in {str(raised)!r}"
    else:
        got = "no error"
    return Measurement(name=name, value=got, expected=error.__name__, why=why)


def _bytes(values: Any) -> Array:
    arrays = values if isinstance(values, (tuple, list)) else [values]
    return np.concatenate([np.ascontiguousarray(a).reshape(-1).view(np.uint8) for a in arrays])


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
