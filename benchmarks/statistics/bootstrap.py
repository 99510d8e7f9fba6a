"""Aggregates of scores over runs and tasks, with intervals from a bootstrap that resamples within each task.

Scores are ``(runs, tasks)``: a run of a method at a task, such as the success rate of one trained policy. Every
aggregate is one of matrix arithmetic over all resamples at once: a resample is how often it drew each run.

Source: Agarwal et al. 2021, arXiv:2108.13264; Mann & Whitney 1947, doi:10.1214/aoms/1177730491.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metasim.benchmarks.statistics.rates import CONFIDENCE, Estimate, check_confidence
from metasim.core.errors import InvalidConfig, nearest

Array = Any
RESAMPLES = 10_000
BOOTSTRAP_SEED = 20_240_229
CUT = 0.25  # share that the interquartile mean leaves out at either end
DRAWS_AT_ONCE = 4_000_000  # that bounds the memory: some 64 MB


@dataclass(frozen=True, kw_only=True, eq=False)
class Profile:
    """Share of scores above each threshold, with a band; all ``(K,)``."""

    thresholds: Array
    value: Array
    low: Array
    high: Array


def mean(scores: Array) -> Array:
    """Mean over tasks of the mean over runs; ``(..., runs, tasks)`` to ``(...)``."""
    return scores.mean(axis=-2).mean(axis=-1)


def median(scores: Array) -> Array:
    """Median over tasks of the mean over runs; ``(..., runs, tasks)`` to ``(...)``."""
    return np.median(scores.mean(axis=-2), axis=-1)


def iqm(scores: Array) -> Array:
    """Interquartile mean: that of the middle half of all scores; ``(..., runs, tasks)`` to ``(...)``."""
    pooled = np.sort(scores.reshape(*scores.shape[:-2], -1), axis=-1)
    cut = int(CUT * pooled.shape[-1])
    return pooled[..., cut : pooled.shape[-1] - cut].mean(axis=-1)


def optimality_gap(scores: Array) -> Array:
    """By how much scores, cut off at 1, fall short of 1 on average; ``(..., runs, tasks)`` to ``(...)``."""
    return 1.0 - np.minimum(scores, 1.0).mean(axis=(-2, -1))


METRICS: dict[str, Callable[[Array], Array]] = {
    "mean": mean,
    "median": median,
    "iqm": iqm,
    "optimality_gap": optimality_gap,
}


def aggregate(
    scores: Array,
    metric: str = "iqm",
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = BOOTSTRAP_SEED,
) -> Estimate:
    """Return an aggregate of scores ``(runs, tasks)``: ``mean``, ``median``, ``iqm`` or ``optimality_gap``.

    Raises:
        InvalidConfig: The scores are no finite matrix, or there is no such metric.
    """
    if metric not in METRICS:
        raise InvalidConfig(f"no metric named {metric!r}; {nearest(metric, METRICS)}")
    matrix, function = _matrix(scores), METRICS[metric]
    found = np.concatenate([function(drawn) for drawn in _redrawn(matrix, resamples, seed)])
    return interval(float(function(matrix)), found, confidence)


def profile(
    scores: Array,
    thresholds: Array,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = BOOTSTRAP_SEED,
) -> Profile:
    """Return the performance profile of scores ``(runs, tasks)``: the share above each threshold ``(K,)``.

    Raises:
        InvalidConfig: The scores are no finite matrix.
    """
    check_confidence(confidence)
    matrix, levels = _matrix(scores), np.asarray(thresholds, float)
    above = (matrix[:, :, None] > levels).astype(float)  # (runs, tasks, K)
    rng = np.random.default_rng(seed)
    shares = np.zeros((resamples, len(levels)))
    for task in range(matrix.shape[1]):
        shares += draws(rng, len(matrix), resamples) @ above[:, task] / matrix.size
    low, high = np.quantile(shares, tails(confidence), axis=0)
    return Profile(thresholds=levels, value=above.mean(axis=(0, 1)), low=low, high=high)


def improvement(
    first: Sequence[Array] | Array,
    second: Sequence[Array] | Array,
    *,
    paired: bool = False,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = BOOTSTRAP_SEED,
) -> Estimate:
    """Return the probability that a run of the first method scores more than one of the second at the same task.

    Mann-Whitney's U over the number of pairs, ties counting half; averaged over tasks.

    Args:
        first: Scores ``(runs, tasks)``, or one array of scores per task.
        second: The same tasks; the number of runs may be another.
        paired: Whether run i of both had the same circumstances, so that they are drawn together.
        confidence: Of the interval.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        InvalidConfig: Other tasks, no runs, or paired scores of other numbers.
    """
    ours, theirs = _strata(first), _strata(second)
    if len(ours) != len(theirs):
        raise InvalidConfig(f"both need the same tasks, got {len(ours)} and {len(theirs)}")
    rng, value, found = np.random.default_rng(seed), 0.0, np.zeros(resamples)
    for x, y in zip(ours, theirs, strict=True):
        wins = win_table(x, y)
        value += float(wins.mean()) / len(ours)
        mine, other = draw_both(rng, len(x), len(y), resamples, paired)
        found += won(wins, mine, other) / len(ours)
    return interval(value, found, confidence)


def win_table(x: Array, y: Array) -> Array:
    """Return ``(n, m)``: 1 where ``x_i > y_j``, one half where they are equal, 0 elsewhere."""
    difference = np.asarray(x, float)[:, None] - np.asarray(y, float)[None]
    return 0.5 * (np.sign(difference) + 1.0)


def won(wins: Array, mine: Array, other: Array) -> Array:
    """Return the share of pairs won in each resample ``(R,)`` of two tables of :func:`draws`, (R, n) and (R, m)."""
    return np.einsum("rm,rm->r", mine @ wins, other) / wins.size


def draws(rng: np.random.Generator, n: int, resamples: int) -> Array:
    """Return how often each of ``n`` things is drawn in each resample of ``n`` with replacement ``(R, n)``."""
    chosen = rng.integers(0, n, (resamples, n)) + n * np.arange(resamples)[:, None]
    return np.bincount(chosen.ravel(), minlength=resamples * n).reshape(resamples, n).astype(float)


def draw_both(rng: np.random.Generator, n: int, m: int, resamples: int, paired: bool) -> tuple[Array, Array]:
    """Return two tables of :func:`draws`, the same one twice for pairs.

    Raises:
        InvalidConfig: For pairs of which one half is missing.
    """
    if paired and n != m:
        raise InvalidConfig(f"paired scores come in equal numbers, got {n} and {m}")
    mine = draws(rng, n, resamples)
    return mine, mine if paired else draws(rng, m, resamples)


def interval(value: float, found: Array, confidence: float = CONFIDENCE) -> Estimate:
    """Return a value with the percentile interval of what the resamples gave ``(R,)``."""
    check_confidence(confidence)
    low, high = np.quantile(found, tails(confidence))
    return Estimate(value=value, low=float(low), high=float(high))


def tails(confidence: float) -> tuple[float, float]:
    """Return the two quantiles between which a share ``confidence`` lies."""
    tail = (1.0 - confidence) / 2.0
    return tail, 1.0 - tail


def _redrawn(matrix: Array, resamples: int, seed: int) -> Iterator[Array]:
    """Yield resampled scores ``(r, runs, tasks)``, in blocks of as many as the memory is meant for."""
    rng, (runs, tasks) = np.random.default_rng(seed), matrix.shape
    block = max(1, DRAWS_AT_ONCE // matrix.size)
    for start in range(0, resamples, block):
        chosen = rng.integers(0, runs, (min(block, resamples - start), runs, tasks))
        yield matrix[chosen, np.arange(tasks)]


def _matrix(scores: Array) -> Array:
    matrix = np.asarray(scores, float)
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        raise InvalidConfig(f"expected finite scores (runs, tasks), got shape {matrix.shape}")
    return matrix


def _strata(scores: Sequence[Array] | Array) -> list[Array]:
    columns = list(scores.T) if isinstance(scores, np.ndarray) and scores.ndim == 2 else list(scores)
    strata = [np.asarray(column, float) for column in columns]
    if not strata or any(s.ndim != 1 or not len(s) or not np.isfinite(s).all() for s in strata):
        raise InvalidConfig("expected finite scores (runs, tasks), or one array of scores per task")
    return strata
