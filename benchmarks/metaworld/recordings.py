"""Trajectories recorded from the original: initial state, actions, and where hand and object went."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from metasim.benchmarks.metaworld.store import short
from metasim.core.errors import InvalidConfig

Array = Any
KINDS = ("scripted", "random")


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One recorded episode of T steps.

    Attributes:
        name: ``scripted/ep_000``.
        kind: ``scripted`` or ``random``.
        vector: The random vector ``(K,)``.
        qpos: Coordinates at the start ``(nq,)``.
        qvel: Velocities at the start ``(nv,)``.
        mocap_pos: Where the hand's target starts ``(3,)`` [m].
        mocap_quat: Its orientation ``(4,)``, wxyz.
        actions: ``(T, 4)`` as given, not clipped.
        hand: ``(T + 1, 3)`` [m], world.
        object: ``(T + 1, 3)`` [m], world.
        solved: Whether any recorded step was a success.
    """

    name: str
    kind: str
    vector: Array
    qpos: Array
    qvel: Array
    mocap_pos: Array
    mocap_quat: Array
    actions: Array
    hand: Array
    object: Array
    solved: bool


def recordings(task: str, source: Path) -> tuple[Recording, ...]:
    """Return a task's recorded episodes.

    Args:
        task: Its id.
        source: A folder with one file for each task, or one file with a group for each.

    Raises:
        InvalidConfig: If there is no such file, or no recording of the task in it.
    """
    name = short(task)
    path = source / f"{name}-v3.h5" if source.is_dir() else source
    if not path.is_file():
        raise InvalidConfig(f"there are no recordings of {task!r}: {path} does not exist; give --recordings")
    with h5py.File(path) as file:
        root: Any = file if source.is_dir() else file.get(name)
        if root is None:
            raise InvalidConfig(f"{path} has no recording of {task!r}; it has {', '.join(file)}")
        return tuple(_episode(kind, key, root[kind][key]) for kind in KINDS if kind in root for key in root[kind])


def _episode(kind: str, key: str, group: Any) -> Recording:
    observation = group["obs"][:]
    return Recording(
        name=f"{kind}/{key}",
        kind=kind,
        vector=np.array(group.attrs["rand_vec"]),
        qpos=group["qpos"][0],
        qvel=group["qvel"][0],
        mocap_pos=group["mocap_pos"][0].reshape(3),
        mocap_quat=group["mocap_quat"][0].reshape(4),
        actions=group["action"][:],
        hand=observation[:, :3],
        object=observation[:, 4:7],
        solved=bool((group["success"][:] > 0).any()),
    )
