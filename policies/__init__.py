"""Policies: scripted ones here; learning algorithms and planners."""

from metasim.policies.learned import InvalidPolicy, Learned, load_policy
from metasim.policies.noise import ActionRepeat, NoisyExpert, RandomWalk
from metasim.policies.per_task import PerTask
from metasim.policies.saved import saved
from metasim.policies.scripted import Expert, Random, Zero

__all__ = [
    "ActionRepeat",
    "Expert",
    "InvalidPolicy",
    "Learned",
    "NoisyExpert",
    "PerTask",
    "Random",
    "RandomWalk",
    "Zero",
    "load_policy",
    "saved",
]
