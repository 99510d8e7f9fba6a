"""Statistics against formulas written here, scipy's own bootstrap, and values worked by hand."""

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from metasim.benchmarks import statistics
from metasim.benchmarks.results import Results
from metasim.core.errors import InvalidConfig


@settings(derandomize=True, deadline=None, database=None)
@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_wilson_is_the_closed_formula(counts, confidence):
    k, n = counts
    z = scipy.stats.norm.ppf(0.5 + confidence / 2)
    p = k / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = statistics.wilson(k, n, confidence)
    assert low == pytest.approx(centre - half, abs=1e-12)
    assert high == pytest.approx(centre + half, abs=1e-12)
    assert 0.0 <= low <= p <= high <= 1.0


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        # z² = 3.841459; n of n: [n / (n + z²), 1]; none: [0, z² / (n + z²)]; half: 1/2 ± z / 2 / √(n + z²)
        (50, 50, 50 / 53.841459, 1.0),
        (0, 50, 0.0, 3.841459 / 53.841459),
        (25, 50, 0.366445, 0.633555),
        (1, 1, 1 / 4.841459, 1.0),
    ],
)
def test_wilson_at_known_values(k, n, low, high):
    assert statistics.wilson(k, n) == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize(("k", "n", "confidence"), [(1, 0, 0.95), (-1, 5, 0.95), (6, 5, 0.95), (1, 5, 1.0), (1, 5, 95)])
def test_counts_and_confidences_that_cannot_be_are_refused(k, n, confidence):
    with pytest.raises(InvalidConfig, match="expected"):
        statistics.wilson(k, n, confidence)


def test_rows_are_what_was_put_in(results):
    rows = {(row.task, row.backend): row for row in statistics.summarise(results)}
    assert len(rows) == 6
    push = rows["lab/push-v0", "pybullet"]
    assert (push.n, push.success_any.successes, push.success_last.successes, push.errors) == (10, 5, 3, 0)
    assert (push.success_any.low, push.success_any.high) == statistics.wilson(5, 10)
    assert push.success_last.value == 0.3
    assert push.mean_return == 4.5
    assert push.first_success == 12.0
    assert rows["lab/open-v0", "pybullet"].first_success is None
    assert rows["lab/open-v0", "pybullet"].errors == 1
    assert rows["lab/open-v0", "pybullet"].n == 10


def test_first_success_is_the_median_over_solved_episodes(make):
    steps = (3, None, 40, 10, None, 11)
    rows = tuple(
        make(seed=i, success_any=s is not None, success_last=False, first_success_step=s) for i, s in enumerate(steps)
    )
    (row,) = statistics.summarise(Results(protocol="p", config={}, episodes=rows))
    assert row.first_success == 10.5


