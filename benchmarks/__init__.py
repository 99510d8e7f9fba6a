"""Benchmarks: results with every episode in them, honest statistics, and a report made from results alone."""

from metasim.benchmarks.report import InvalidMedia, write_report
from metasim.benchmarks.results import EpisodeResult, InvalidResults, Results, load, merge, save
from metasim.benchmarks.statistics import compare, markdown, overall, summarise, wilson

__all__ = [
    "EpisodeResult",
    "InvalidMedia",
    "InvalidResults",
    "Results",
    "compare",
    "load",
    "markdown",
    "merge",
    "overall",
    "save",
    "summarise",
    "wilson",
    "write_report",
]
