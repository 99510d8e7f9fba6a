"""N worlds that repeat recorded actions, and what differs from the recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metasim.datasets.goals import same_start
from metasim.datasets.reader import Dataset
from metasim.envs.episodes import Episodes

Array = Any
DRIFTED = 1e-3
"""In another engine, the difference of an observation that counts as the first drift (1 mm, 1 mrad)."""


@dataclass(frozen=True, kw_only=True)
class EpisodeCheck:
    """What came of replaying one episode.

    Attributes:
        demo: Its number in the file.
        task: Task id.
        episode: Index of the episode under its seed.
        steps: Its length.
        exact: Whether it was replayed in the engine that recorded it.
        bit_identical: Whether everything agreed bit by bit, the start that the seed draws included.
        first_drift_step: Steps taken when the first difference showed (0: the start itself); None for never.
            In another engine, the first observation that differs by more than :data:`DRIFTED`.
        drifted: What differed first: ``"sample"``, ``"states"``, ``"obs"``, ``"rewards"``, ``"success"``,
            ``"terminated"`` or ``"failure"``; or empty.
        max_drift: Largest difference, of engine states, observations and rewards; in another engine, of
            observations.
        success: Whether the recording succeeded.
        success_reproduced: Whether the replay came to the same success or failure.
        failure: Why the engine gave the episode up, if it did and the recording did not, or why it could not be
            replayed; or empty.
        intact: Whether arrays and attributes are those that the digest was made of.
        replayed: Whether it was replayed: imported episodes cannot be, and damaged ones are not.
    """

    demo: int
    task: str
    episode: int
    steps: int
    exact: bool
    bit_identical: bool
    first_drift_step: int | None
    drifted: str
    max_drift: float
    success: bool
    success_reproduced: bool
    failure: str
    intact: bool = True
    replayed: bool = True


class Replay:
    """Worlds in which recorded episodes run again.

    Args:
        episodes: The worlds.
        data: The recording.
        horizon: Longest episode.
        exact: Compare everything, bit by bit; else measure the drift of observations.

    Attributes:
        demo: ``(N,)`` number of the episode that each world runs.
        active: ``(N,)`` bool.
    """

    def __init__(self, episodes: Episodes, data: Dataset, *, horizon: int, exact: bool) -> None:
        self._episodes, self._data, self._exact = episodes, data, exact
        n = episodes.num_worlds
        self.demo, self.active = np.zeros(n, np.int64), np.zeros(n, bool)
        self._step, self._length, self._all = np.zeros(n, np.int64), np.zeros(n, np.int64), np.arange(n)
        self._actions = np.zeros((n, horizon, episodes.action_size), np.float32)
        self._expected: dict[str, Array] = {}
        self._horizon = horizon
        self._first, self._drift = np.full(n, -1), np.zeros(n)
        self._what = np.full(n, "", object)
        self._succeeded, self._fails = np.zeros(n, bool), np.zeros(n, bool)

    def begin(self, rows: Array, demos: Sequence[int]) -> None:
        """Begin recorded episodes in some worlds."""
        opened = [self._data.episode(i) for i in demos]
        seeds = [demo.info.episode_seed for demo in opened]
        drawn, recorded = self._episodes.draw(seeds), [demo.sample for demo in opened]
        same = np.array(
            [
                same_start(demo.info.goals, seeds[i], {k: v[i] for k, v in drawn.items()}, recorded[i])
                for i, demo in enumerate(opened)
            ]
        )
        overrides = None
        free = same.all() and not any(demo.info.goals for demo in opened)
        if not free and all(set(r) == set(drawn) for r in recorded):
            overrides = {name: np.stack([r[name] for r in recorded]) for name in drawn}
        named = self._episodes.begin(rows, seeds, overrides, [demo.info.varied for demo in opened])
        for row, demo in zip(rows, opened, strict=True):
            self._load(int(row), demo.load())
        self.demo[rows], self.active[rows], self._step[rows] = demos, True, 0
        self._length[rows] = [len(demo) for demo in opened]
        self._fails[rows] = [bool(demo.info.failure) for demo in opened]
        self._first[rows], self._drift[rows], self._what[rows], self._succeeded[rows] = -1, 0.0, "", False
        self._note(rows[~same], 0, "sample")
        self._compare(rows, np.zeros(len(rows), np.int64), named)

    def advance(self) -> Array:
        """Take one step in all worlds and return the rows whose episode ended."""
        rows = np.flatnonzero(self.active)
        action = np.zeros(self._actions[:, 0].shape, np.float32)
        action[rows] = self._actions[rows, self._step[rows]]
        s = self._episodes.step(action)
        self._step += 1
        t = self._step[rows]
        self._succeeded |= s.success
        self._compare(rows, t, {name: value[rows] for name, value in s.observation.items()})
        if self._exact:
            self._differ("rewards", rows, t, s.reward[rows, None], self._expected["rewards"][rows, t - 1, None])
            for what, now in (("success", s.success), ("terminated", s.terminated)):
                wrong = now[rows] != self._expected[what][rows, t - 1]
                self._note(rows[wrong], t[wrong], what)
        ended = rows[t >= self._length[rows]]
        self.active[ended] = False
        failed = np.array([self._episodes.failure(int(row)) is not None for row in ended], bool)
        if self._exact:
            odd = ended[failed != self._fails[ended]]
            self._note(odd, self._step[odd], "failure")
        return ended

    def check(self, row: int) -> EpisodeCheck:
        """Return what came of the episode that a world has finished."""
        info = self._data.episode(int(self.demo[row])).info
        first = int(self._first[row])
        return EpisodeCheck(
            demo=int(self.demo[row]),
            task=info.task,
            episode=info.episode,
            steps=info.num_samples,
            exact=self._exact,
            bit_identical=self._exact and first < 0,
            first_drift_step=None if first < 0 else first,
            drifted=str(self._what[row]),
            max_drift=float(self._drift[row]),
            success=info.success,
            success_reproduced=bool(self._succeeded[row]) == info.success,
            failure="" if info.failure else self._episodes.failure(row) or "",
        )

    def _load(self, row: int, episode: Any) -> None:
        steps = len(episode.actions)
        flat = np.concatenate([episode.observation, episode.final_observation])
        arrays = {
            "obs": flat,
            "states": episode.states,
            "rewards": episode.rewards,
            "success": episode.success,
            "terminated": episode.terminated,
        }
        for name, array in arrays.items():
            if name not in self._expected:
                shape = (len(self._all), self._horizon + 1, *array.shape[1:])
                self._expected[name] = np.zeros(shape, array.dtype)
            self._expected[name][row, : len(array)] = array
        self._actions[row, :steps] = episode.actions

    def _compare(self, rows: Array, t: Array, named: Any) -> None:
        flat = np.concatenate([*named.values()], axis=1).astype(np.float64, copy=False)
        if self._exact:
            now, then = self._episodes.backend.dump(rows), self._expected["states"][rows, t]
            kept = ~(self._fails[rows] & (t == self._length[rows]))
            self._differ("states", rows[kept], t[kept], now[kept], then[kept])
        self._differ("obs", rows, t, flat, self._expected["obs"][rows, t])

    def _differ(self, what: str, rows: Array, t: Array, now: Array, then: Array) -> None:
        """Note where rows ``(n, K)`` of the replay differ from those recorded."""
        if now.shape != then.shape:
            self._drift[rows] = np.inf
            self._note(rows, t, what)
            return
        now, then = np.ascontiguousarray(now), np.ascontiguousarray(then)
        if self._exact and np.array_equal(now.view(np.int64), then.view(np.int64)):
            return
        with np.errstate(invalid="ignore"):
            size = np.nan_to_num(np.abs(now - then), nan=np.inf).max(axis=1, initial=0.0)
        wrong = (now.view(np.int64) != then.view(np.int64)).any(axis=1) if self._exact else size > DRIFTED
        self._drift[rows] = np.maximum(self._drift[rows], np.where(wrong | (not self._exact), size, 0.0))
        self._note(rows[wrong], t[wrong], what)

    def _note(self, rows: Array, t: Array | int, what: str) -> None:
        fresh = self._first[rows] < 0
        self._first[rows[fresh]] = t if np.ndim(t) == 0 else np.asarray(t)[fresh]
        self._what[rows[fresh]] = what
