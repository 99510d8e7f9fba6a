"""The report: one self-contained page made from results, and the pictures and videos that may stand in it."""

from metasim.benchmarks.report.choosing import Shots
from metasim.benchmarks.report.media import Filmstrip, InvalidMedia, Video, load_media, save_media
from metasim.benchmarks.report.page import render, write_report
from metasim.benchmarks.report.reruns import Films, filmstrips, levels, side_by_side

__all__ = [
    "Films",
    "Filmstrip",
    "InvalidMedia",
    "Shots",
    "Video",
    "filmstrips",
    "levels",
    "load_media",
    "render",
    "save_media",
    "side_by_side",
    "write_report",
]
