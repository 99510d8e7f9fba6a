"""Policies: scripted ones here; learning algorithms and planners."""

from metasim.policies.per_task import PerTask
from metasim.policies.scripted import Expert, NoisyExpert, Random, Zero

__all__ = ["Expert", "NoisyExpert", "PerTask", "Random", "Zero"]
