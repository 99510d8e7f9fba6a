"""The contract, engine by engine and check by check."""

import importlib.util

import pytest

from metasim.conformance import CHECKS, run_check, suite
from metasim.core.backend import BACKENDS

ENGINES = tuple(BACKENDS)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("engine", ENGINES)
def test_the_contract_is_kept(engine: str, check: str) -> None:
    if importlib.util.find_spec(engine) is None:
        pytest.skip(f"the package {engine} is not installed")
    outcome = run_check(engine, check)
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    assert outcome.measurements or outcome.error
    assert not outcome.problems, "\n" + "\n".join(outcome.problems)


def test_no_check_hides_another_of_its_name() -> None:
    assert len(CHECKS) == sum(len(module.CHECKS) for module in suite._MODULES)
