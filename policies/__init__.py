"""Policies: scripted ones here; learning algorithms and planners."""

from metasim.policies.scripted import Expert, NoisyExpert, Random, Zero

__all__ = ["Expert", "NoisyExpert", "Random", "Zero"]
