"""How fast it is: against the bare engine, against other libraries, and from a standing start.

``python -m metasim.benchmarks.throughput NAME`` runs one of them: ``batch``, ``envpool``, ``metaworld``, ``pybullet``,
``startup``. What is compared takes turns in short rounds, each side waiting while another runs, so that whatever else
the machine does meets all of them; a ratio is the median of the rounds' ratios.
"""

from metasim.benchmarks.measuring.report import Column, Goal, Report
from metasim.benchmarks.throughput.rounds import Lap, Rounds, alternate, geometric_mean, pilot

__all__ = ["Column", "Goal", "Lap", "Report", "Rounds", "alternate", "geometric_mean", "pilot"]
