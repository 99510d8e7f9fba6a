"""Statistics of results: Wilson intervals, means with a stratified bootstrap, engines compared by seed.

An episode that an engine gave up counts like any other; it cannot have succeeded at its last step.

Source: Wilson 1927, doi:10.1080/01621459.1927.10502953; stratified bootstrap after Agarwal et al. 2021,
arXiv:2108.13264; McNemar's exact test for paired outcomes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from metasim.benchmarks.results import EpisodeResult, Results
from metasim.core.errors import InvalidConfig

CONFIDENCE = 0.95
RESAMPLES = 10_000
BOOTSTRAP_SEED = 20_240_229


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A success rate: ``successes`` of ``n``, with the Wilson interval ``[low, high]``."""

    successes: int
    n: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share of successes, in [0, 1]."""
        return self.successes / self.n


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one policy did at one task in one engine.

    ``first_success`` is the median number of steps to the first success, over the episodes that had one.
    """

    task: str
    backend: str
    policy: str
    n: int
    errors: int
    success_any: Rate
    success_last: Rate
    mean_return: float
    first_success: float | None


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A mean of per-task success rates with its interval, and how that was found: bootstrap or Wilson."""

    value: float
    low: float
    high: float
    method: str


@dataclass(frozen=True, kw_only=True)
class Overall:
    """What one policy did in one engine over all tasks; every task weighs the same."""

    backend: str
    policy: str
    tasks: int
    n: int
    errors: int
    success_any: Mean
    success_last: Mean


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


def wilson(successes: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the Wilson score interval of a success rate, as shares in [0, 1].

    Raises:
        InvalidConfig: Not 0 <= successes <= n with n >= 1, or the confidence is not between 0 and 1.
    """
    from scipy.stats import binomtest

    if n < 1 or not 0 <= successes <= n:
        raise InvalidConfig(f"expected 0 <= successes <= n and n >= 1, got {successes} of {n}")
    if not 0.0 < confidence < 1.0:
        raise InvalidConfig(f"expected a confidence between 0 and 1, such as 0.95, got {confidence}")
    interval = binomtest(successes, n).proportion_ci(confidence_level=confidence, method="wilson")
    return float(interval.low), float(interval.high)


def summarise(results: Results, confidence: float = CONFIDENCE) -> tuple[Row, ...]:
    """Return one row per (task, backend, policy), sorted by these."""
    return tuple(
        Row(
            task=task,
            backend=backend,
            policy=policy,
            n=len(group),
            errors=sum(e.error is not None for e in group),
            success_any=_rate(sum(e.success_any for e in group), len(group), confidence),
            success_last=_rate(sum(e.success_last for e in group), len(group), confidence),
            mean_return=math.fsum(e.episode_return for e in group) / len(group),
            first_success=_median([e.first_success_step for e in group if e.first_success_step is not None]),
        )
        for (task, backend, policy), group in _groups(results.episodes).items()
    )


def overall(
    results: Results,
    confidence: float = CONFIDENCE,
    *,
    resamples: int = RESAMPLES,
    seed: int = BOOTSTRAP_SEED,
) -> tuple[Overall, ...]:
    """Return one summary per (backend, policy): the mean over tasks of success, with its interval.

    The interval is the percentile bootstrap that resamples episodes within each task. Where no task has both
    successes and failures, resampling shows no spread at all; the interval is then Wilson's over the pooled
    episodes.
    """
    arms: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in summarise(results, confidence):
        arms[row.backend, row.policy].append(row)
    return tuple(
        Overall(
            backend=backend,
            policy=policy,
            tasks=len(rows),
            n=sum(row.n for row in rows),
            errors=sum(row.errors for row in rows),
            success_any=_mean([row.success_any for row in rows], confidence, resamples, seed),
            success_last=_mean([row.success_last for row in rows], confidence, resamples, seed),
        )
        for (backend, policy), rows in sorted(arms.items())
    )


