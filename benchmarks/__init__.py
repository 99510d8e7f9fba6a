"""Benchmarks: results with every episode in them, honest statistics, and a report made from results alone."""

from metasim.benchmarks.condition import CONTROL, Condition
from metasim.benchmarks.report import Filmstrip, InvalidMedia, Video, load_media, save_media, write_report
from metasim.benchmarks.results import EpisodeResult, InvalidResults, Results, load, merge, save
from metasim.benchmarks.statistics import aggregate, compare, improvement, markdown, overall, summarise, wilson

__all__ = [
    "CONTROL",
    "Condition",
    "EpisodeResult",
    "Filmstrip",
    "InvalidMedia",
    "InvalidResults",
    "Results",
    "Video",
    "aggregate",
    "compare",
    "improvement",
    "load",
    "load_media",
    "markdown",
    "merge",
    "overall",
    "save",
    "save_media",
    "summarise",
    "wilson",
    "write_report",
]
