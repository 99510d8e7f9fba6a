"""Runs a policy in N worlds and hands out each episode as it ends; a free world begins the next one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from metasim.core.policy import Policy
from metasim.core.seeding import EpisodeSeed
from metasim.datasets.episode import Episode, EpisodeInfo, TaskInfo, split_columns
from metasim.datasets.goals import goal_overrides
from metasim.envs.episodes import Episodes
from metasim.envs.showing import show_factors, show_pictures
from metasim.envs.varying import draw_variations

Array = Any


class Recorder:
    """Records episodes of one task.

    Args:
        episodes: The worlds.
        policy: What acts in them; of as many worlds.
        policy_name: Its name, for the labels.
        backend: Name of the engine, for the labels.
        tail: Steps kept after the first success; None runs every episode to its horizon.
        goals: Protocol whose goals the episodes have; empty for those that their seeds draw.
        vary: Axis of variation to its range, drawn for every episode.
    """

    def __init__(
        self,
        episodes: Episodes,
        policy: Policy,
        *,
        policy_name: str,
        backend: str,
        tail: int | None,
        goals: str = "",
        vary: Mapping[str, str] | None = None,
    ) -> None:
        self._episodes, self._policy, self._tail, self._goals = episodes, policy, tail, goals
        self._vary = dict(vary or {})
        self._names = {"policy": policy_name, "backend": backend, "goals": goals}
        self._finished = getattr(policy, "finished", None)
        n = episodes.num_worlds
        self._step = np.zeros(n, np.int64)
        self._first = np.full(n, -1)
        self._active = np.zeros(n, bool)
        self._all = np.arange(n)

    def run(self, seeds: Iterable[EpisodeSeed]) -> Iterator[Episode]:
        """Record an episode for each seed, of which there are at least N, and yield them as they end."""
        waiting = iter(seeds)
        self._begin(self._all, list(islice(waiting, len(self._all))))
        while self._active.any():
            ended = self._advance()
            for row in ended:
                yield self._take(int(row))
            fresh = list(islice(waiting, len(ended)))
            if fresh:
                self._begin(ended[: len(fresh)], fresh)

    @property
    def task_info(self) -> TaskInfo:
        """What all episodes of the task share; known after the first one began."""
        episodes = self._episodes
        return TaskInfo(
            instruction=episodes.task.instruction,
            action_size=episodes.action_size,
            observation=self._layout,
            state_size={self._names["backend"]: self._states.shape[2]},
            control_period_s=episodes.control_period_s,
            model_digest=episodes.model.info.digest,
            assets=episodes.model.assets,
        )

    def _begin(self, rows: Array, seeds: list[EpisodeSeed]) -> None:
        goals = goal_overrides(self._goals, seeds)
        varied = draw_variations(self._vary, self._episodes, seeds)
        named = self._episodes.begin(rows, seeds, goals, varied)
        flat = np.concatenate([*named.values()], axis=1)
        states = self._episodes.backend.dump(rows)
        if not hasattr(self, "_obs"):
            self._layout = tuple((name, int(value.shape[1])) for name, value in named.items())
            self._allocate(flat, states.shape[1])
        self._now[rows] = flat
        self._obs[rows, 0], self._states[rows, 0] = flat, states
        self._step[rows], self._first[rows], self._active[rows] = 0, -1, True
        self._policy.reset(rows, seeds)
        show_factors(self._policy, self._episodes, rows, seeds, goals)

    def _allocate(self, flat: Array, state_size: int) -> None:
        """Make room for an episode per world; memory that no episode gets to is never touched."""
        n, horizon, actions = len(self._all), self._episodes.horizon, self._episodes.action_size
        self._now = np.zeros((n, flat.shape[1]), flat.dtype)
        self._obs = np.empty((n, horizon + 1, flat.shape[1]))
        self._states = np.empty((n, horizon + 1, state_size))
        self._actions = np.empty((n, horizon, actions), np.float32)
        self._rewards = np.empty((n, horizon))
        self._success = np.empty((n, horizon), bool)
        self._terminated = np.empty((n, horizon), bool)

    def _advance(self) -> Array:
        """Take one step in all worlds and return the rows whose episode ended; idle worlds do nothing."""
        seen = self._now.view()
        seen.setflags(write=False)
        show_pictures(self._policy, self._episodes)
        action = np.asarray(self._policy.act(seen), np.float32)
        action = np.clip(np.where(self._active[:, None], action, np.float32(0.0)), -1.0, 1.0)
        s = self._episodes.step(action)
        self._now = np.concatenate([*s.observation.values()], axis=1)
        rows, t = self._all, np.where(self._active, self._step, 0)
        self._actions[rows, t], self._rewards[rows, t] = action, s.reward
        self._success[rows, t], self._terminated[rows, t] = s.success, s.terminated
        self._obs[rows, t + 1], self._states[rows, t + 1] = self._now, self._episodes.backend.dump()
        self._step += 1
        self._first = np.where((self._first < 0) & s.success, self._step, self._first)
        ended = s.terminated | s.truncated
        if self._tail is not None:
            ended = ended | ((self._first > 0) & (self._step >= self._first + self._tail))
        if self._finished is not None:
            ended = ended | self._finished()
        ended = ended & self._active
        self._active &= ~ended
        return np.flatnonzero(ended)

    def _take(self, row: int) -> Episode:
        """Return the episode that a world has finished: views, which the world's next episode overwrites."""
        steps, episodes = int(self._step[row]), self._episodes
        seed, varied = episodes.seeds[row], episodes.variations[row]
        assert seed is not None
        success, terminated = self._success[row, :steps], self._terminated[row, :steps]
        truncated = np.zeros(steps, bool)
        truncated[-1] = not terminated[-1]
        failure = episodes.failure(row) or ""
        if failure:
            self._states[row, steps] = np.nan  # what an engine leaves of a failed world means nothing
        sample = {name: value[0] for name, value in episodes.draw([seed], goal_overrides(self._goals, [seed])).items()}
        info = EpisodeInfo(
            num_samples=steps,
            task=episodes.task.id,
            instruction=episodes.task.instruction,
            seed=seed.root,
            split=seed.split,
            variation=json.dumps(varied, sort_keys=True) if varied else seed.variation,
            episode=seed.episode,
            horizon=episodes.horizon,
            success=bool(success.any()),
            success_last=bool(success[-1]),
            first_success_step=int(self._first[row]),
            failure=failure,
            model_digest=episodes.model.info.digest,
            **self._names,
        )
        return Episode(
            info=info,
            obs=split_columns(self._obs[row, :steps], self._layout),
            final_obs=split_columns(self._obs[row, steps : steps + 1], self._layout),
            actions=self._actions[row, :steps],
            rewards=self._rewards[row, :steps],
            terminated=terminated,
            truncated=truncated,
            success=success,
            states=self._states[row, : steps + 1],
            sample=sample,
        )
