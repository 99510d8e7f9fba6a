"""Families of related tasks for meta- and offline multi-task learning; what tells them apart is hidden."""

from metasim.tasks.meta_rl import ant, cheetah, params, point, splits
from metasim.tasks.meta_rl.splits import FAMILIES, benchmark

__all__ = ["FAMILIES", "ant", "benchmark", "cheetah", "params", "point", "splits"]
