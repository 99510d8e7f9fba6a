"""Environments: task + engine → gymnasium, single and natively batched."""

from metasim.core.registration import register_ids
from metasim.envs.episodes import Episodes
from metasim.envs.group import EpisodeGroup, GroupVectorEnv
from metasim.envs.registration import make, make_vec
from metasim.envs.single import TaskEnv
from metasim.envs.vector import VectorTaskEnv

__all__ = ["EpisodeGroup", "Episodes", "GroupVectorEnv", "TaskEnv", "VectorTaskEnv", "make", "make_vec"]

register_ids()