def compare(results: Results, first: str, second: str) -> tuple[Comparison, ...]:
    """Compare two engines episode by episode, one row per (task, policy) that both ran.

    The p-value is McNemar's exact one: of the episodes that one engine alone solved, how even is the split.
    """
    from scipy.stats import binomtest

    solved: dict[tuple[str, str], dict[str, dict[tuple[int, int], bool]]] = defaultdict(lambda: defaultdict(dict))
    for e in results.episodes:
        solved[e.task, e.policy][e.backend][e.seed, e.episode] = e.success_any
    table: list[Comparison] = []
    for (task, policy), engines in sorted(solved.items()):
        pairs = [(engines[first][k], engines[second][k]) for k in engines[first] if k in engines[second]]
        if not pairs:
            continue
        counts = {(a, b): pairs.count((a, b)) for a in (True, False) for b in (True, False)}
        differ = counts[True, False] + counts[False, True]
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
                p_value=float(binomtest(counts[True, False], differ).pvalue) if differ else 1.0,
            )
        )
    return tuple(table)


def percent(share: float) -> str:
    """Return a share in percent with at most one decimal; ``0`` and ``100`` only where it is exactly that."""
    tenths = round(share * 1000)
    if 0.0 < share < 1.0:
        tenths = min(max(tenths, 1), 999)
    return f"{tenths / 10:.0f}" if tenths % 10 == 0 else f"{tenths / 10:.1f}"


def format_rate(rate: Rate | Mean) -> str:
    """Return ``98 % [89.5, 99.6]``."""
    return f"{percent(rate.value)} % [{percent(rate.low)}, {percent(rate.high)}]"


def markdown(results: Results) -> str:
    """Return the summary as two Markdown tables: per task, and over all tasks."""
    head = (
        "task",
        "engine",
        "policy",
        "episodes",
        "success at any step",
        "at the last step",
        "return",
        "steps to it",
    )
    per_task = [
        (
            *(row.task, row.backend, row.policy, _count(row.n, row.errors)),
            *(format_rate(row.success_any), format_rate(row.success_last), f"{row.mean_return:.1f}"),
            "–" if row.first_success is None else f"{row.first_success:g}",
        )
        for row in summarise(results)
    ]
    over_all = [
        (
            *(str(o.tasks), o.backend, o.policy, _count(o.n, o.errors)),
            *(format_rate(o.success_any), format_rate(o.success_last)),
        )
        for o in overall(results)
    ]
    return f"{_table(head, per_task)}\n{_table(('tasks', *head[1:6]), over_all)}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    cells = ([cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def _count(n: int, errors: int) -> str:
    return f"{n} ({errors} broken off)" if errors else str(n)


def _groups(episodes: Iterable[EpisodeResult]) -> dict[tuple[str, str, str], list[EpisodeResult]]:
    groups: dict[tuple[str, str, str], list[EpisodeResult]] = defaultdict(list)
    for e in episodes:
        groups[e.task, e.backend, e.policy].append(e)
    return dict(sorted(groups.items()))


def _rate(successes: int, n: int, confidence: float) -> Rate:
    low, high = wilson(successes, n, confidence)
    return Rate(successes=successes, n=n, low=low, high=high)


def _median(steps: Sequence[int]) -> float | None:
    return float(np.median(steps)) if steps else None


def _mean(rates: Sequence[Rate], confidence: float, resamples: int, seed: int) -> Mean:
    value = math.fsum(rate.value for rate in rates) / len(rates)
    if all(rate.successes in (0, rate.n) for rate in rates):
        low, high = wilson(sum(r.successes for r in rates), sum(r.n for r in rates), confidence)
        return Mean(value=value, low=min(low, value), high=max(high, value), method="wilson")
    rng = np.random.default_rng(seed)
    # n draws with replacement from k successes and n - k failures hold Binomial(n, k / n) successes: exact.
    drawn = np.stack([rng.binomial(rate.n, rate.value, resamples) / rate.n for rate in rates])  # (tasks, resamples)
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(drawn.mean(axis=0), (tail, 1.0 - tail))
    return Mean(value=value, low=float(low), high=float(high), method="bootstrap")
