"""What a comparison of A and B finds."""

from __future__ import annotations

from dataclasses import dataclass

from metasim.benchmarks.comparison.sides import Cell
from metasim.benchmarks.statistics.rates import Estimate, Rate
from metasim.benchmarks.statistics.summary import Aggregates


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A against B in one cell.

    Attributes:
        cell: Task, engine (empty where the two sides have different ones) and condition.
        first: Successes of A with Wilson's interval.
        second: Those of B.
        difference: A's rate less B's: Tango's interval for pairs, Newcombe's for independent samples.
        barnard: p-value of Barnard's exact test, which knows nothing of pairs; None for too many episodes.
        mcnemar: p-value of McNemar's exact test; None for independent samples.
        holm: The p-value of McNemar's test, or of Barnard's where there is none, adjusted for the number of cells.
        pairs: Episodes that both solved, A alone, B alone, neither; None for independent samples.
        improvement: Probability that A succeeds where B does not, ties counting half.
        improvement_return: The same of returns.
    """

    cell: Cell
    first: Rate
    second: Rate
    difference: Estimate
    barnard: float | None
    mcnemar: float | None
    holm: float | None = None
    pairs: tuple[int, int, int, int] | None
    improvement: Estimate
    improvement_return: Estimate


@dataclass(frozen=True, kw_only=True)
class Total:
    """A against B over several cells, each of which weighs the same.

    Attributes:
        label: Which cells: a condition, an engine, or all.
        cells: How many.
        first: All successes of A.
        second: All successes of B.
        aggregates_first: Aggregates over the cells of A's success rates.
        aggregates_second: Those of B's.
        difference: A's mean rate less B's, with the interval of a bootstrap within each cell.
        barnard: Barnard's test of all successes; None where a cell has not as many episodes of A as of B.
        exact: p-value of an exact test within cells: McNemar's for pairs, Birch's for independent samples.
        improvement: Mean over cells of the probability of improvement, in success.
        improvement_return: The same of returns.
    """

    label: str
    cells: int
    first: Rate
    second: Rate
    aggregates_first: Aggregates
    aggregates_second: Aggregates
    difference: Estimate
    barnard: float | None
    exact: float
    improvement: Estimate
    improvement_return: Estimate


@dataclass(frozen=True, kw_only=True)
class Versus:
    """A against B.

    Attributes:
        first: Name of A.
        second: Name of B.
        success: Success at ``"any"`` step or at the ``"last"``.
        confidence: Of every interval.
        paired: Whether the same episodes were compared one by one.
        notes: What else differs and was allowed to, in sentences.
        cells: One contrast per task, engine and condition.
        totals: Over the tasks of each condition and engine, and over everything.
    """

    first: str
    second: str
    success: str
    confidence: float
    paired: bool
    notes: tuple[str, ...]
    cells: tuple[Contrast, ...]
    totals: tuple[Total, ...]
