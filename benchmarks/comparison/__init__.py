"""A against B: results of several files compared, with what differs besides refused or said."""

from metasim.benchmarks.comparison.findings import Contrast, Total, Versus
from metasim.benchmarks.comparison.sides import DESPITE, Cell, Matched, NotComparable, Side, matched, sides
from metasim.benchmarks.comparison.tables import cell_table, records, sentences, total_table, write
from metasim.benchmarks.comparison.versus import versus

__all__ = [
    "DESPITE",
    "Cell",
    "Contrast",
    "Matched",
    "NotComparable",
    "Side",
    "Total",
    "Versus",
    "cell_table",
    "matched",
    "records",
    "sentences",
    "sides",
    "total_table",
    "versus",
    "write",
]
