"""Meta-World: the original's scenes, observations, actions, rewards and success rules, on every engine."""

from metasim.tasks.metaworld import suite
from metasim.tasks.metaworld.experts import EXPERTS
from metasim.tasks.metaworld.family import MetaWorldTask
from metasim.tasks.metaworld.suite import MT10

__all__ = ["EXPERTS", "MT10", "MetaWorldTask", "suite"]
