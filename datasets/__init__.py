"""Demonstration datasets: collect, verify, merge, inspect and read robomimic-layout HDF5 files."""

from metasim.datasets.collection import TooFewSuccesses, collect
from metasim.datasets.config import CollectConfig, Progress
from metasim.datasets.episode import Episode, EpisodeInfo, TaskInfo
from metasim.datasets.merging import merge
from metasim.datasets.reader import Dataset, Demo
from metasim.datasets.replay import EpisodeCheck
from metasim.datasets.schema import SCHEMA
from metasim.datasets.summary import Spread, Summary, TaskSummary, inspect
from metasim.datasets.verification import Verification, verify

__all__ = [
    "SCHEMA",
    "CollectConfig",
    "Dataset",
    "Demo",
    "Episode",
    "EpisodeCheck",
    "EpisodeInfo",
    "Progress",
    "Spread",
    "Summary",
    "TaskInfo",
    "TaskSummary",
    "TooFewSuccesses",
    "Verification",
    "collect",
    "inspect",
    "merge",
    "verify",
]
