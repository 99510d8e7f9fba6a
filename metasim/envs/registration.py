"""Makes environments by id: ours, and the entry points that gymnasium calls."""

from __future__ import annotations

from typing import Any

from metasim.core.errors import UnknownName
from metasim.core.protocol import PROTOCOLS
from metasim.core.task import TASKS
from metasim.envs.making import make_protocol
from metasim.envs.protocol import ProtocolEnv
from metasim.envs.single import TaskEnv
from metasim.envs.vector import VectorTaskEnv


def make(id: str, *, backend: str = "mujoco", **options: Any) -> TaskEnv:
    """Return one environment, without gymnasium's wrappers; options as for :class:`VectorTaskEnv`."""
    return TaskEnv(id, backend=backend, **options)


def make_vec(id: str, num_envs: int | None = None, *, backend: str = "mujoco", **options: Any) -> Any:
    """Return the native vector environment of a task (:class:`VectorTaskEnv`) or a protocol (:class:`ProtocolEnv`).

    Args:
        id: A task (``"metaworld/reach-v3"``) or a protocol (``"metaworld/MT50"``, see ``metasim list protocols``).
        num_envs: N; None for 1 world of a task, or for the protocol's own number.
        backend: Engine.
        **options: As for :class:`VectorTaskEnv`, or :func:`~metasim.envs.making.make_protocol`.

    Raises:
        UnknownName: If there is neither a task nor a protocol of that name.
    """
    if id in PROTOCOLS:
        return make_protocol(id, num_envs, backend=backend, **options)
    if isinstance(id, str) and id not in TASKS:
        splits = [name for name in PROTOCOLS if name.rpartition("-")[0] == id]
        raise UnknownName("task or protocol", id, splits or [*TASKS, *PROTOCOLS])
    return VectorTaskEnv(id, 1 if num_envs is None else num_envs, backend=backend, **options)


def make_by_kwargs(task_id: str, **options: Any) -> TaskEnv:
    """Entry point of ``gymnasium.make``."""
    return make(task_id, **options)


def make_vec_by_kwargs(task_id: str, num_envs: int = 1, **options: Any) -> VectorTaskEnv:
    """Entry point of ``gymnasium.make_vec`` for tasks."""
    return VectorTaskEnv(task_id, num_envs, **options)


def make_protocol_by_kwargs(protocol_id: str, num_envs: int = 1, **options: Any) -> ProtocolEnv:
    """Entry point of ``gymnasium.make_vec`` for protocols; its default of one world means the protocol's own number."""
    return make_protocol(protocol_id, None if num_envs == 1 else num_envs, **options)
