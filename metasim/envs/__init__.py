"""Environments: task + engine → gymnasium, single and natively batched."""

from metasim.core.registration import register_ids
from metasim.envs.episodes import Episodes
from metasim.envs.group import EpisodeGroup, GroupVectorEnv
from metasim.envs.making import benchmark_env, make_protocol
from metasim.envs.protocol import ProtocolEnv
from metasim.envs.registration import make, make_vec
from metasim.envs.single import TaskEnv
from metasim.envs.vector import VectorTaskEnv

__all__ = [
    "EpisodeGroup",
    "Episodes",
    "GroupVectorEnv",
    "ProtocolEnv",
    "TaskEnv",
    "VectorTaskEnv",
    "benchmark_env",
    "make",
    "make_protocol",
    "make_vec",
]

register_ids()
