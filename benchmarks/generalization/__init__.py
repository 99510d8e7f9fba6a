"""The benchmark of generalization: a frozen protocol of tasks under levels and single axes of variation."""

from metasim.benchmarks.generalization.config import BenchConfig, make_team
from metasim.benchmarks.generalization.drawing import freeze, redrawn
from metasim.benchmarks.generalization.frozen import Cell, Frozen, InvalidProtocol, load
from metasim.benchmarks.generalization.rerunning import Rerun
from metasim.benchmarks.generalization.running import Finished, bench
from metasim.benchmarks.generalization.table import GENERALIZATION_V1, TABLES, Arm, Suite, Table

__all__ = [
    "Rerun",
    "GENERALIZATION_V1",
    "TABLES",
    "Arm",
    "BenchConfig",
    "Cell",
    "Finished",
    "Frozen",
    "InvalidProtocol",
    "Suite",
    "Table",
    "bench",
    "freeze",
    "load",
    "make_team",
    "redrawn",
]
