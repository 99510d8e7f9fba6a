"""Our own environments as sides of a comparison."""

from __future__ import annotations

import time
from typing import Any

import gymnasium as gym
import numpy as np

from metasim.benchmarks.throughput.rounds import Lap
from metasim.core.task import Task
from metasim.envs import VectorTaskEnv

Array = Any
ACTIONS = 200
"""Different actions before they repeat."""


def random_actions(num_envs: int, size: int, seed: int = 0) -> Array:
    """Return actions ``(ACTIONS, N, A)``, uniform in [-1, 1], float32."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-1.0, 1.0, (ACTIONS, num_envs, size)).astype(np.float32)


def staggered(num_envs: int, horizon: int) -> Array:
    """Return ages ``(N,)`` of episodes, so that they do not end all at once."""
    return np.arange(num_envs) * horizon // num_envs


class Vector:
    """A vector environment with same-step resets, driven by random actions."""

    def __init__(self, task: str | type[Task], num_envs: int, workers: int, *, backend: str = "mujoco") -> None:
        self.env = VectorTaskEnv(task, num_envs, backend=backend, workers=workers, autoreset_mode="same_step")
        self.num_envs, self.horizon = num_envs, self.env.max_episode_steps
        self.actions = random_actions(num_envs, self.env.episodes.action_size)
        self._next = 0
        self.fresh()

    def fresh(self) -> None:
        """Begin all episodes."""
        self.env.reset(seed=0)

    def stagger(self, warmup: int) -> None:
        """Begin all episodes at different ages, and let some steps pass."""
        self.fresh()
        self.env.episodes.elapsed[:] = staggered(self.num_envs, self.horizon)
        self.step(warmup)

    def rewind(self) -> None:
        """Begin again with the first action."""
        self._next = 0

    def step(self, steps: int) -> Lap:
        """Take some steps from wherever the worlds are."""
        env, actions, first = self.env, self.actions, self._next
        start = time.perf_counter()
        for i in range(first, first + steps):
            env.step(actions[i % ACTIONS])
        seconds = time.perf_counter() - start
        self._next = first + steps
        return Lap(steps * self.num_envs, seconds)

    def fresh_step(self, steps: int) -> Lap:
        """Take some steps from the beginning of episodes."""
        self.fresh()
        return self.step(steps)

    def close(self) -> None:
        """Free the engine."""
        self.env.close()


class Single:
    """One environment as ``gymnasium.make`` returns it, driven by random actions."""

    def __init__(self, task: str) -> None:
        self.env = gym.make(task)
        self.horizon: int = self.env.unwrapped._max_episode_steps  # type: ignore[attr-defined]
        self.actions = random_actions(1, self.env.action_space.shape[0])[:, 0]  # type: ignore[index]
        self.env.reset(seed=0)

    def step(self, steps: int) -> Lap:
        """Take some steps, in episodes of their own; resets are timed apart."""
        env, actions = self.env, self.actions
        stepping = resetting = 0.0
        resets = 0
        for begin in range(0, steps, self.horizon):
            start = time.perf_counter()
            env.reset()
            ready = time.perf_counter()
            for i in range(begin, min(begin + self.horizon, steps)):
                env.step(actions[i % ACTIONS])
            stepping += time.perf_counter() - ready
            resetting, resets = resetting + ready - start, resets + 1
        return Lap(steps, stepping, resetting / resets)

    def close(self) -> None:
        """Free the engine."""
        self.env.close()
