"""The single environment: world 0 of a batch of one, without the batch axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym

from metasim.core.errors import InvalidConfig
from metasim.core.task import Task
from metasim.envs.actions import as_action
from metasim.envs.observation import take_row
from metasim.envs.vector import VectorTaskEnv

Array = Any


class TaskEnv(gym.Env[Any, Any]):
    """One world of one task; ``reset(seed=s)`` begins episode 0 of root seed s, further resets the next episodes.

    Args:
        task: Registered id or task class.
        backend: Engine.
        **options: As for :class:`metasim.envs.vector.VectorTaskEnv`, without ``num_envs`` and ``autoreset_mode``.
    """

    def __init__(self, task: str | type[Task], *, backend: str = "mujoco", **options: Any) -> None:
        if "autoreset_mode" in options or "num_envs" in options:
            raise InvalidConfig("a single environment has neither num_envs nor autoreset_mode; use make_vec")
        self._worlds = VectorTaskEnv(task, 1, backend=backend, autoreset_mode="disabled", **options)
        self.task, self.episodes = self._worlds.task, self._worlds.episodes
        self.observation_space = self._worlds.single_observation_space
        self.action_space = self._worlds.single_action_space
        self.observer, self.camera = self._worlds.observer, self._worlds.camera
        self.render_mode = self._worlds.render_mode
        self.metadata = {k: v for k, v in self._worlds.metadata.items() if k != "autoreset_mode"}
        self._shape: tuple[int, ...] = (self.episodes.action_size,)

    @property
    def task_description(self) -> str:
        """The instruction in words."""
        return self.task.instruction

    @property
    def _max_episode_steps(self) -> int:
        return self.episodes.horizon

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; ``options`` may have ``episode`` (its index) and ``sample`` (factor name to value)."""
        super().reset(seed=seed)
        options = dict(options or {})
        if "episode" in options:
            options["episodes"] = [options.pop("episode")]
        observation, _ = self._worlds.reset(seed=seed, options=options)
        return take_row(observation, 0), {"success": False, "is_success": False}

    def step(self, action: Array) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Apply one action ``(A,)``."""
        s = self.episodes.step(as_action(action, self._shape)[None])
        success = bool(s.success[0])
        info: dict[str, Any] = {"success": success, "is_success": success}
        if self.episodes.failures:
            info["failure"] = self.episodes.failure(0)
        observation = take_row(self.observer(s.observation), 0)
        terminated = bool(s.terminated[0]) or (success and self._worlds.ends_on_success)
        return observation, float(s.reward[0]), terminated, bool(s.truncated[0]), info

    def render(self) -> Array | None:
        """Return an rgb picture ``(H, W, 3)``."""
        pictures = self._worlds.render()
        return None if pictures is None else pictures[0]

    def close(self) -> None:
        """Free the engine."""
        self._worlds.close_extras()
