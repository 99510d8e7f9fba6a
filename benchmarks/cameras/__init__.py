"""What pictures cost: frames per second of every renderer, and of MuJoCo's at several settings."""

from metasim.benchmarks.cameras.measure import Speed, measure, page

__all__ = ["Speed", "measure", "page"]
