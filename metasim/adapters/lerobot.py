"""LeRobot's conventions of simulated environments, N worlds at once.

What its evaluation asks of a vector environment: observations ``pixels`` (camera to uint8 pictures, channels last),
``agent_pos`` and ``environment_state``; ``is_success`` in every info; ``call`` and ``get_attr`` for ``task``,
``task_description`` and ``_max_episode_steps``; same-step resets with ``final_info``. LeRobot itself is not needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space, create_empty_array

from metasim.core.errors import InvalidConfig, UnknownName
from metasim.envs.observation import Observer
from metasim.envs.vector import VectorTaskEnv

Array = Any
_FOREIGN = "lerobot_"
"""Reset options that begin with this are LeRobot's messages to its own wrappers."""
_PIXELS = "pixels/"


class LeRobotVecEnv(VectorTaskEnv):
    """N worlds of a task as LeRobot's evaluation takes them.

    Args:
        task: Registered id.
        num_envs: N.
        agent_pos: Names of the observations that are the robot's own, joined to ``agent_pos``; None for the first
            one. ``metasim.make_vec(task).observer.layout`` lists the names.
        environment_state: Whether the whole flat observation is there as ``environment_state``.
        cameras: Cameras drawn in every step, under ``pixels``; None for the task's. Without any there are no pixels.
        width: Width of pictures.
        height: Height of pictures.
        **options: As for :class:`~metasim.envs.VectorTaskEnv`: ``backend``, ``workers``, ``horizon``, ``split``,
            ``terminate_on_success``.

    Raises:
        UnknownName: For an unknown task, observation or camera.
        InvalidConfig: For pictures too small to have their channels last.
    """

    def __init__(
        self,
        task: str,
        num_envs: int = 1,
        *,
        agent_pos: Sequence[str] | None = None,
        environment_state: bool = False,
        cameras: Sequence[str] | None = None,
        width: int = 256,
        height: int = 256,
        **options: Any,
    ) -> None:
        odd = sorted({"obs_mode", "autoreset_mode", "render_mode"} & set(options))
        if odd:
            raise InvalidConfig(f"LeRobot's conventions decide {odd}; leave them out")
        if min(width, height) < 4:
            raise InvalidConfig(f"pictures must have at least 4 x 4 pixels, got {width} x {height}")
        options |= {"autoreset_mode": AutoresetMode.SAME_STEP, "render_mode": "rgb_array"}
        super().__init__(task, num_envs, width=width, height=height, **options)
        try:
            drawn = (self.camera,) if cameras is None else tuple(cameras)
            self.observer: Any = _LeRobotObserver(self, self.observer, drawn, agent_pos, environment_state)
        except BaseException:
            self.close()
            raise
        self.single_observation_space = self.observer.space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._observation = self.observer.empty(num_envs)

    @property
    def _max_episode_steps(self) -> int:
        return self.max_episode_steps

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return an attribute, or what a method returns, once per world; ``render`` draws each world once."""
        if name == "task":
            return (self.task.id,) * self.num_envs
        if name == "render":
            return self.render() or ()
        return super().call(name, *args, **kwargs)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Return an attribute, once per world."""
        return self.call(name)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin episodes; LeRobot's own options are let pass."""
        ours = {k: v for k, v in (options or {}).items() if not k.startswith(_FOREIGN)}
        observation, info = super().reset(seed=seed, options=ours)
        return _nested(observation), info

    def step(self, actions: Array) -> tuple[Any, Array, Array, Array, dict[str, Any]]:
        """Step all worlds; finished ones begin again in the same step."""
        observation, reward, terminated, truncated, info = super().step(actions)
        for row in np.flatnonzero(info.get("_final_obs", ())):
            info["final_obs"][row] = _nested(info["final_obs"][row])
        return _nested(observation), reward, terminated, truncated, info


class _LeRobotObserver:
    """Turns named observations into LeRobot's, in place of :class:`~metasim.envs.observation.Observer`.

    Pictures are named ``pixels/CAMERA`` here; :func:`_nested` puts them into a dictionary of their own.
    """

    def __init__(
        self, env: VectorTaskEnv, flat: Observer, cameras: tuple[str, ...], agent_pos: Sequence[str] | None, whole: bool
    ) -> None:
        names = [column.name for column in flat.layout]
        self._own = tuple(names[:1] if agent_pos is None else agent_pos)
        for kind, asked, valid in (("observation", self._own, names), ("camera", cameras, env.episodes.cameras)):
            for name in asked:
                if name not in valid:
                    raise UnknownName(kind, name, valid)
        self.layout, self._flat, self._episodes = flat.layout, flat, env.episodes
        self._cameras, self._whole, self._size = tuple(c for c in cameras if c), whole, env._size
        spaces: dict[str, gym.Space[Any]] = {}
        if self._cameras:
            picture = gym.spaces.Box(0, 255, (*self._size, 3), np.uint8)
            spaces["pixels"] = gym.spaces.Dict({camera: picture for camera in self._cameras})
        if self._own:
            parts = [column for name in self._own for column in flat.layout if column.name == name]
            low, high = (np.concatenate([getattr(column, end) for column in parts]) for end in ("low", "high"))
            spaces["agent_pos"] = gym.spaces.Box(low, high, dtype=np.float64)
        if whole:
            spaces["environment_state"] = flat.space
        self.space = gym.spaces.Dict(spaces)

    def __call__(self, observation: Mapping[str, Array], worlds: Array | None = None) -> Any:
        """Return fresh arrays with a leading batch axis."""
        seen: dict[str, Any] = {}
        for camera in self._cameras:
            seen[_PIXELS + camera] = self._episodes.render(camera, *self._size, worlds)
        if self._own:
            seen["agent_pos"] = np.concatenate([observation[name] for name in self._own], axis=1)
        if self._whole:
            seen["environment_state"] = self._flat(observation)
        return seen

    def empty(self, num_worlds: int) -> Any:
        """Return zeros of the batched observation."""
        return _flat(create_empty_array(self.space, num_worlds, fn=np.zeros))


def _nested(observation: Mapping[str, Array]) -> dict[str, Any]:
    pixels = {name.removeprefix(_PIXELS): value for name, value in observation.items() if name.startswith(_PIXELS)}
    rest = {name: value for name, value in observation.items() if not name.startswith(_PIXELS)}
    return {"pixels": pixels, **rest} if pixels else rest


def _flat(observation: Any) -> dict[str, Array]:
    pixels = {_PIXELS + camera: value for camera, value in observation.get("pixels", {}).items()}
    return pixels | {name: value for name, value in observation.items() if name != "pixels"}
