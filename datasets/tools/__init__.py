"""Tools for finished datasets: split, select, compare, draw, describe, render."""

from metasim.datasets.tools.card import card, write_card
from metasim.datasets.tools.condition import Condition
from metasim.datasets.tools.difference import Difference, differences
from metasim.datasets.tools.plots import plot
from metasim.datasets.tools.selection import select
from metasim.datasets.tools.splitting import mark, parts, split
from metasim.datasets.tools.subset import write_subset

__all__ = [
    "Condition",
    "Difference",
    "card",
    "differences",
    "mark",
    "parts",
    "plot",
    "select",
    "split",
    "write_card",
    "write_subset",
]
