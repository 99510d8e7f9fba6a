"""Running the checks against a backend and saying, all at once, what is wrong with it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from metasim.conformance.checks import (
    contact,
    control,
    errors,
    fields,
    forces,
    kinematics,
    motion,
    parameters,
    pictures,
    snapshots,
    state,
    worlds,
)
from metasim.conformance.measurement import Check, ConformanceFailure, Measurement
from metasim.core.backend import BACKENDS, Backend
from metasim.core.errors import UnknownName, UnsupportedFeature

_MODULES = (
    motion,
    contact,
    control,
    forces,
    kinematics,
    fields,
    state,
    snapshots,
    parameters,
    worlds,
    errors,
    pictures,
)
CHECKS: Mapping[str, Check] = {check.__name__: check for module in _MODULES for check in module.CHECKS}
"""Check name to check, in the order in which they run."""
DRAWING = frozenset({"rgb", "depth", "segmentation"})


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one check.

    Attributes:
        check: Its name.
        measurements: What it measured, passed or not.
        error: How it broke off, empty when it did not.
        skipped: Why it did not run, empty when it did.
        seconds: How long it took.
    """

    check: str
    measurements: tuple[Measurement, ...] = ()
    error: str = ""
    skipped: str = ""
    seconds: float = 0.0

    @property
    def problems(self) -> list[str]:
        """One line for every measurement out of its tolerance, and for the error."""
        failed = [str(m) for m in self.measurements if not m.passed]
        return [*failed, *([self.error] if self.error else [])]


def check_backend(backend: str | type[Backend], only: Iterable[str] | None = None) -> list[Measurement]:
    """Hold a backend against the contract and return everything that was measured.

    Args:
        backend: A registered name or a class; it is constructed anew in every check.
        only: Names of :data:`CHECKS` to run; None for all.

    Raises:
        ConformanceFailure: After all checks have run, with every measurement out of its tolerance.
        UnknownName: For a backend or check that does not exist.
    """
    outcomes = run_checks(backend, only)
    problems = {o.check: o.problems for o in outcomes if o.problems}
    if problems:
        raise ConformanceFailure(_class(backend).name, problems, len(outcomes))
    return [m for outcome in outcomes for m in outcome.measurements]


def run_checks(backend: str | type[Backend], only: Iterable[str] | None = None) -> list[Outcome]:
    """Run checks one after the other and return what came of each, failures included."""
    kind = _class(backend)
    names = list(CHECKS if only is None else only)
    for name in names:
        if name not in CHECKS:
            raise UnknownName("conformance check", name, CHECKS)
    return [run_check(kind, name) for name in names]


def run_check(backend: str | type[Backend], name: str) -> Outcome:
    """Run one check; an engine that does not declare what it needs, or lacks OpenGL to draw, skips it."""
    kind, check = _class(backend), CHECKS[name]
    wanted = frozenset(getattr(check, "needs", ()))
    if lacking := wanted - kind.capabilities:
        return Outcome(check=name, skipped=f"{kind.name} does not declare {sorted(lacking)}")
    start = time.perf_counter()
    try:
        measured = tuple(check(kind))
    except UnsupportedFeature as refusal:
        if wanted & DRAWING:
            return Outcome(check=name, skipped=str(refusal))
        return Outcome(check=name, error=_story(refusal), seconds=time.perf_counter() - start)
    except Exception as error:  # whatever a backend under test raises is a finding, not an end
        return Outcome(check=name, error=_story(error), seconds=time.perf_counter() - start)
    return Outcome(check=name, measurements=measured, seconds=time.perf_counter() - start)


def _class(backend: str | type[Backend]) -> type[Backend]:
    return BACKENDS[backend] if isinstance(backend, str) else backend


def _story(error: Exception) -> str:
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "conformance/checks" in f.filename]
    where = f" at {frames[-1].name}, line {frames[-1].lineno}: {frames[-1].line}" if frames else ""
    return f"{type(error).__name__}: {error}{where}"
