"""Makes environments by id: ours, and the entry points that gymnasium calls."""

from __future__ import annotations

from typing import Any

from metasim.envs.single import TaskEnv
from metasim.envs.vector import VectorTaskEnv


def make(id: str, *, backend: str = "mujoco", **options: Any) -> TaskEnv:
    """Return one environment, without gymnasium's wrappers; options as for :class:`VectorTaskEnv`."""
    return TaskEnv(id, backend=backend, **options)


def make_vec(id: str, num_envs: int = 1, *, backend: str = "mujoco", **options: Any) -> VectorTaskEnv:
    """Return the native vector environment; options as for :class:`VectorTaskEnv`."""
    return VectorTaskEnv(id, num_envs, backend=backend, **options)


def make_by_kwargs(task_id: str, **options: Any) -> TaskEnv:
    """Entry point of ``gymnasium.make``."""
    return make(task_id, **options)


def make_vec_by_kwargs(task_id: str, num_envs: int = 1, **options: Any) -> VectorTaskEnv:
    """Entry point of ``gymnasium.make_vec``."""
    return make_vec(task_id, num_envs, **options)
