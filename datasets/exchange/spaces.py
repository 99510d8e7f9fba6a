"""Spaces and environments in Minari's and gymnasium's JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.envs.registration import EnvSpec

from metasim.core.task import TASKS
from metasim.datasets.episode import EpisodeInfo, TaskInfo
from metasim.datasets.schema import NO_ENGINE

_MAKE = "metasim.envs.registration:make_by_kwargs"
_MAKE_VEC = "metasim.envs.registration:make_vec_by_kwargs"


def box(shape: tuple[int, ...], kind: str = "float64", low: float = -np.inf, high: float = np.inf) -> dict[str, Any]:
    """Return a Box."""
    number = float if np.dtype(kind).kind == "f" else int
    return {
        "type": "Box",
        "dtype": kind,
        "shape": list(shape),
        "low": np.full(shape, number(low) if np.isfinite(low) else low).tolist(),
        "high": np.full(shape, number(high) if np.isfinite(high) else high).tolist(),
    }


def named(task: TaskInfo) -> dict[str, Any]:
    """Return the Dict of a task's named observations and pictures."""
    spaces = {name: box((size,)) for name, size in task.observation}
    for name, shape, kind in task.pictures:
        spaces[name] = box(shape, kind, *_ends(np.dtype(kind)))
    return {"type": "Dict", "subspaces": spaces}


def _ends(kind: np.dtype) -> tuple[float, float]:
    if kind.kind == "b":
        return 0, 1
    if kind.kind in "iu":
        return int(np.iinfo(kind).min), int(np.iinfo(kind).max)
    return -np.inf, np.inf


def env_spec(task: str, infos: list[EpisodeInfo], obs_mode: str, pictures: bool) -> str | None:
    """Return gymnasium's description of the environment that all episodes come from; None if there is none.

    There is none for imported episodes, for tasks that are not installed, for episodes of several engines, horizons or
    splits, and where the observation has pictures.
    """
    origins = {(info.backend, info.horizon, info.split) for info in infos}
    if len(origins) > 1 or task not in TASKS or pictures:
        return None
    backend, horizon, split = origins.pop()
    if backend == NO_ENGINE:
        return None
    options = {"task_id": task, "backend": backend, "horizon": horizon, "split": split, "obs_mode": obs_mode}
    return EnvSpec(id=task, entry_point=_MAKE, vector_entry_point=_MAKE_VEC, kwargs=options).to_json()
