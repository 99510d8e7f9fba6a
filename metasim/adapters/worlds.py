"""What every adapter does first: get hold of the worlds, in the autoreset mode it needs."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from metasim.core.errors import InvalidConfig, MissingDependency
from metasim.envs import make_vec
from metasim.envs.vector import EpisodesVectorEnv

Array = Any
Worlds = str | VectorEnv[Any, Any, Any]
"""Id of a task or of a protocol, or a vector environment of ours."""


def open_worlds(
    worlds: Worlds, num_envs: int | None, mode: AutoresetMode, options: dict[str, Any]
) -> VectorEnv[Any, Any, Any]:
    """Return a vector environment of ours that resets itself in the mode asked for.

    Args:
        worlds: Id of a task or a protocol, or the environment itself.
        num_envs: N, for an id; None for :func:`~metasim.make_vec`'s default.
        mode: When finished worlds begin again.
        options: As for :func:`~metasim.make_vec`, for an id.

    Raises:
        UnknownName: For an id that is neither a task nor a protocol.
        InvalidConfig: For an environment that is not ours or resets itself in another mode, or options given with it.
    """
    if isinstance(worlds, str):
        if "autoreset_mode" in options:
            raise InvalidConfig("an adapter chooses autoreset_mode itself; leave the option out")
        return make_vec(worlds, num_envs, autoreset_mode=mode, **options)
    if not isinstance(getattr(worlds, "unwrapped", None), EpisodesVectorEnv):
        raise InvalidConfig(
            f"expected the id of a task or protocol, or an environment of metasim.make_vec, got {worlds!r}"
        )
    given = sorted(options) + ([] if num_envs in (None, worlds.num_envs) else ["num_envs"])
    if given:
        raise InvalidConfig(f"{given} cannot be changed once an environment is made; pass an id, or leave them out")
    if worlds.metadata["autoreset_mode"] is not mode:
        raise InvalidConfig(
            f"this adapter needs an environment made with autoreset_mode={mode.name.lower()!r},"
            f" got {worlds.metadata['autoreset_mode'].name.lower()!r}"
        )
    return worlds


def inner(env: VectorEnv[Any, Any, Any]) -> EpisodesVectorEnv:
    """Return the environment below all wrappers."""
    return env.unwrapped  # type: ignore[return-value]


def as_learned(observation: Any) -> Any:
    """Return observations as networks take them: float32 for float64, pictures as they are."""
    if isinstance(observation, dict):
        return {name: as_learned(value) for name, value in observation.items()}
    return observation.astype(np.float32) if observation.dtype == np.float64 else observation


def missing(package: str, install: str) -> MissingDependency:
    """Return the error to raise where an adapter's framework is not installed."""
    return MissingDependency(f"this adapter needs {package!r}, which is not installed: pip install {install}")
