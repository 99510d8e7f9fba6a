"""Episodes of several tasks in one process: what one member of an :class:`~metasim.envs.group.EpisodeGroup` runs.

Each distinct task has a batch of its own worlds; results are written into arrays ``(N, ...)`` that all members share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metasim.core.errors import InvalidConfig
from metasim.core.rendering import blank
from metasim.core.seeding import EpisodeSeed
from metasim.envs.episodes import Episodes, Step
from metasim.randomize.variation import Variation
from metasim.work.crew import Board

Array = Any
BOARD = ("action", "observation", "reward", "success", "terminated", "truncated")


class Members:
    """Worlds of some tasks.

    Args:
        rows: Task id to the worlds it runs in, ``(n,)`` sorted.
        backend: Name of the engine.
        board: Where actions are read and results written.
        horizon: Steps until truncation; None for each task's own.
    """

    def __init__(self, rows: Mapping[str, Array], backend: str, board: Board, horizon: int | None = None) -> None:
        self._rows = dict(rows)
        self._episodes = {task: Episodes(task, backend, len(part), horizon=horizon) for task, part in rows.items()}
        arrays = board.arrays()
        self._arrays = tuple(arrays[name] for name in BOARD)
        self._parts: list[tuple[Episodes, Any]] = []
        for task, episodes in self._episodes.items():
            mine = self._rows[task]
            side_by_side = np.ptp(mine) == len(mine) - 1
            self._parts.append((episodes, slice(int(mine[0]), int(mine[-1]) + 1) if side_by_side else mine))

    def describe(self) -> dict[str, dict[str, Any]]:
        """Return, per task, what the environment around it must know."""
        return {task: describe(episodes) for task, episodes in self._episodes.items()}

    def begin(
        self,
        rows: Array,
        seeds: Sequence[EpisodeSeed],
        overrides: Mapping[str, Sequence[Array]] | None,
        variations: Sequence[Variation | None] | None = None,
    ) -> None:
        """Begin episodes in worlds ``rows`` ``(n,)``, all of them of this member; observations go to the board."""
        observed = self._arrays[1]
        for task, mine in self._rows.items():
            picked: list[int] = np.flatnonzero(np.isin(rows, mine, assume_unique=True)).tolist()
            if not picked:
                continue
            own = {k: np.stack([np.asarray(v[i]) for i in picked]) for k, v in (overrides or {}).items()}
            local = np.searchsorted(mine, rows[picked])
            varied = None if variations is None else [variations[i] for i in picked]
            observation = self._episodes[task].begin(local, [seeds[i] for i in picked], own, varied)
            observed[rows[picked]] = np.concatenate([*observation.values()], axis=1)

    def step(self) -> dict[int, str]:
        """Step every world with the actions on the board; return world to reason for those that failed."""
        action, observation, reward, success, terminated, truncated = self._arrays
        failures: dict[int, str] = {}
        for episodes, part in self._parts:
            step: Step = episodes.advance(action[part])
            observation[part] = np.concatenate([*step.observation.values()], axis=1)
            reward[part], success[part] = step.reward, step.success
            terminated[part], truncated[part] = step.terminated, step.truncated
            if episodes.failures:
                worlds = np.arange(len(reward))[part]
                failures |= {int(worlds[k]): why for k, why in episodes.failures.items()}
        return failures

    def render(self, rows: Array, camera: str, height: int, width: int) -> Array:
        """Return pictures ``(n, H, W, 3)`` of worlds ``rows``, all of them of this member."""
        pictures = np.zeros((len(rows), height, width, 3), np.uint8)
        for task, mine in self._rows.items():
            picked = np.flatnonzero(np.isin(rows, mine, assume_unique=True))
            if len(picked):
                local = np.searchsorted(mine, rows[picked])
                pictures[picked] = self._episodes[task].render(camera, height, width, local)
        return pictures

    def pictures(
        self, rows: Array, camera: str, height: int, width: int, modes: tuple[str, ...], renderer: str
    ) -> dict[str, Array]:
        """Return mode to pictures ``(n, H, W, ...)`` that policies look at."""
        pictures = blank(modes, len(rows), height, width)
        for task, mine in self._rows.items():
            picked = np.flatnonzero(np.isin(rows, mine, assume_unique=True))
            if len(picked):
                local = np.searchsorted(mine, rows[picked])
                drawn = self._episodes[task].pictures(camera, height, width, local, modes, renderer)
                for mode in modes:
                    pictures[mode][picked] = getattr(drawn, mode)
        return pictures

    def snapshot(self) -> dict[str, Any]:
        """Return an exact copy of all worlds."""
        return {task: episodes.snapshot() for task, episodes in self._episodes.items()}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Put all worlds back to a snapshot."""
        for task, episodes in self._episodes.items():
            episodes.restore(snapshot[task])

    def close(self) -> None:
        """Free the engines."""
        for episodes in self._episodes.values():
            episodes.close()


def describe(episodes: Episodes) -> dict[str, Any]:
    """Return what the environment around some episodes must know."""
    return {
        "example": episodes.example(EpisodeSeed(root=0, task=episodes.task.id, episode=0)),
        "actions": episodes.action_size,
        "period_s": episodes.control_period_s,
        "cameras": tuple(episodes.model.info.cameras),
        "horizon": episodes.horizon,
    }


def same_layout(described: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the first task's description, after checking that the others observe and act alike.

    Raises:
        InvalidConfig: If they do not; the message names two tasks that differ.
    """
    (first, wanted), *others = described.items()
    for task, given in others:
        for key, shown in (("example", _sizes), ("actions", int), ("period_s", float)):
            if shown(given[key]) != shown(wanted[key]):
                raise InvalidConfig(
                    f"tasks of one environment must observe and act alike: {task!r} has {key}"
                    f" {shown(given[key])}, {first!r} has {shown(wanted[key])}"
                )
    return wanted


def _sizes(example: Mapping[str, Array]) -> dict[str, int]:
    return {name: value.shape[1] for name, value in example.items()}
