"""Tests of A against B, and intervals of differences, against scipy, enumeration and closed formulas."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from metasim.benchmarks import statistics
from metasim.benchmarks.statistics import contrasts
from metasim.core.errors import InvalidConfig

Z = scipy.stats.norm.ppf(0.975)
SETTLED = settings(derandomize=True, deadline=None, database=None, max_examples=60)


@pytest.mark.parametrize(
    ("k", "n", "other", "m"),
    [(25, 50, 29, 50), (0, 50, 3, 50), (1, 7, 6, 9), (3, 3, 0, 4), (90, 100, 80, 100), (120, 150, 100, 150)],
)
def test_barnards_test_is_scipys_at_every_size(k, n, other, m):
    wanted = scipy.stats.barnard_exact([[k, other], [n - k, m - other]]).pvalue
    assert statistics.barnard(k, n, other, m) == pytest.approx(wanted, rel=1e-8)
    assert contrasts._barnard_large(k, n, other, m) == pytest.approx(wanted, rel=1e-8)


def test_barnards_test_at_its_ends():
    assert statistics.barnard(25, 50, 29, 50) == pytest.approx(0.53, abs=0.005)
    assert statistics.barnard(0, 50, 0, 50) == statistics.barnard(50, 50, 50, 50) == 1.0
    assert statistics.barnard(10, 6000, 20, 6000) is None  # 36 million outcomes
    with pytest.raises(InvalidConfig, match="got 51 of 50"):
        statistics.barnard(51, 50, 1, 2)


def test_the_exact_test_within_one_task_is_fishers():
    for table in ((3, 9, 7, 11), (0, 5, 5, 5), (25, 50, 29, 50)):
        k, n, other, m = table
        wanted = scipy.stats.fisher_exact([[k, other], [n - k, m - other]])[1]
        assert statistics.stratified_exact([table]) == pytest.approx(wanted)


def test_the_exact_test_within_tasks_is_a_count_of_all_relabellings():
    """Every way to hand out the labels A and B within each task; as extreme is what is no likelier."""
    tables = [(3, 3, 1, 3), (2, 2, 0, 3)]
    sums = []
    for k, n, other, m in tables:
        outcomes = [1] * (k + other) + [0] * (n + m - k - other)
        sums.append([sum(chosen) for chosen in itertools.combinations(outcomes, n)])
    totals = [sum(pick) for pick in itertools.product(*sums)]
    weight = {total: totals.count(total) for total in set(totals)}
    wanted = sum(w for w in weight.values() if w <= weight[5]) / len(totals)
    assert statistics.stratified_exact(tables) == pytest.approx(wanted)


def test_many_small_differences_add_up():
    assert statistics.stratified_exact([(25, 50, 31, 50)]) > 0.2
    assert statistics.stratified_exact([(25, 50, 31, 50)] * 10) < 0.001
    assert statistics.stratified_exact([(5, 10, 9, 10), (9, 10, 5, 10)]) == pytest.approx(1.0)


def test_mcnemars_test_is_the_binomial_one():
    assert statistics.mcnemar(1, 9) == pytest.approx(2 * (1 + 10) / 2**10)
    assert statistics.mcnemar(0, 0) == 1.0


@SETTLED
@given(st.integers(1, 200), st.integers(1, 200), st.data())
def test_newcombes_interval_is_made_of_wilsons(n, m, data):
    k, other = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    found, back = statistics.newcombe(k, n, other, m), statistics.newcombe(other, m, k, n)
    (low, high), (other_low, other_high) = statistics.wilson(k, n), statistics.wilson(other, m)
    p, q = k / n, other / m
    assert found.low == pytest.approx(p - q - math.sqrt((p - low) ** 2 + (other_high - q) ** 2))
    assert found.high == pytest.approx(p - q + math.sqrt((high - p) ** 2 + (q - other_low) ** 2))
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low))
    assert -1.0 <= found.low <= found.value <= found.high <= 1.0


@SETTLED
@given(st.integers(1, 300), st.data())
def test_tangos_interval_holds_zero_exactly_where_mcnemars_score_is_small(n, data):
    b = data.draw(st.integers(0, n))
    c = data.draw(st.integers(0, n - b))
    found, back = statistics.tango(b, c, n), statistics.tango(c, b, n)
    assert found.value == (b - c) / n
    assert -1.0 <= found.low <= found.value <= found.high <= 1.0
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low), abs=1e-6)
    score = abs(b - c) / math.sqrt(b + c) if b + c else 0.0
    if abs(score - Z) > 1e-6:
        assert (found.low < 0.0 < found.high) == (score < Z)


def test_tangos_interval_at_its_ends():
    n = 50
    assert statistics.tango(0, 0, n).high == pytest.approx(Z**2 / (n + Z**2), abs=1e-6)
    assert statistics.tango(n, 0, n).low == pytest.approx((n - Z**2) / (n + Z**2), abs=1e-6)
    assert statistics.tango(n, 0, n).high == 1.0 and statistics.tango(0, n, n).low == -1.0


@pytest.mark.parametrize("paired", [True, False])
def test_differences_are_covered_as_often_as_promised(paired):
    """Of 400 made-up comparisons of known rates; within three standard errors of 0.011."""
    rng, n, hits = np.random.default_rng(4), 50, 0
    both, only_first, only_second = 0.5, 0.25, 0.1
    for _ in range(400):
        a, b, c = rng.multinomial(n, (both, only_first, only_second, 0.15))[:3]
        found = statistics.tango(b, c, n) if paired else statistics.newcombe(a + b, n, int(rng.binomial(n, 0.6)), n)
        hits += found.low <= 0.15 <= found.high
    assert 0.915 <= hits / 400 <= 0.985


def test_holms_correction_worked_by_hand():
    assert statistics.holm([0.01, 0.04, None, 0.03, 0.005]) == pytest.approx((0.03, 0.06, None, 0.06, 0.02))
    assert statistics.holm([0.6, 0.7]) == (1.0, 1.0)
    assert statistics.holm([]) == ()
