"""Offline data of many tasks: files by split and quality, flat arrays, and views that hide labels."""

from metasim.datasets.offline.arrays import goal_numbers, to_arrays
from metasim.datasets.offline.qualities import QUALITIES, Stage, collect_stages, mix
from metasim.datasets.offline.table import Returns, returns_of, table
from metasim.datasets.offline.views import Hidden, View, action_free, reward_free

__all__ = [
    "QUALITIES",
    "Hidden",
    "Returns",
    "Stage",
    "View",
    "action_free",
    "collect_stages",
    "goal_numbers",
    "mix",
    "returns_of",
    "reward_free",
    "table",
    "to_arrays",
]
