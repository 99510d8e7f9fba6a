"""Tiles: episodes of one cell that share a model, run together by one process.

A policy always sees as many rows as a tile has at most; rows beyond the tile's episodes repeat the last one. So what a
policy computes does not depend on how episodes are dealt to processes, even where its arithmetic depends on the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metasim.benchmarks.generalization.drawing import episode_seed
from metasim.benchmarks.generalization.fitting import close
from metasim.benchmarks.runner import Log
from metasim.core.policy import POLICIES, Policy
from metasim.core.task import TASKS, Task
from metasim.envs import Episodes
from metasim.model import Model
from metasim.randomize import by_scene, varied_task
from metasim.work import Emit

Array = Any
Json = Any
Watch = Callable[[Episodes, int, bool], bool]


@dataclass(frozen=True, kw_only=True)
class Tile:
    """Some episodes of a cell whose scene is the same.

    Attributes:
        job: Number of the job that it is a part of.
        task: Task id.
        backend: Engine.
        split: Of the task's own factors.
        scene: What tells the scene from others of the task.
        indices: Of the episodes.
        samples: Factor to value ``(n, K)``.
        variations: Axis to value, one mapping an episode.
    """

    job: int
    task: str
    backend: str
    split: str
    scene: str
    indices: tuple[int, ...]
    samples: Mapping[str, Array]
    variations: tuple[Mapping[str, Json], ...]


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Tiles of one process.

    Attributes:
        policies: Task to the name of its policy.
        seed: Root seed.
        rows: How many rows a policy sees.
        horizon: Task to steps.
        tiles: In any order; neighbours that share a scene share its worlds.
    """

    policies: Mapping[str, str]
    seed: int
    rows: int
    horizon: Mapping[str, int]
    tiles: tuple[Tile, ...]


def split_up(
    indices: Sequence[int], variations: Mapping[int, Mapping[str, Json]], rows: int
) -> list[tuple[str, tuple[int, ...]]]:
    """Return scene and episodes of the tiles that some episodes make, in the order of the scenes' first episodes."""
    scenes = by_scene((index, variations[index]) for index in indices)
    return [(key, tuple(found[k : k + rows])) for key, found in scenes.items() for k in range(0, len(found), rows)]


def run_shard(shard: Shard, emit: Emit) -> None:
    """Run tiles; ``emit`` gets ``(job, rows by episode, steps)`` of each."""
    workshop = Workshop(shard)
    try:
        for tile in shard.tiles:
            rows, steps = workshop.run(tile)
            emit((tile.job, rows, steps))
    finally:
        workshop.close()


class Workshop:
    """What tiles share: models, the worlds of the tile before, and a policy for each task.

    Args:
        shard: What is run.
    """

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._models: dict[tuple[str, str], tuple[type[Task], Model | None]] = {}
        self._policies: dict[str, Policy] = {}
        self._key: tuple[Any, ...] = ()
        self._episodes: Episodes | None = None

    def run(self, tile: Tile, watch: Watch | None = None) -> tuple[dict[int, dict[str, Any]], int]:
        """Run a tile; return what became of each episode, and the steps taken.

        ``watch`` is called with the worlds, the steps taken, and whether all is over, before the first step and after
        each; it returns whether it wants to see more.
        """
        shard, policy = self._shard, self._policy(tile.task)
        episodes, n = self._worlds(tile), len(tile.indices)
        padded = [*range(n), *[n - 1] * (shard.rows - n)]
        seeds = [episode_seed(shard.seed, tile.task, i, tile.split) for i in tile.indices]
        varied = {"variations": tile.variations} if any(tile.variations) else {}
        observation = episodes.begin(np.arange(n), seeds, dict(tile.samples), **varied)
        policy.reset(np.arange(shard.rows), [seeds[k] for k in padded])
        if getattr(policy, "shown", ()):
            policy.show(np.arange(shard.rows), {name: value[padded] for name, value in tile.samples.items()})  # type: ignore[attr-defined]
        cameras: Mapping[str, tuple[int, int]] = getattr(policy, "cameras", None) or {}
        log, steps = Log(n, n), 0
        more = watch is None or watch(episodes, 0, False)
        while more and log.alive.any():
            if cameras:
                seen = {name: episodes.pictures(name, *size).rgb[padded] for name, size in cameras.items()}
                policy.look(seen)  # type: ignore[attr-defined]
            flat = np.concatenate([*observation.values()], axis=1)
            step = episodes.step(np.asarray(policy.act(flat[padded]))[:n])
            log.add(step, episodes.backend.failures)
            observation, steps = step.observation, steps + 1
            if watch is not None:
                more = watch(episodes, steps, not log.alive.any())
        return {index: log.row(k) for k, index in enumerate(tile.indices)}, int(log.length.sum())

    def close(self) -> None:
        """Free engines and policies."""
        if self._episodes is not None:
            self._episodes.close()
            self._episodes = None
        while self._policies:
            close(self._policies.popitem()[1])

    def _policy(self, task: str) -> Policy:
        if task not in self._policies:
            self._policies[task] = POLICIES[self._shard.policies[task]](TASKS[task](), self._shard.rows)
        return self._policies[task]

    def _worlds(self, tile: Tile) -> Episodes:
        key = (tile.task, tile.backend, tile.scene, len(tile.indices))
        if self._episodes is None or key != self._key:
            if self._episodes is not None:
                self._episodes.close()
                self._episodes = None
            place = (tile.task, tile.scene)
            kind, model = self._models.get(place, (None, None))
            if kind is None:
                kind = varied_task(TASKS[tile.task], tile.variations[0])
            horizon = self._shard.horizon[tile.task]
            self._episodes = Episodes(kind, tile.backend, len(tile.indices), horizon=horizon, model=model)
            self._models[place], self._key = (kind, self._episodes.model), key
        return self._episodes
