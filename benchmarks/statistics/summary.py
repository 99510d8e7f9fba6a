"""What results come to: a row per task, engine, policy and condition; aggregates over tasks; engines compared by seed.

An episode that an engine gave up counts like any other; it cannot have succeeded at its last step.

Source: stratified bootstrap, interquartile mean and performance profiles after Agarwal et al. 2021, arXiv:2108.13264;
Jeffreys' interval after Brown, Cai & DasGupta 2001, doi:10.1214/ss/1009213286.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metasim.benchmarks.condition import Condition
from metasim.benchmarks.results import EpisodeResult, Results
from metasim.benchmarks.statistics.bootstrap import BOOTSTRAP_SEED, METRICS, RESAMPLES, Profile, interval, tails
from metasim.benchmarks.statistics.contrasts import mcnemar
from metasim.benchmarks.statistics.rates import CONFIDENCE, Estimate, Rate, rate, wilson

Array = Any


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one policy did at one task in one engine under one condition.

    ``first_success`` is the median number of steps to the first success, over the episodes that had one.
    """

    task: str
    backend: str
    policy: str
    condition: Condition = Condition()
    n: int
    errors: int
    success_any: Rate
    success_last: Rate
    mean_return: float
    first_success: float | None


@dataclass(frozen=True, kw_only=True)
class Aggregates:
    """Aggregates over tasks of their success rates; every task weighs the same.

    Attributes:
        mean: The mean.
        iqm: The interquartile mean, which a few very easy or very hard tasks do not move.
        median: The median.
        optimality_gap: What the mean lacks to 1.
    """

    mean: Estimate
    iqm: Estimate
    median: Estimate
    optimality_gap: Estimate


@dataclass(frozen=True, kw_only=True)
class Overall:
    """What one policy did in one engine under one condition over all tasks."""

    backend: str
    policy: str
    condition: Condition = Condition()
    tasks: int
    n: int
    errors: int
    any_step: Aggregates
    last_step: Aggregates

    @property
    def success_any(self) -> Estimate:
        """Mean over tasks of success at any step."""
        return self.any_step.mean

    @property
    def success_last(self) -> Estimate:
        """Mean over tasks of success at the last step."""
        return self.last_step.mean


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Success at any step on the same seeds in two engines; ``p_value``: that they are equally hard."""

    task: str
    policy: str
    first: str
    second: str
    both: int
    only_first: int
    only_second: int
    neither: int
    p_value: float

    @property
    def n(self) -> int:
        """Episodes that both engines ran."""
        return self.both + self.only_first + self.only_second + self.neither


def summarise(results: Results, confidence: float = CONFIDENCE) -> tuple[Row, ...]:
    """Return one row per (task, backend, policy, condition), sorted by these."""
    groups: dict[tuple[Any, ...], list[EpisodeResult]] = defaultdict(list)
    for e in results.episodes:
        groups[e.key[:6]].append(e)
    rows = [_row(group, confidence) for group in groups.values()]
    return tuple(sorted(rows, key=lambda row: (row.task, row.backend, row.policy, row.condition.order)))


def overall(
    results: Results,
    confidence: float = CONFIDENCE,
    *,
    resamples: int = RESAMPLES,
    seed: int = BOOTSTRAP_SEED,
) -> tuple[Overall, ...]:
    """Return one summary per (backend, policy, condition): aggregates over tasks of success, with intervals.

    Intervals are the percentile bootstrap that resamples episodes within each task. Where no task has both
    successes and failures, resampling shows no spread at all; the mean's interval is then Wilson's over the pooled
    episodes, and the others' are found by drawing each task's rate from Jeffreys' distribution.
    """
    return tuple(
        Overall(
            backend=rows[0].backend,
            policy=rows[0].policy,
            condition=rows[0].condition,
            tasks=len(rows),
            n=sum(row.n for row in rows),
            errors=sum(row.errors for row in rows),
            any_step=aggregates([row.success_any for row in rows], confidence, resamples=resamples, seed=seed),
            last_step=aggregates([row.success_last for row in rows], confidence, resamples=resamples, seed=seed),
        )
        for rows in by_arm(summarise(results, confidence))
    )


def by_arm(rows: Iterable[Row]) -> list[list[Row]]:
    """Return rows in groups of the same engine, policy and condition, sorted by these."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.backend, row.policy, row.condition.order].append(row)
    return [group for _, group in sorted(groups.items(), key=lambda item: item[0])]


