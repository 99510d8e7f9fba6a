"""Aggregates, profiles and probabilities of improvement against rliable's answers on the same numbers.

The answers stand in tests/data/rliable_answers.json, made by the script beside it; where METASIM_RLIABLE_PYTHON names
an interpreter that has rliable, they are asked for anew.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

from metasim.benchmarks import statistics
from metasim.core.errors import InvalidConfig

DATA = Path(__file__).resolve().parents[1] / "data"
PEER = "METASIM_RLIABLE_PYTHON"
POINT, END = 1e-6, 0.005


@pytest.fixture(scope="module", params=["kept", "asked anew"])
def answers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What rliable said, with the scores that it was asked about as arrays."""
    file = DATA / "rliable_answers.json"
    if request.param != "kept":
        python = os.environ.get(PEER)
        if not python:
            pytest.skip(f"{PEER} names no interpreter that has rliable")
        file = tmp_path_factory.mktemp("rliable") / "answers.json"
        subprocess.run([python, str(DATA / "extract_rliable.py"), str(file)], check=True)
    tree = json.loads(file.read_bytes())
    assert tree["versions"]["rliable"] == "1.2.0"
    return {**tree, "scores": {name: np.array(rows) for name, rows in tree["scores"].items()}}


def assert_same(found: statistics.Estimate | statistics.Profile, said: dict[str, Any]) -> None:
    assert found.value == pytest.approx(np.squeeze(said["value"]), abs=POINT)
    for end in ("low", "high"):
        assert getattr(found, end) == pytest.approx(np.squeeze(said[end]), abs=END + 1e-12), end


def test_aggregates(answers: dict[str, Any]) -> None:
    checked = 0
    for name, metrics in answers["aggregates"].items():
        assert set(metrics) == set(statistics.METRICS)
        for metric, said in metrics.items():
            assert_same(statistics.aggregate(answers["scores"][name], metric), said)
            checked += 1
    assert checked == 20


def test_performance_profiles(answers: dict[str, Any]) -> None:
    assert len(answers["profiles"]) == 2
    for name, said in answers["profiles"].items():
        assert_same(statistics.profile(answers["scores"][name], answers["thresholds"]), said)


def test_probability_of_improvement(answers: dict[str, Any]) -> None:
    assert len(answers["improvement"]) == 3
    for said in answers["improvement"]:
        first, second = (answers["scores"][said[side]] for side in ("first", "second"))
        assert_same(statistics.improvement(first, second), said)


def test_newcombes_interval_is_that_of_statsmodels(answers: dict[str, Any]) -> None:
    assert len(answers["newcombe"]) == 6
    for said in answers["newcombe"]:
        found = statistics.newcombe(*said["counts"])
        assert (found.low, found.high) == pytest.approx(said["interval"], abs=1e-12)


def test_aggregates_are_what_scipy_says() -> None:
    scores = np.random.default_rng(0).uniform(0, 1.3, (7, 5))
    assert statistics.aggregate(scores).value == pytest.approx(scipy.stats.trim_mean(scores.ravel(), 0.25))
    assert statistics.aggregate(scores, "median").value == pytest.approx(np.median(scores.mean(axis=0)))
    assert statistics.aggregate(scores, "optimality_gap").value == pytest.approx(1 - np.minimum(scores, 1).mean())


def test_improvement_is_mann_whitneys_statistic_task_by_task() -> None:
    rng = np.random.default_rng(1)
    first = [rng.integers(0, 5, n).astype(float) for n in (4, 9, 20)]  # ties, and other numbers of runs
    second = [rng.integers(0, 5, n).astype(float) for n in (7, 3, 20)]
    pairs = list(zip(first, second, strict=True))
    wanted = np.mean([scipy.stats.mannwhitneyu(x, y).statistic / (len(x) * len(y)) for x, y in pairs])
    found = statistics.improvement(first, second)
    assert found.value == pytest.approx(wanted)
    assert found.low < found.value < found.high
    back = statistics.improvement(second, first)
    assert back.value == pytest.approx(1 - found.value)


def test_pairs_make_a_narrower_interval_where_starts_matter() -> None:
    rng = np.random.default_rng(2)
    start = rng.normal(size=60)
    first, second = [start + 0.3 + 0.1 * rng.normal(size=60)], [start + 0.1 * rng.normal(size=60)]
    apart, together = (statistics.improvement(first, second, paired=paired) for paired in (False, True))
    assert apart.value == together.value
    assert together.high - together.low < 0.5 * (apart.high - apart.low)


def test_the_seed_decides_the_interval_and_blocks_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.random.default_rng(3).random((6, 4))
    once = statistics.aggregate(scores, resamples=500)
    assert statistics.aggregate(scores, resamples=500) == once
    assert statistics.aggregate(scores, resamples=500, seed=1).low != once.low
    monkeypatch.setattr("metasim.benchmarks.statistics.bootstrap.DRAWS_AT_ONCE", 24 * 7)
    assert statistics.aggregate(scores, resamples=500).low == pytest.approx(once.low)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: statistics.aggregate([[0.1]], "iqr"), r"no metric named 'iqr'; did you mean \['iqm'\]"),
        (lambda: statistics.aggregate([0.1, 0.2]), r"scores \(runs, tasks\), got shape \(2,\)"),
        (lambda: statistics.aggregate([[np.nan]]), "finite scores"),
        (lambda: statistics.aggregate([[0.5]], confidence=95), "confidence between 0 and 1"),
        (lambda: statistics.improvement([[1.0]], [[1.0], [2.0]]), "same tasks, got 1 and 2"),
        (lambda: statistics.improvement([[1.0]], [[1.0, 2.0]], paired=True), "equal numbers, got 1 and 2"),
        (lambda: statistics.improvement([[]], [[1.0]]), "one array of scores per task"),
    ],
)
def test_scores_that_cannot_be_are_refused(call: Any, words: str) -> None:
    with pytest.raises(InvalidConfig, match=words):
        call()
