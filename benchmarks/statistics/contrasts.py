"""Whether A succeeds more often than B: exact tests, and intervals of the difference of two success rates.

Source: Barnard, Biometrika 34 (1947), 123; McNemar, Psychometrika 12 (1947), 153; Newcombe, Statistics in Medicine 17
(1998), 873, method 10; Tango, Statistics in Medicine 17 (1998), 891; Birch, Journal of the Royal Statistical Society,
Series B, 26 (1964), 313; Holm, Scandinavian Journal of Statistics 6 (1979), 65.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np

from metasim.benchmarks.statistics.rates import CONFIDENCE, Estimate, check_confidence, check_counts, wilson

SCIPY_CELLS = 10_000  # outcomes of two arms up to which scipy's Barnard takes a fraction of a second
MOST_CELLS = 25_000_000  # and beyond which ours would take gigabytes
NUISANCE_POINTS = 256
ASIDE = 1e-9  # from the observed difference, where the score can be 0 by 0
TIE = 1e-7  # by which a statistic may be smaller than the observed one and still count as extreme as that


def barnard(successes: int, n: int, other_successes: int, other_n: int) -> float | None:
    """Return the two-sided p-value of Barnard's exact test that both success rates are the same.

    The statistic is Wald's with the pooled variance. ``None`` where there are too many episodes to enumerate (the
    product of both numbers above 25 million).
    """
    check_counts(successes, n)
    check_counts(other_successes, other_n)
    if n * other_n > MOST_CELLS:
        return None
    return _barnard(successes, n, other_successes, other_n)


@functools.lru_cache(maxsize=4096)
def _barnard(k: int, n: int, l: int, m: int) -> float:  # noqa: E741  the letters of a fourfold table
    if k + l in (0, n + m):
        return 1.0  # nothing was observed that tells the two apart
    if n * m > SCIPY_CELLS:
        return _barnard_large(k, n, l, m)
    from scipy.stats import barnard_exact

    return float(min(1.0, barnard_exact([[k, l], [n - k, m - l]]).pvalue))


def _barnard_large(k: int, n: int, l: int, m: int) -> float:  # noqa: E741
    """Barnard's test as two matrix products: the chance of the tables as extreme as ours, at its worst common rate."""
    from scipy.optimize import minimize_scalar
    from scipy.stats import binom

    a, b = np.arange(n + 1.0), np.arange(m + 1.0)
    pooled = (a[:, None] + b) / (n + m)
    with np.errstate(invalid="ignore", divide="ignore"):
        wald = np.abs(a[:, None] / n - b / m) / np.sqrt(pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m))
    wald[(0, -1), (0, -1)] = 0.0
    extreme = (wald >= wald[k, l] * (1.0 - TIE)).astype(float)

    def chance(angles: np.ndarray) -> np.ndarray:
        rates = np.sin(angles)[:, None] ** 2
        return np.einsum("gb,gb->g", binom.pmf(a, n, rates) @ extreme, binom.pmf(b, m, rates))

    grid = np.linspace(0.0, math.pi / 4.0, NUISANCE_POINTS)  # even steps of the rate's deviation; p is as good as 1 - p
    values = chance(grid)
    best = int(values.argmax())
    around = (grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])
    finest = minimize_scalar(lambda angle: -chance(np.array([angle]))[0], bounds=around, method="bounded")
    return float(min(1.0, max(values[best], -finest.fun)))


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the two-sided p-value of McNemar's exact test: how even is the split of what one of two alone solved."""
    from scipy.stats import binomtest

    differ = only_first + only_second
    return float(binomtest(only_first, differ).pvalue) if differ else 1.0


def stratified_exact(tables: Sequence[tuple[int, int, int, int]]) -> float:
    """Return the two-sided p-value that within every task both success rates are the same.

    Birch's exact conditional test: given how many of both sides' episodes succeed at each task, the first side's
    share is hypergeometric; their sum over tasks is compared with all others that are no likelier.

    Args:
        tables: Per task: successes and episodes of the first, then of the second.
    """
    from scipy.stats import hypergeom

    law, observed, start = np.ones(1), 0, 0
    for k, n, l, m in tables:  # noqa: E741
        check_counts(k, n)
        check_counts(l, m)
        low, high = max(0, k + l - m), min(n, k + l)
        law = np.convolve(law, hypergeom.pmf(np.arange(low, high + 1), n + m, k + l, n))
        observed, start = observed + k, start + low
    return float(min(1.0, law[law <= law[observed - start] * (1.0 + TIE)].sum()))


def newcombe(successes: int, n: int, other_successes: int, other_n: int, confidence: float = CONFIDENCE) -> Estimate:
    """Return the difference of two independent success rates with Newcombe's interval, made of Wilson's."""
    check_counts(successes, n)
    check_counts(other_successes, other_n)
    p, q = successes / n, other_successes / other_n
    (p_low, p_high), (q_low, q_high) = wilson(successes, n, confidence), wilson(other_successes, other_n, confidence)
    low, high = math.hypot(p - p_low, q_high - q), math.hypot(p_high - p, q - q_low)
    return Estimate(value=p - q, low=p - q - low, high=p - q + high, method="newcombe")


def tango(only_first: int, only_second: int, n: int, confidence: float = CONFIDENCE) -> Estimate:
    """Return the difference of the success rates of ``n`` pairs with Tango's score interval.

    Args:
        only_first: Pairs of which the first alone succeeded.
        only_second: Pairs of which the second alone succeeded.
        n: All pairs.
        confidence: Of the interval.
    """
    from scipy.optimize import root_scalar
    from scipy.stats import norm

    check_counts(only_first + only_second, n)
    check_confidence(confidence)
    b, c, z = only_first, only_second, float(norm.ppf(0.5 + confidence / 2.0))

    def excess(delta: float, side: float) -> float:
        """By how much the score statistic at a difference ``delta`` exceeds its limit."""
        linear = (2 * n - b + c) * delta - b - c
        constant = -c * delta * (1.0 - delta)
        q = (math.sqrt(max(linear * linear - 8.0 * n * constant, 0.0)) - linear) / (4.0 * n)
        variance = n * max(2.0 * q + delta * (1.0 - delta), 0.0)
        return b - c - n * delta - side * z * math.sqrt(variance)

    value = (b - c) / n
    low = -1.0 if c == n else float(root_scalar(excess, args=(1.0,), bracket=(-1.0, value - ASIDE)).root)
    high = 1.0 if b == n else float(root_scalar(excess, args=(-1.0,), bracket=(value + ASIDE, 1.0)).root)
    return Estimate(value=value, low=min(low, value), high=max(high, value), method="tango")


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Return p-values adjusted for that many tests, so that the chance of any false alarm stays the level; None stays.

    The smallest is multiplied by their number, the next by one less, and so on; none is smaller than one before it.
    """
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    least = 0.0
    for rank, (p, index) in enumerate(known):
        least = max(least, min(1.0, (len(known) - rank) * p))
        adjusted[index] = least
    return tuple(adjusted)
