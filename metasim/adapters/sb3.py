"""Stable-Baselines3's ``VecEnv``, N worlds at once.

There are no environments per world: one step of the adapter is one step of the batch. Observations and rewards are
float32. Finished worlds begin again in the same step, with the observation that ended the episode in
``infos[i]["terminal_observation"]``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from metasim.adapters.worlds import Worlds, as_learned, inner, missing, open_worlds
from metasim.core.errors import InvalidConfig

try:
    from stable_baselines3.common.monitor import Monitor  # pyright: ignore[reportMissingImports]
    from stable_baselines3.common.vec_env import VecEnv  # pyright: ignore[reportMissingImports]
except ModuleNotFoundError as error:
    raise missing("stable_baselines3", '"metasim-robotics[learn]"') from error

Array = Any
Indices = int | Iterable[int] | None


class SB3VecEnv(VecEnv):
    """N worlds as Stable-Baselines3 takes them.

    ``infos[i]`` has ``is_success`` and ``TimeLimit.truncated`` in every step, and of an episode that ended
    ``terminal_observation`` and ``episode`` with its return ``r``, length ``l`` and seconds since the start ``t``, so
    that no monitor is needed. Attributes are the batch's: asked for several worlds, each gets the same value.

    Args:
        worlds: Id of a task or a protocol, or an environment of :func:`metasim.make_vec` with same-step resets.
        num_envs: N, for an id.
        seed: Root seed: world i runs its episodes i, i + N, ...; None for a fresh one, or :meth:`seed`'s.
        **options: As for :func:`metasim.make_vec`, for an id.

    Raises:
        UnknownName: For an id that is neither a task nor a protocol.
        InvalidConfig: For an environment or options that cannot work.
        MissingDependency: On import, without Stable-Baselines3.
    """

    def __init__(self, worlds: Worlds, num_envs: int | None = None, *, seed: int | None = None, **options: Any) -> None:
        self.env = open_worlds(worlds, num_envs, AutoresetMode.SAME_STEP, options)
        super().__init__(
            self.env.num_envs, _learned_space(self.env.single_observation_space), self.env.single_action_space
        )
        self.metadata = {**self.env.metadata, "render_modes": self.metadata["render_modes"]}
        self._root = seed
        self._actions: Array = None
        self._returns, self._lengths = np.zeros(self.num_envs), np.zeros(self.num_envs, np.int64)
        self._start = time.monotonic()

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Choose the root seed of the next :meth:`reset`, the same for all worlds: they differ by their episodes."""
        self._root = seed
        return [seed] * self.num_envs

    def reset(self) -> Any:
        """Begin new episodes everywhere and return observations ``(N, ...)``."""
        given = next((o for o in self._options if o), None)
        observation, _ = self.env.reset(seed=self._root, options=given)
        self._root = None
        self._reset_options()
        self._returns[:], self._lengths[:] = 0.0, 0
        return as_learned(observation)

    def step_async(self, actions: Array) -> None:
        """Take note of actions ``(N, A)``."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, Array, Array, list[dict[str, Any]]]:
        """Step all worlds; return observations, rewards ``(N,)`` float32, dones ``(N,)`` bool, and infos."""
        observation, reward, terminated, truncated, info = self.env.step(self._actions)
        done = terminated | truncated
        self._returns += reward
        self._lengths += 1
        infos = [{"is_success": solved, "TimeLimit.truncated": False} for solved in info["is_success"].tolist()]
        if done.any():
            self._finish(infos, info, done, truncated & ~terminated)
        return as_learned(observation), reward.astype(np.float32), done, infos

    def close(self) -> None:
        """Free the engine; may be called twice."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """Return an attribute of the batch, once per world asked for."""
        return [_attribute(self.env, attr_name)] * len(self._asked(indices))

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Set an attribute of the batch."""
        self._whole(indices, f"set {attr_name}")
        setattr(self.env, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the batch, once, and return what it returns once per world."""
        self._whole(indices, f"call {method_name}")
        return [_attribute(self.env, method_name)(*method_args, **method_kwargs)] * self.num_envs

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper], indices: Indices = None) -> list[bool]:
        """Tell whether worlds do what a wrapper would do; of the single environment's, that is ``Monitor``."""
        return [issubclass(wrapper_class, Monitor)] * len(self._asked(indices))

    def get_images(self) -> Sequence[Array | None]:
        """Return a picture ``(H, W, 3)`` per world, or Nones without ``render_mode="rgb_array"``."""
        return self.env.render() or [None] * self.num_envs

    def _finish(self, infos: list[dict[str, Any]], info: dict[str, Any], done: Array, cut: Array) -> None:
        seconds = round(time.monotonic() - self._start, 6)
        finals, solved = info["final_obs"], info["final_info"]["is_success"]
        for i in np.flatnonzero(done).tolist():
            infos[i] = {
                "is_success": bool(solved[i]),
                "TimeLimit.truncated": bool(cut[i]),
                "terminal_observation": as_learned(finals[i]),
                "episode": {"r": float(self._returns[i]), "l": int(self._lengths[i]), "t": seconds},
            }
            reasons = info["final_info"].get("failure")
            if reasons is not None and reasons[i]:
                infos[i]["failure"] = reasons[i]
        self._returns[done], self._lengths[done] = 0.0, 0

    def _asked(self, indices: Indices) -> list[int]:
        return list(self._get_indices(indices))

    def _whole(self, indices: Indices, what: str) -> None:
        if sorted(set(self._asked(indices))) != list(range(self.num_envs)):
            raise InvalidConfig(f"worlds are one batch: cannot {what} for worlds {indices!r} only; leave indices out")


def _attribute(env: Any, name: str) -> Any:
    """Return an attribute of an environment or what it wraps; AttributeError if there is none, as SB3 expects."""
    return getattr(env, name) if hasattr(env, name) else getattr(inner(env), name)


def _learned_space(space: gym.Space[Any]) -> gym.Space[Any]:
    """Return the space of observations as :func:`as_learned` hands them out."""
    if isinstance(space, gym.spaces.Dict):
        return gym.spaces.Dict({name: _learned_space(part) for name, part in space.items()})
    if isinstance(space, gym.spaces.Box) and space.dtype == np.float64:
        return gym.spaces.Box(space.low.astype(np.float32), space.high.astype(np.float32), dtype=np.float32)
    return space
