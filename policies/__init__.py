"""Policies: scripted ones here; learning algorithms and planners."""

from metasim.policies.learned import InvalidPolicy, Learned, load_policy, saved
from metasim.policies.per_task import PerTask
from metasim.policies.scripted import Expert, NoisyExpert, Random, Zero

__all__ = ["Expert", "InvalidPolicy", "Learned", "NoisyExpert", "PerTask", "Random", "Zero", "load_policy", "saved"]
