"""The contract of a physics engine as a suite that can be run against any backend."""

from metasim.conformance.measurement import ConformanceFailure, Measurement
from metasim.conformance.suite import CHECKS, Outcome, check_backend, run_check, run_checks

__all__ = [
    "CHECKS",
    "ConformanceFailure",
    "Measurement",
    "Outcome",
    "check_backend",
    "run_check",
    "run_checks",
]
