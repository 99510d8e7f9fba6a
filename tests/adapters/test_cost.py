"""The benchmark of what adapters cost measures what it says, by a tiny run; the figure itself is not tested here."""

import io
import json

import pytest

from metasim.benchmarks.throughput.__main__ import main
from metasim.benchmarks.throughput.adapters import figures


def test_the_cost_is_what_the_adapter_adds_to_the_step_below_it() -> None:
    """Laps of 10 steps that take 1, 2 and 4 s below, and 10 %, 20 % and 30 % more with the adapter."""
    row = figures([(1.1, 1.0), (2.4, 2.0), (5.2, 4.0)], steps=10)
    assert row == pytest.approx({"bare_us": 2e5, "adapter_us": 2.4e5, "extra_us": 4e4, "cost_percent": 20.0})


@pytest.mark.parametrize(("adapter", "package"), [("sb3", "stable_baselines3"), ("rsl-rl", "rsl_rl")])
def test_a_tiny_run(cart_pole, adapter: str, package: str) -> None:
    pytest.importorskip(package, reason=f"{package} is not installed")
    out = io.StringIO()
    words = ["adapters", "--tasks", cart_pole, "--adapters", adapter, "--num-envs", "2", "--threads", "1"]
    assert main([*words, "--seconds", "0.02", "--rounds", "2", "--json"], out) == 0
    report = json.loads(out.getvalue())
    (row,) = report["rows"]
    assert row["name"] == f"{adapter} {cart_pole}" and 0 < row["bare_us"] < row["adapter_us"]
    assert report["summary"] == {f"{adapter}_cost_percent": row["cost_percent"]}
    assert report["goals"][0]["wanted"] == "at most 5"


def test_an_unknown_adapter_is_refused(cart_pole, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adapters", "--tasks", cart_pole, "--adapters", "sb4"]) == 2
    assert "did you mean ['sb3']?" in capsys.readouterr().err
