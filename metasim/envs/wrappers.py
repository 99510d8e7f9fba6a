"""Wrappers of vector environments with flat observations: all worlds at once, in every autoreset mode.

gymnasium's own observation wrappers for vector environments refuse the mode ``SAME_STEP``, and its reward
normalisation has one statistic for all worlds, where a world per task needs one each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space

from metasim.core.errors import InvalidConfig

Array = Any
Env = VectorEnv[Any, Any, Any]


class FlatWrapper(VectorWrapper[Any, Any, Any, Any, Any]):
    """Base of wrappers that change flat observations ``(N, D)``; final observations are changed alike."""

    def __init__(self, env: Env, low: Array, high: Array) -> None:
        super().__init__(env)
        self.single_observation_space = gym.spaces.Box(low, high, dtype=np.float64)
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)

    def observations(self, observation: Array, rows: Array) -> Array:
        """Return the changed observations ``(n, D')`` of worlds ``rows`` ``(n,)``."""
        raise InvalidConfig(f"{type(self).__name__} has no observations(observation, rows)")

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Array, dict[str, Any]]:
        """Begin episodes."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self.observations(observation, np.arange(self.num_envs)), info

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """Step all worlds."""
        observation, reward, terminated, truncated, info = self.env.step(actions)
        self._finals(info)
        return self.observations(observation, np.arange(self.num_envs)), reward, terminated, truncated, info

    def _finals(self, info: dict[str, Any]) -> None:
        if "final_obs" in info:
            rows = np.flatnonzero(info["_final_obs"])
            finals = info["final_obs"].copy()
            for row, value in zip(rows, self.observations(np.stack(finals[rows]), rows), strict=True):
                finals[row] = value
            info["final_obs"] = finals


class HideGoal(FlatWrapper):
    """Observations with zeros where the goal stands.

    Args:
        env: The environment.
        columns: Where it stands.
    """

    def __init__(self, env: Env, columns: slice) -> None:
        low, high = _bounds(env)
        low[columns] = high[columns] = 0.0
        super().__init__(env, low, high)
        self._columns = columns

    def observations(self, observation: Array, rows: Array) -> Array:
        """Return observations ``(n, D)``."""
        hidden = observation.copy()
        hidden[:, self._columns] = 0.0
        return hidden


class Aimed(Protocol):
    """What knows the goals of some worlds."""

    @property
    def goal_values(self) -> Array:
        """The goals ``(N, K)``."""
        ...


class ShowGoal(FlatWrapper):
    """Observations with the world's goal at their end, for tasks that do not observe it.

    Args:
        env: The environment.
        aimed: What knows the goals.
    """

    def __init__(self, env: Env, aimed: Aimed) -> None:
        low, high = _bounds(env)
        self._aimed, self._goals = aimed, aimed.goal_values
        endless = np.full(self._goals.shape[1], np.inf)
        super().__init__(env, np.append(low, -endless), np.append(high, endless))

    def observations(self, observation: Array, rows: Array) -> Array:
        """Return observations ``(n, D + K)``."""
        return np.concatenate([observation, self._goals[rows]], axis=1)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Array, dict[str, Any]]:
        """Begin episodes."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._goals = self._aimed.goal_values
        return self.observations(observation, np.arange(self.num_envs)), info

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """Step all worlds; final observations show the goal of the episode that ended."""
        observation, reward, terminated, truncated, info = self.env.step(actions)
        self._finals(info)
        self._goals = self._aimed.goal_values
        return self.observations(observation, np.arange(self.num_envs)), reward, terminated, truncated, info


class OneHot(FlatWrapper):
    """Observations with a one-hot number of the world's task at their end.

    Args:
        env: The environment.
        index: Each world's number ``(N,)``.
        size: How many numbers there are.
    """

    def __init__(self, env: Env, index: Array, size: int) -> None:
        low, high = _bounds(env)
        super().__init__(env, np.append(low, np.zeros(size)), np.append(high, np.ones(size)))
        self._code = np.eye(size)[index]

    def observations(self, observation: Array, rows: Array) -> Array:
        """Return observations ``(n, D + size)``."""
        return np.concatenate([observation, self._code[rows]], axis=1)


