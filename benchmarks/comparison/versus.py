"""A against B: per task and over all of them, how often each succeeds, by how much they differ, and whether by chance.

Source: probability of improvement, interquartile mean and stratified bootstrap after Agarwal et al. 2021,
arXiv:2108.13264; the tests and intervals of ``metasim.benchmarks.statistics.contrasts``.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from metasim.benchmarks.comparison.findings import Contrast, Total, Versus
from metasim.benchmarks.comparison.sides import Cell, Side, matched
from metasim.benchmarks.episode import EpisodeResult
from metasim.benchmarks.statistics.bootstrap import (
    BOOTSTRAP_SEED,
    DRAWS_AT_ONCE,
    RESAMPLES,
    draw_both,
    interval,
    win_table,
    won,
)
from metasim.benchmarks.statistics.contrasts import barnard, holm, mcnemar, newcombe, stratified_exact, tango
from metasim.benchmarks.statistics.rates import CONFIDENCE, Estimate, Rate, check_confidence, rate
from metasim.benchmarks.statistics.summary import aggregates, settled
from metasim.core.errors import InvalidConfig

Array = Any
SUCCESS = ("any", "last")
ALL_TASKS, ALL_CELLS = "all tasks", "all cells"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Drawn:
    """What the resamples of one cell gave, ``(R,)`` each."""

    difference: Array
    improvement: Array
    improvement_return: Array


def versus(
    first: Side,
    second: Side,
    *,
    success: str = "any",
    unpaired: bool = False,
    despite: Collection[str] = (),
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = BOOTSTRAP_SEED,
) -> Versus:
    """Compare two sides.

    Args:
        first: A.
        second: B.
        success: ``"any"`` step or the ``"last"``.
        unpaired: Take episodes as independent samples.
        despite: What may differ besides; see ``DESPITE``.
        confidence: Of every interval.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        NotComparable: Something differs that may not.
        InvalidConfig: A setting that cannot be.
    """
    check_confidence(confidence)
    if success not in SUCCESS:
        raise InvalidConfig(f"success is counted at 'any' step or at the 'last', got {success!r}")
    found = matched(first, second, unpaired=unpaired, despite=despite)
    cells, drawn = [], []
    for cell, ours, theirs in found.cells:
        values = (*_outcomes(ours, success), *_outcomes(theirs, success))
        resampled = _resampled(cell, *values, paired=found.paired, resamples=resamples, seed=seed)
        cells.append(_contrast(cell, *values, paired=found.paired, confidence=confidence, drawn=resampled))
        drawn.append(resampled)
    adjusted = holm([c.barnard if c.mcnemar is None else c.mcnemar for c in cells])
    cells = [replace(c, holm=p) for c, p in zip(cells, adjusted, strict=True)]
    totals = [
        _total(label, [cells[i] for i in chosen], [drawn[i] for i in chosen], confidence, resamples, seed)
        for label, chosen in _groups(cells).items()
    ]
    return Versus(
        first=first.name,
        second=second.name,
        success=success,
        confidence=confidence,
        paired=found.paired,
        notes=found.notes,
        cells=tuple(cells),
        totals=tuple(totals),
    )


def _outcomes(episodes: Sequence[EpisodeResult], success: str) -> tuple[Array, Array]:
    """Return success and return of episodes ``(n,)``."""
    solved = np.array([getattr(e, f"success_{success}") for e in episodes], float)
    return solved, np.array([e.episode_return for e in episodes])


def _resampled(
    cell: Cell, x: Array, x_return: Array, y: Array, y_return: Array, *, paired: bool, resamples: int, seed: int
) -> _Drawn:
    """Resample the episodes of one cell; its stream of random numbers is its own."""
    rng = np.random.default_rng([seed, zlib.crc32(repr(cell.order).encode())])
    wins, wins_return = win_table(x, y), win_table(x_return, y_return)
    block, found = max(1, DRAWS_AT_ONCE // (len(x) + len(y))), []
    for start in range(0, resamples, block):
        mine, other = draw_both(rng, len(x), len(y), min(block, resamples - start), paired)
        difference = mine @ x / len(x) - other @ y / len(y)
        found.append((difference, won(wins, mine, other), won(wins_return, mine, other)))
    difference, improvement, improvement_return = (np.concatenate(part) for part in zip(*found, strict=True))
    return _Drawn(difference=difference, improvement=improvement, improvement_return=improvement_return)


def _contrast(
    cell: Cell,
    x: Array,
    x_return: Array,
    y: Array,
    y_return: Array,
    *,
    paired: bool,
    confidence: float,
    drawn: _Drawn,
) -> Contrast:
    (k, n), (other_k, m) = ((int(v.sum()), len(v)) for v in (x, y))
    pairs = None
    if paired:
        both = int((x * y).sum())
        pairs = (both, k - both, other_k - both, n - k - other_k + both)
    return Contrast(
        cell=cell,
        first=rate(k, n, confidence),
        second=rate(other_k, m, confidence),
        difference=_difference(pairs, (k, n, other_k, m), confidence),
        barnard=barnard(k, n, other_k, m),
        mcnemar=mcnemar(pairs[1], pairs[2]) if pairs else None,
        pairs=pairs,
        improvement=interval(float(win_table(x, y).mean()), drawn.improvement, confidence),
        improvement_return=interval(float(win_table(x_return, y_return).mean()), drawn.improvement_return, confidence),
    )


def _difference(
    pairs: tuple[int, int, int, int] | None, counts: tuple[int, int, int, int], confidence: float
) -> Estimate:
    if pairs:
        return tango(pairs[1], pairs[2], sum(pairs), confidence)
    return newcombe(*counts, confidence)


def _groups(cells: Sequence[Contrast]) -> dict[str, list[int]]:
    """Return label → indices of cells: by engine and condition, and over both engines of one condition.

    Conditions are never added up: they share their starts, and where a policy cannot see what varies they are the very
    same episodes, so that a sum would count one piece of evidence several times.
    """
    engines = {c.cell.backend for c in cells}
    groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for index, c in enumerate(cells):
        groups[c.cell.backend, c.cell.condition.order].append(index)
    if len(groups) == 1:
        return {ALL_TASKS: list(range(len(cells)))}
    named: dict[str, list[int]] = {}
    for _, chosen in sorted(groups.items(), key=lambda item: item[0]):
        cell = cells[chosen[0]].cell
        varied = len({c.cell.condition.order for c in cells}) > 1
        words = [*([cell.backend] if len(engines) > 1 else []), *([cell.condition.label] if varied else [])]
        named[", ".join(words)] = chosen
    one = len({c.cell.condition.order for c in cells}) == 1
    return {**named, **({ALL_CELLS: list(range(len(cells)))} if one else {})}


def _total(
    label: str, cells: Sequence[Contrast], drawn: Sequence[_Drawn], confidence: float, resamples: int, seed: int
) -> Total:
    sums = [(sum(r.successes for r in side), sum(r.n for r in side)) for side in _rates(cells)]
    counts = (*sums[0], *sums[1])
    pairs = [c.pairs for c in cells if c.pairs]
    all_pairs = (sum(p[0] for p in pairs), sum(p[1] for p in pairs), sum(p[2] for p in pairs), sum(p[3] for p in pairs))
    even = all(c.first.n == c.second.n for c in cells)
    value = float(np.mean([c.first.value - c.second.value for c in cells]))
    difference = interval(value, np.mean([d.difference for d in drawn], axis=0), confidence)
    if all(settled(side) for side in _rates(cells)):  # resampling shows no spread, and would claim certainty
        pooled = _difference(all_pairs if pairs else None, counts, confidence)
        low, high = min(pooled.low, value), max(pooled.high, value)
        difference = Estimate(value=value, low=low, high=high, method=pooled.method)
    exact = mcnemar(all_pairs[1], all_pairs[2]) if pairs else stratified_exact([_table(c) for c in cells])
    ours, theirs = (aggregates(side, confidence, resamples=resamples, seed=seed) for side in _rates(cells))
    improved = {
        name: interval(
            float(np.mean([getattr(c, name).value for c in cells])),
            np.mean([getattr(d, name) for d in drawn], axis=0),
            confidence,
        )
        for name in ("improvement", "improvement_return")
    }
    return Total(
        label=label,
        cells=len(cells),
        first=rate(*sums[0], confidence),
        second=rate(*sums[1], confidence),
        aggregates_first=ours,
        aggregates_second=theirs,
        difference=difference,
        barnard=barnard(*counts) if even else None,
        exact=exact,
        **improved,
    )


def _rates(cells: Sequence[Contrast]) -> tuple[list[Rate], list[Rate]]:
    return [c.first for c in cells], [c.second for c in cells]


def _table(c: Contrast) -> tuple[int, int, int, int]:
    return (c.first.successes, c.first.n, c.second.successes, c.second.n)
