"""rsl_rl's ``VecEnv`` (5.x), N worlds at once: torch in and out, observations in groups.

rsl_rl's runner never resets: worlds begin when the adapter is made, and again in the step that ends an episode.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from metasim.adapters.worlds import Worlds, as_learned, inner, missing, open_worlds
from metasim.core.errors import InvalidConfig, UnsupportedFeature

try:
    import torch  # pyright: ignore[reportMissingImports]
    from rsl_rl.env import VecEnv  # pyright: ignore[reportMissingImports]
    from tensordict import TensorDict  # pyright: ignore[reportMissingImports]
except ModuleNotFoundError as error:
    raise missing(str(error.name), '"rsl-rl-lib>=5,<6"') from error

Array = Any


class RslRlVecEnv(VecEnv):
    """N worlds as rsl_rl 5 takes them.

    Flat observations are the group ``"policy"``; with ``obs_mode="dict"`` each named observation is a group of its own.
    ``extras["time_outs"]`` ``(N,)`` bool says which episodes only the clock ended; ``extras["log"]`` has the share of
    those that ended solved.

    Args:
        worlds: Id of a task or a protocol, or an environment of :func:`metasim.make_vec` with same-step resets.
        num_envs: N, for an id.
        seed: Root seed of the episodes; None for a fresh one.
        device: Where tensors are.
        **options: As for :func:`metasim.make_vec`, for an id.

    Attributes:
        num_envs: N.
        num_actions: A.
        max_episode_length: Steps until truncation.
        device: As given.
        cfg: What the environment was made with, as plain values.

    Raises:
        UnknownName: For an id that is neither a task nor a protocol.
        InvalidConfig: For an environment or options that cannot work.
        MissingDependency: On import, without rsl_rl.
    """

    def __init__(
        self,
        worlds: Worlds,
        num_envs: int | None = None,
        *,
        seed: int | None = None,
        device: torch.device | str = "cpu",
        **options: Any,
    ) -> None:
        self.env = open_worlds(worlds, num_envs, AutoresetMode.SAME_STEP, options)
        core = inner(self.env)
        self.num_envs, self.num_actions = core.num_envs, int(core.episodes.action_size)
        self.max_episode_length = int(core.max_episode_steps)
        self.device = torch.device(device)
        self.cfg = {"tasks": sorted(core.episodes.classes), "num_envs": self.num_envs, "seed": seed}
        self._length = np.zeros(self.num_envs, np.int64)
        self._observation: TensorDict
        self.seed(seed)

    @property
    def episode_length_buf(self) -> torch.Tensor:
        """Steps taken in the episodes that are on ``(N,)`` int64; assigned, worlds act as if they had taken those."""
        return torch.as_tensor(self._clock.copy(), device=self.device)

    @episode_length_buf.setter
    def episode_length_buf(self, value: torch.Tensor) -> None:
        lengths = np.asarray(value.detach().cpu(), np.int64)
        if lengths.shape != (self.num_envs,) or (lengths < 0).any():
            raise InvalidConfig(f"episode lengths must be ({self.num_envs},) integers of 0 or more, got {lengths}")
        if not hasattr(inner(self.env).episodes, "elapsed"):
            raise UnsupportedFeature("the clocks of worlds of several tasks cannot be set: init_at_random_ep_len=False")
        self._clock[:] = lengths

    @property
    def unwrapped(self) -> RslRlVecEnv:
        """The adapter itself."""
        return self

    def seed(self, seed: int | None = None) -> int | None:
        """Begin new episodes everywhere, under a root seed, and return it."""
        observation, _ = self.env.reset(seed=seed)
        self._length[:] = 0
        self._observation = self._groups(observation)
        return seed

    def reset(self) -> tuple[TensorDict, dict[str, Any]]:
        """Begin the next episodes everywhere; the runner has no need of it."""
        self.seed(None)
        return self._observation, {}

    def get_observations(self) -> TensorDict:
        """Return the present observations, group to ``(N, K)``."""
        return self._observation

    def step(self, actions: torch.Tensor) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """Step all worlds; return observations, rewards ``(N,)`` float32, dones ``(N,)`` int64, and extras."""
        observation, reward, terminated, truncated, info = self.env.step(actions.detach().cpu().numpy())
        done = terminated | truncated
        self._length += 1
        self._length[done] = 0
        extras: dict[str, Any] = {"time_outs": self._tensor(truncated & ~terminated), "log": {}}
        if done.any():
            extras["log"]["/success_rate"] = float(info["final_info"]["is_success"][done].mean())
        self._observation = self._groups(observation)
        return self._observation, self._tensor(reward.astype(np.float32)), self._tensor(done.astype(np.int64)), extras

    def close(self) -> None:
        """Free the engine; may be called twice."""
        self.env.close()

    @property
    def _clock(self) -> Array:
        return getattr(inner(self.env).episodes, "elapsed", self._length)

    def _tensor(self, array: Array) -> torch.Tensor:
        return torch.as_tensor(array, device=self.device)

    def _groups(self, observation: Any) -> TensorDict:
        groups = observation if isinstance(observation, dict) else {"policy": observation}
        tensors = {name: self._tensor(value) for name, value in as_learned(groups).items()}
        return TensorDict(tensors, batch_size=[self.num_envs], device=self.device)  # type: ignore[arg-type]