def aggregates(
    rates: Sequence[Rate],
    confidence: float = CONFIDENCE,
    *,
    resamples: int = RESAMPLES,
    seed: int = BOOTSTRAP_SEED,
) -> Aggregates:
    """Return the aggregates of one success rate per task."""
    values = np.array([[r.value for r in rates]])  # one run of each task
    drawn = redrawn(rates, resamples, seed)
    method = "bootstrap"
    if settled(rates):
        rng, method = np.random.default_rng(seed), "jeffreys"
        drawn = np.stack([rng.beta(r.successes + 0.5, r.n - r.successes + 0.5, resamples) for r in rates])

    def estimate(function: Callable[[Array], Array]) -> Estimate:
        value = float(function(values))
        found = interval(value, function(drawn.T[:, None]), confidence)
        return Estimate(value=value, low=min(found.low, value), high=max(found.high, value), method=method)

    middle = _mean(rates, drawn, confidence)
    gap = Estimate(value=1.0 - middle.value, low=1.0 - middle.high, high=1.0 - middle.low, method=middle.method)
    return Aggregates(mean=middle, iqm=estimate(METRICS["iqm"]), median=estimate(METRICS["median"]), optimality_gap=gap)


def profile_of(
    rates: Sequence[Rate],
    thresholds: Array,
    confidence: float = CONFIDENCE,
    *,
    resamples: int = 2000,
    seed: int = BOOTSTRAP_SEED,
) -> Profile:
    """Return the share of tasks whose success rate is above each threshold ``(K,)``, episodes resampled."""
    levels = np.asarray(thresholds, float)
    value = (np.array([r.value for r in rates])[:, None] > levels).mean(axis=0)
    shares = (redrawn(rates, resamples, seed)[:, :, None] > levels).mean(axis=0)  # (resamples, K)
    low, high = np.quantile(shares, tails(confidence), axis=0)
    return Profile(thresholds=levels, value=value, low=np.minimum(low, value), high=np.maximum(high, value))


def redrawn(rates: Sequence[Rate], resamples: int, seed: int) -> Array:
    """Return each task's success rate in each resample of its episodes ``(tasks, resamples)``.

    Episodes drawn with replacement from k successes and n - k failures hold Binomial(n, k / n) successes: exact.
    """
    rng = np.random.default_rng(seed)
    return np.stack([rng.binomial(r.n, r.value, resamples) / r.n for r in rates])


def settled(rates: Iterable[Rate]) -> bool:
    """Whether no task has both successes and failures, so that resampling shows no spread."""
    return all(r.successes in (0, r.n) for r in rates)


def compare(results: Results, first: str, second: str) -> tuple[Comparison, ...]:
    """Compare two engines episode by episode, one row per (task, policy) that both ran; conditions count as seeds do.

    The p-value is McNemar's exact one: of the episodes that one engine alone solved, how even is the split.
    """
    solved: dict[tuple[str, str], dict[str, dict[Any, bool]]] = defaultdict(lambda: defaultdict(dict))
    for e in results.episodes:
        solved[e.task, e.policy][e.backend][e.key[3:]] = e.success_any
    table: list[Comparison] = []
    for (task, policy), engines in sorted(solved.items()):
        pairs = [(engines[first][k], engines[second][k]) for k in engines[first] if k in engines[second]]
        if not pairs:
            continue
        counts = {(a, b): pairs.count((a, b)) for a in (True, False) for b in (True, False)}
        table.append(
            Comparison(
                task=task,
                policy=policy,
                first=first,
                second=second,
                both=counts[True, True],
                only_first=counts[True, False],
                only_second=counts[False, True],
                neither=counts[False, False],
                p_value=mcnemar(counts[True, False], counts[False, True]),
            )
        )
    return tuple(table)


def _row(group: Sequence[EpisodeResult], confidence: float) -> Row:
    steps = [e.first_success_step for e in group if e.first_success_step is not None]
    return Row(
        task=group[0].task,
        backend=group[0].backend,
        policy=group[0].policy,
        condition=group[0].condition,
        n=len(group),
        errors=sum(e.error is not None for e in group),
        success_any=rate(sum(e.success_any for e in group), len(group), confidence),
        success_last=rate(sum(e.success_last for e in group), len(group), confidence),
        mean_return=math.fsum(e.episode_return for e in group) / len(group),
        first_success=float(np.median(steps)) if steps else None,
    )


def _mean(rates: Sequence[Rate], drawn: Array, confidence: float) -> Estimate:
    value = math.fsum(r.value for r in rates) / len(rates)
    if settled(rates):
        low, high = wilson(sum(r.successes for r in rates), sum(r.n for r in rates), confidence)
        return Estimate(value=value, low=min(low, value), high=max(high, value), method="wilson")
    return interval(value, drawn.mean(axis=0), confidence)