def test_the_overall_interval_agrees_with_scipys_bootstrap(results):
    """Resampling within tasks by binomial draws is the same law as resampling the episodes themselves."""
    pybullet = next(o for o in statistics.overall(results) if o.backend == "pybullet")
    samples = [[1.0] * 10, [1.0] * 5 + [0.0] * 5, [0.0] * 10]
    oracle = scipy.stats.bootstrap(
        samples,
        lambda *tasks, axis: np.mean([task.mean(axis=axis) for task in tasks], axis=0),
        method="percentile",
        n_resamples=9999,
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert pybullet.success_any.value == pytest.approx(0.5)
    assert pybullet.success_any.method == "bootstrap"
    # a step of the resampled mean is 1/30
    assert pybullet.success_any.low == pytest.approx(oracle.low, abs=1 / 30 + 1e-9)
    assert pybullet.success_any.high == pytest.approx(oracle.high, abs=1 / 30 + 1e-9)


def test_the_overall_interval_covers_the_truth():
    """Of 300 made-up benchmarks with known rates, about 95 % of the intervals hold the true mean."""
    rng = np.random.default_rng(3)
    truth = np.linspace(0.3, 0.9, 7)
    hits = 0
    for _ in range(300):
        rates = [statistics.Rate(successes=int(k), n=50, low=0.0, high=1.0) for k in rng.binomial(50, truth)]
        mean = statistics.aggregates(rates, 0.95, resamples=1000, seed=0).mean
        hits += mean.low <= truth.mean() <= mean.high
    assert 0.91 <= hits / 300 <= 0.985  # three standard errors of 0.0126 about 0.95, less the percentile method's bias


def test_the_bootstrap_is_reproducible_and_seeded(results):
    assert statistics.overall(results) == statistics.overall(results)
    again = dataclasses.replace(results, episodes=tuple(reversed(results.episodes)))
    assert statistics.overall(again) == statistics.overall(results)
    narrow, wide = (statistics.overall(results, c, resamples=2000)[1].success_any for c in (0.5, 0.99))
    assert wide.low < narrow.low <= narrow.high < wide.high


def test_a_perfect_score_still_has_an_interval(results):
    """Resampling all-solved tasks gives [1, 1]; that would claim certainty after twenty episodes."""
    solved = tuple(e for e in results.episodes if e.task == "lab/reach-v0")
    for row in statistics.overall(dataclasses.replace(results, episodes=solved)):
        assert row.success_any.method == "wilson"
        assert (row.success_any.low, row.success_any.high) == statistics.wilson(10, 10)


def test_tasks_weigh_the_same_whatever_their_number_of_episodes(make):
    rows = [make(task="a", seed=i) for i in range(30)]
    rows += [make(task="b", seed=i, success_any=False, success_last=False, first_success_step=None) for i in range(10)]
    (row,) = statistics.overall(Results(protocol="p", config={}, episodes=tuple(rows)))
    assert row.success_any.value == 0.5
    assert row.success_any.low <= 0.5 <= row.success_any.high


def test_engines_are_compared_on_the_same_seeds(results):
    table = {pair.task: pair for pair in statistics.compare(results, "mujoco", "pybullet")}
    push = table["lab/push-v0"]
    assert (push.both, push.only_first, push.only_second, push.neither, push.n) == (5, 5, 0, 0, 10)
    assert push.p_value == pytest.approx(2 * 0.5**5)  # five of five on one side, two-sided
    assert table["lab/reach-v0"].p_value == 1.0
    assert table["lab/open-v0"].neither == 10
    assert statistics.compare(results, "mujoco", "isaacgym") == ()


def test_a_seed_that_only_one_engine_ran_is_left_out_of_the_comparison(results):
    rows = tuple(e for e in results.episodes if e.backend == "mujoco" or e.seed < 4)
    pairs = statistics.compare(dataclasses.replace(results, episodes=rows), "mujoco", "pybullet")
    assert [pair.n for pair in pairs] == [4, 4, 4]


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0"),
        (1.0, "100"),
        (0.5, "50"),
        (0.945, "94.5"),
        (1 / 3, "33.3"),
        (0.99996, "99.9"),
        (1e-9, "0.1"),
    ],
)
def test_percent_never_rounds_to_certainty(share, text):
    assert statistics.percent(share) == text


def test_markdown_tables_have_a_row_each_and_no_stray_bars(results, make):
    text = statistics.markdown(results)
    assert "| lab/push-v0 | pybullet | expert | 10 | 50 % [23.7, 76.3] | 30 % [10.8, 60.3] | 4.5 | 12 |" in text
    assert "| lab/open-v0 | pybullet | expert | 10 (1 broken off) | 0 % [0, 27.8] |" in text
    odd = statistics.markdown(Results(protocol="p", config={}, episodes=(make(task="a|b\nc"),)))
    lines = [line for line in odd.splitlines() if "b c" in line]
    assert len(lines) == 1
    assert lines[0].replace("\\|", "").count("|") == 9
    assert statistics.markdown(Results(protocol="p", config={}, episodes=())).count("\n") == 5


def test_importing_the_package_loads_no_heavy_library():
    heavy = "{'scipy', 'jinja2', 'mujoco', 'pybullet', 'gymnasium', 'torch', 'h5py'}"
    code = f"import sys, metasim.benchmarks; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
