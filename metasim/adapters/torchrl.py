"""TorchRL's ``EnvBase``, N worlds at once, as a batch-locked environment with specs.

TorchRL resets what is done itself, by a mask in the tensordict; the worlds below so never reset by themselves.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from metasim.adapters.worlds import Worlds, as_learned, inner, missing, open_worlds

try:
    import torch  # pyright: ignore[reportMissingImports]
    from tensordict import TensorDict, TensorDictBase  # pyright: ignore[reportMissingImports]
    from torchrl.data import Binary, Bounded, Composite, Unbounded  # pyright: ignore[reportMissingImports]
    from torchrl.envs import EnvBase  # pyright: ignore[reportMissingImports]
except ModuleNotFoundError as error:
    raise missing(str(error.name), '"torchrl>=0.14,<0.15"') from error

Array = Any


class TorchRLEnv(EnvBase):
    """N worlds as TorchRL takes them, batch size ``[N]``.

    Observations are float32 (pictures uint8) under ``"observation"``, or under their names with ``obs_mode="dict"``;
    ``"success"`` ``(N, 1)`` bool stands beside them.

    Args:
        worlds: Id of a task or a protocol, or an environment of :func:`metasim.make_vec` without resets of its own.
        num_envs: N, for an id.
        seed: Root seed of the episodes; None for a fresh one, or ``set_seed``'s.
        device: Where tensors are.
        **options: As for :func:`metasim.make_vec`, for an id.

    Raises:
        UnknownName: For an id that is neither a task nor a protocol.
        InvalidConfig: For an environment or options that cannot work.
        MissingDependency: On import, without TorchRL.
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
        env = open_worlds(worlds, num_envs, AutoresetMode.DISABLED, options)
        super().__init__(device=torch.device(device), batch_size=torch.Size([env.num_envs]))
        self.env, self._root = env, seed
        n, space = env.num_envs, env.single_observation_space
        parts = dict(space.items()) if isinstance(space, gym.spaces.Dict) else {"observation": space}
        self.observation_spec = self._composite(
            {name: self._spec(part) for name, part in parts.items()} | {"success": self._flag()}
        )
        size = inner(env).episodes.action_size
        self.action_spec = Bounded(-1.0, 1.0, shape=torch.Size([n, size]), dtype=torch.float32, device=self.device)
        self.reward_spec = Unbounded(shape=torch.Size([n, 1]), dtype=torch.float32, device=self.device)
        self.done_spec = self._composite({name: self._flag() for name in ("done", "terminated", "truncated")})

    def close(self, *, raise_if_closed: bool = True) -> None:
        """Free the engine."""
        self.env.close()
        super().close(raise_if_closed=raise_if_closed)

    def _reset(self, tensordict: TensorDictBase | None = None, **_: Any) -> TensorDictBase:
        mask = None if tensordict is None else tensordict.get("_reset", None)
        options = None if mask is None else {"reset_mask": mask.reshape(self.env.num_envs).cpu().numpy()}
        observation, info = self.env.reset(seed=self._root, options=options)
        self._root = None
        never = np.zeros(self.env.num_envs, bool)
        return self._dict(self._seen(observation, info) | self._ends(never, never))

    def _step(self, tensordict: TensorDictBase) -> TensorDictBase:
        action = tensordict["action"].detach().cpu().numpy()
        observation, reward, terminated, truncated, info = self.env.step(action)
        outcome = {"reward": reward.astype(np.float32)[:, None]}
        return self._dict(self._seen(observation, info) | outcome | self._ends(terminated, truncated))

    def _set_seed(self, seed: int | None) -> None:
        self._root = seed

    @staticmethod
    def _seen(observation: Any, info: dict[str, Any]) -> dict[str, Array]:
        named = observation if isinstance(observation, dict) else {"observation": observation}
        return {**as_learned(named), "success": info["success"][:, None]}

    @staticmethod
    def _ends(terminated: Array, truncated: Array) -> dict[str, Array]:
        ends = {"done": terminated | truncated, "terminated": terminated, "truncated": truncated}
        return {name: value[:, None] for name, value in ends.items()}

    def _dict(self, arrays: dict[str, Array]) -> TensorDict:
        tensors = {name: torch.tensor(value, device=self.device) for name, value in arrays.items()}
        return TensorDict(tensors, batch_size=self.batch_size, device=self.device)  # type: ignore[arg-type]

    def _composite(self, specs: dict[str, Any]) -> Composite:
        return Composite(specs, shape=self.batch_size, device=self.device)

    def _flag(self) -> Binary:
        return Binary(1, shape=torch.Size([*self.batch_size, 1]), dtype=torch.bool, device=self.device)

    def _spec(self, space: gym.Space[Any]) -> Any:
        """Return the spec of one observation; one without any bounds is unbounded."""
        box: Any = space
        shape = torch.Size([*self.batch_size, *box.shape])
        dtype = torch.uint8 if box.dtype == np.uint8 else torch.float32
        low, high = (torch.tensor(as_learned(b)).expand(shape).clone() for b in (box.low, box.high))
        if dtype is torch.float32 and not torch.isfinite(torch.stack([low, high])).any():
            return Unbounded(shape=shape, dtype=dtype, device=self.device)
        return Bounded(low, high, shape=shape, dtype=dtype, device=self.device)
