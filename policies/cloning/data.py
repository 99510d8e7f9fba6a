"""What is cloned: the recorded steps of one task, and what a policy sees of them."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metasim.core.errors import InvalidConfig, UnknownName
from metasim.datasets.training import Windows
from metasim.policies.cloning.config import CloneConfig

Array = Any
PICTURES = "_image"
"""Behind the name of a camera: the name of its pictures in a dataset."""
LEAST = 1e-6
"""A column that varies by less is shifted, not scaled."""


@dataclass(frozen=True, kw_only=True)
class Demonstrations:
    """Steps of one task in memory.

    Attributes:
        task: Its id.
        backend: Engines they were recorded in, joined by ``+``.
        digest: Of the episodes, in their order.
        observation: ``(n, D)`` float64, all of it.
        actions: ``(n, A)`` float32.
        pictures: Camera to ``(n, H, W, 3)`` uint8.
        columns: Numbers of the columns that the policy sees.
        hidden: Numbers of the others.
        valid: ``(n,)`` bool, the steps of the episodes that are held out.
    """

    task: str
    backend: str
    digest: str
    observation: Array
    actions: Array
    pictures: Mapping[str, Array]
    columns: tuple[int, ...]
    hidden: tuple[int, ...]
    valid: Array

    def spread(self, columns: Sequence[int]) -> tuple[Array, Array]:
        """Return mean and deviation of some columns, over the steps that are learned from."""
        rows = self.observation[~self.valid][:, list(columns)]
        deviation = rows.std(axis=0)
        return rows.mean(axis=0), np.where(deviation < LEAST, 1.0, deviation)


def read(config: CloneConfig) -> Demonstrations:
    """Read a dataset.

    Raises:
        DatasetError: If the file cannot be read.
        InvalidConfig: If it has several tasks, or no pictures as the policy is to see them.
        UnknownName: For an observation that there is not.
    """
    names = {camera: f"{camera.replace('/', '.')}{PICTURES}" for camera in config.cameras}
    every = Windows(config.path, length=1)
    if len(every.tasks) > 1:
        listed = ", ".join(every.tasks)
        raise InvalidConfig(
            f"{config.path} has several tasks, and a policy learns one: {listed}. Take one out of it:"
            f" metasim filter {config.path} --where \"task == '{next(iter(every.tasks))}'\" --out ONE.hdf5"
        )
    task, info = next(iter(every.tasks.items()))
    _check_pictures(config, {name: shape for name, shape, _ in info.pictures}, names)
    windows = Windows(
        config.path, length=1, obs=("flat", *names.values()), dtype="float64", in_memory=True, include=("actions",)
    )
    batch = windows[np.arange(len(windows))]
    episodes = len(windows.episodes)
    held = min(round(config.settings.valid * episodes), episodes - 1)
    chosen = np.random.default_rng(config.seed).permutation(episodes)[:held]
    columns = seen_columns(info.observation, config.hide, config.see)
    return Demonstrations(
        task=task,
        backend="+".join(sorted({episode.backend for episode in windows.episodes})),
        digest=hashlib.sha256("".join(episode.sha256 for episode in windows.episodes).encode()).hexdigest(),
        observation=batch["obs"]["flat"][:, 0],
        actions=batch["actions"][:, 0].astype(np.float32),
        pictures={camera: batch["obs"][name][:, 0] for camera, name in names.items()},
        columns=columns,
        hidden=tuple(sorted({*range(sum(size for _, size in info.observation))} - {*columns})),
        valid=np.isin(batch["episode"], chosen),
    )


def seen_columns(layout: Sequence[tuple[str, int]], hide: Sequence[str], see: Sequence[str]) -> tuple[int, ...]:
    """Return the numbers of the columns that a policy sees of a flat observation.

    Args:
        layout: Names and sizes.
        hide: Names, or globs, that it does not see.
        see: The only ones that it sees; empty for all.

    Raises:
        UnknownName: For a name that matches nothing.
        InvalidConfig: If nothing is left.
    """
    names = [name for name, _ in layout]
    for word in (*hide, *see):
        if not fnmatch.filter(names, word):
            raise UnknownName("observation", word, names)
    found, start = list[int](), 0
    for name, size in layout:
        meant = any(fnmatch.fnmatchcase(name, word) for word in see or hide)
        if meant == bool(see):
            found += range(start, start + size)
        start += size
    if not found:
        raise InvalidConfig(f"a policy has to see something of {names}")
    return tuple(found)


def _check_pictures(config: CloneConfig, there: Mapping[str, Any], names: Mapping[str, str]) -> None:
    for camera, (height, width) in config.cameras.items():
        if there.get(names[camera]) != (height, width, 3):
            found = {name: f"{shape[0]}x{shape[1]}" for name, shape in there.items()} or "no pictures"
            raise InvalidConfig(
                f"{config.path} has no pictures of camera {camera!r} of {height}x{width} pixels (height and width), but"
                f" {found}; draw them: metasim render-dataset {config.path} --camera {camera}"
                f" --size {width}x{height} --renderer mujoco --out WITH.hdf5"
            )