class Recurrent(FlatWrapper):
    """Observations with the last action, reward and end of episode at their end, as RL² wants them.

    The first observation of an episode has zeros there. The action is the one applied, clipped to the action space.

    Args:
        env: The environment.
        reward_scale: What rewards are multiplied by.
    """

    def __init__(self, env: Env, reward_scale: float = 0.1) -> None:
        low, high = _bounds(env)
        self._actions: Any = env.single_action_space
        low = np.concatenate([low, self._actions.low, [-np.inf, 0.0]])
        high = np.concatenate([high, self._actions.high, [np.inf, 1.0]])
        super().__init__(env, low, high)
        self._scale = reward_scale
        self._tail = np.zeros((env.num_envs, self._actions.shape[0] + 2))
        self._done = np.zeros(env.num_envs, bool)

    def observations(self, observation: Array, rows: Array) -> Array:
        """Return observations ``(n, D + A + 2)``."""
        return np.concatenate([observation, self._tail[rows]], axis=1)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Array, dict[str, Any]]:
        """Begin episodes."""
        begun = (options or {}).get("reset_mask", np.ones(self.num_envs, bool))
        observation, info = self.env.reset(seed=seed, options=options)
        self._tail[begun], self._done[begun] = 0.0, False
        return self.observations(observation, np.arange(self.num_envs)), info

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """Step all worlds."""
        observation, reward, terminated, truncated, info = self.env.step(actions)
        done = terminated | truncated
        self._tail[:, :-2] = np.clip(actions, self._actions.low, self._actions.high)
        self._tail[:, -2], self._tail[:, -1] = reward * self._scale, done
        if self.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP:
            self._tail[self._done] = 0.0
        self._finals(info)
        if self.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP:
            self._tail[done] = 0.0
        self._done = done
        return self.observations(observation, np.arange(self.num_envs)), reward, terminated, truncated, info


class NormalizeReward(VectorWrapper[Any, Any, Any, Any, Any]):
    """Rewards divided by a running deviation, each world with its own; ``info["raw_reward"]`` has them undivided.

    Args:
        env: The environment.
        method: ``"return"``: the deviation of the discounted return, as gymnasium's wrapper for single environments;
            ``"exponential"``: an exponential average of the reward's deviation, updated twice per step as in
            Meta-World.
        gamma: Discount, for ``"return"``.
        alpha: Weight of a new reward, for ``"exponential"``.

    Attributes:
        update: Whether steps still change the statistics.
    """

    def __init__(self, env: Env, method: str = "return", *, gamma: float = 0.99, alpha: float = 0.001) -> None:
        super().__init__(env)
        if method not in ("return", "exponential"):
            raise InvalidConfig(f"normalize_reward must be None, 'return' or 'exponential', got {method!r}")
        if not (0 <= gamma <= 1 and 0 < alpha <= 1):
            raise InvalidConfig(f"gamma must be in [0, 1] and alpha in (0, 1], got {gamma!r} and {alpha!r}")
        self._method, self._gamma, self._alpha = method, gamma, alpha
        n = env.num_envs
        self._mean, self._var, self._count = np.zeros(n), np.ones(n), np.full(n, 1e-4)
        self._return, self._done = np.zeros(n), np.zeros(n, bool)
        self.update = True

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Begin episodes; the statistics go on."""
        begun: Mapping[str, Any] = options or {}
        self._done[begun.get("reset_mask", np.ones(self.num_envs, bool))] = False
        return self.env.reset(seed=seed, options=options)

    def step(self, actions: Array) -> tuple[Any, Array, Array, Array, dict[str, Any]]:
        """Step all worlds."""
        observation, reward, terminated, truncated, info = self.env.step(actions)
        counted = ~self._done if self.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP else True
        if self._method == "return":
            scale = self._by_return(reward, terminated, counted)
        else:
            scale = self._by_reward(reward, counted)
        self._done = terminated | truncated
        info["raw_reward"], info["_raw_reward"] = reward, np.ones(self.num_envs, bool)
        return observation, reward / scale, terminated, truncated, info

    def _by_return(self, reward: Array, terminated: Array, counted: Array) -> Array:
        self._return = np.where(counted, self._return * self._gamma * ~terminated + reward, self._return)
        if self.update:
            delta, count = self._return - self._mean, self._count
            total = count + 1.0
            self._mean = np.where(counted, self._mean + delta / total, self._mean)
            self._var = np.where(counted, (self._var * count + delta**2 * count / total) / total, self._var)
            self._count = np.where(counted, total, count)
        return np.sqrt(self._var + 1e-8)

    def _by_reward(self, reward: Array, counted: Array) -> Array:
        for _ in range(2 if self.update else 0):
            mean = (1 - self._alpha) * self._mean + self._alpha * reward
            var = (1 - self._alpha) * self._var + self._alpha * (reward - mean) ** 2
            self._mean, self._var = np.where(counted, mean, self._mean), np.where(counted, var, self._var)
        return np.sqrt(self._var) + 1e-8


def _bounds(env: Env) -> tuple[Array, Array]:
    space = env.single_observation_space
    if not isinstance(space, gym.spaces.Box) or len(space.shape) != 1:
        raise InvalidConfig(f"this option needs flat observations, got {space}")
    return np.array(space.low, float), np.array(space.high, float)
