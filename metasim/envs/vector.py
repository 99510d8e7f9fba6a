"""The native vector environment: one batch, all three autoreset modes, numpy in and out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from metasim.core.errors import InvalidConfig
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import Task
from metasim.envs.drawing import check_renderer
from metasim.envs.episodes import Episodes
from metasim.envs.observation import Observer, Shots, put_rows, take_row
from metasim.envs.samples import check_override
from metasim.envs.varying import check_vary, draw_variations

Array = Any
_RESET_OPTIONS = {"reset_mask", "episodes", "sample"}


class EpisodesVectorEnv(VectorEnv[Any, Any, Any]):
    """The vector environment around episodes, of one task or of several.

    Args:
        episodes: The worlds.
        obs_mode: ``"state"``, ``"dict"``, ``"pixels"`` or ``"state+pixels"``.
        autoreset_mode: When finished worlds begin again.
        terminate_on_success: Whether success ends an episode.
        split: ``"train"`` or ``"test"`` ranges of the factors.
        vary: Axis of variation to ``"train"`` or ``"test"``: what each episode varies besides; none of those that need
            a scene of their own.
        camera: Camera of pictures; None for the task's.
        cameras: Cameras of observed pictures; None for ``camera`` alone.
        modes: What is observed of them: ``"rgb"``, ``"depth"``, ``"segmentation"``.
        renderer: What draws observed pictures; empty for MuJoCo, in any engine.
        render_mode: ``"rgb_array"`` or None.
        width: Width of pictures.
        height: Height of pictures.
    """

    def __init__(
        self,
        episodes: Any,
        *,
        obs_mode: str = "state",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        terminate_on_success: bool = False,
        split: str = "train",
        vary: Mapping[str, str] | None = None,
        camera: str | None = None,
        cameras: Sequence[str] | None = None,
        modes: Sequence[str] = ("rgb",),
        renderer: str = "",
        render_mode: str | None = None,
        width: int = 256,
        height: int = 256,
    ) -> None:
        if render_mode not in (None, "rgb_array"):
            raise InvalidConfig(f"render_mode must be 'rgb_array' or None, got {render_mode!r}")
        if split not in ("train", "test"):
            raise InvalidConfig(f"split must be 'train' or 'test', got {split!r}")
        self.mode, self.episodes, self.split = _autoreset(autoreset_mode), episodes, split
        self._vary = dict(vary or {})
        check_renderer(renderer, self._vary)
        for task in episodes.classes.values() if vary else ():
            check_vary(self._vary, task, episodes.engine, scenes=False)
        self.num_envs = num_envs = int(episodes.num_worlds)
        self.ends_on_success = bool(terminate_on_success)
        default = next(iter(episodes.classes.values())).camera
        self.camera = camera or default or next(iter(episodes.cameras), "")
        self._size, self.render_mode = (height, width), render_mode
        fps = round(1.0 / episodes.control_period_s)
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": fps, "autoreset_mode": self.mode}
        example = episodes.example(self._seed(0, 0, 0))
        shown = (self.camera,) if cameras is None else tuple(cameras)
        shots = Shots(cameras=shown, height=height, width=width, modes=tuple(modes), renderer=renderer)
        self.observer = Observer(episodes, example, obs_mode, shots)
        self.single_observation_space = self.observer.space
        self.single_action_space = gym.spaces.Box(-1.0, 1.0, (episodes.action_size,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._root = np.zeros(num_envs, np.int64)
        self._episode = np.arange(num_envs)
        self._stride = num_envs
        self._done = np.zeros(num_envs, bool)
        self._all = np.arange(num_envs)
        self._observation = self.observer.empty(num_envs)
        self._seeded = False

    @property
    def max_episode_steps(self) -> int:
        """Steps until truncation."""
        return self.episodes.horizon

    @property
    def next_episodes(self) -> Array:
        """Index of the episode that each world begins next ``(N,)``."""
        return self._episode.copy()

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin episodes.

        Args:
            seed: Root seed, or one per world; None goes on with the next episodes.
            options: ``reset_mask`` (N,) bool: only these worlds; ``episodes`` (n,) indices of the episodes to begin;
                ``sample``: factor name to value used instead of what would be drawn.
        """
        options = dict(options or {})
        unknown = set(options) - _RESET_OPTIONS
        if unknown:
            raise InvalidConfig(f"unknown reset options {sorted(unknown)}; valid: {sorted(_RESET_OPTIONS)}")
        rows = self._rows(options.get("reset_mask"))
        self._set_seeds(seed, rows)
        if "episodes" in options:
            self._episode[rows] = np.asarray(options["episodes"], np.int64)
        sample = options.get("sample") or {}
        for name, value in sample.items():
            for task in self.episodes.classes.values():
                check_override(task, name, value)
        values = self._begin(rows, sample)
        put_rows(self._observation, rows, values)
        self._done[rows] = False
        return _copied(self._observation), self._success_info(np.zeros(self.num_envs, bool))

    def step(self, actions: Array) -> tuple[Any, Array, Array, Array, dict[str, Any]]:
        """Step all worlds; finished ones begin again as ``autoreset_mode`` says."""
        s = self.episodes.step(actions)
        observation, reward, success = self.observer(s.observation), s.reward, s.success
        terminated, truncated = s.terminated.copy(), s.truncated
        if self.ends_on_success:
            terminated |= success
        if self.mode is AutoresetMode.NEXT_STEP and self._done.any():
            rows = np.flatnonzero(self._done)
            put_rows(observation, rows, self._begin(rows))
            reward, success = np.where(self._done, 0.0, reward), success & ~self._done
            terminated, truncated = terminated & ~self._done, truncated & ~self._done
        info = self._success_info(success)
        done = terminated | truncated
        if self.episodes.failures:
            self._report_failures(info)
        if self.mode is AutoresetMode.SAME_STEP and done.any():
            self._same_step(observation, info, done)
            done = np.zeros(self.num_envs, bool)
        self._done, self._observation = done, observation
        return _copied(observation), reward, terminated, truncated, info

    def render(self) -> tuple[Array, ...] | None:
        """Return one rgb picture ``(H, W, 3)`` per world."""
        if self.render_mode is None:
            return None
        height, width = self._size
        return tuple(self.episodes.render(self.camera, height, width))

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return an attribute, or what a method returns, once per world."""
        value = getattr(self, name)
        return tuple((value(*args, **kwargs) if callable(value) else value) for _ in range(self.num_envs))

    def close_extras(self, **_: Any) -> None:
        """Free the engine."""
        self.episodes.close()

    def _seed(self, root: int, episode: int, row: int) -> EpisodeSeed:
        return EpisodeSeed(root=int(root), task=self.episodes.task_of(row), episode=int(episode), split=self.split)

    def _begin(self, rows: Array, sample: Mapping[str, Array] | None = None) -> Any:
        seeds = [self._seed(int(self._root[i]), int(self._episode[i]), int(i)) for i in rows]
        varied = draw_variations(self._vary, self.episodes, seeds)
        observation = self.episodes.begin(rows, seeds, sample, varied)
        self._episode[rows] += self._stride
        return self.observer(observation, rows)

    def _set_seeds(self, seed: int | Sequence[int | None] | None, rows: Array) -> None:
        if seed is None:
            if not self._seeded:
                self._root[:] = np.random.SeedSequence().generate_state(1)[0]
                self._seeded = True
            return
        if isinstance(seed, (int, np.integer)):
            self._root[rows], self._episode[rows], self._stride = int(seed), rows, self.num_envs
        else:
            if len(seed) != self.num_envs:
                raise InvalidConfig(f"seed has {len(seed)} entries for {self.num_envs} worlds")
            fresh = np.random.SeedSequence().generate_state(self.num_envs)
            roots = np.array([fresh[i] if s is None else s for i, s in enumerate(seed)], np.int64)
            self._root[rows], self._episode[rows], self._stride = roots[rows], 0, 1
        self._seeded = True

    def _rows(self, mask: Array | None) -> Array:
        if mask is None:
            return self._all
        mask = np.asarray(mask)
        if mask.shape != (self.num_envs,) or mask.dtype != bool:
            raise InvalidConfig(f"reset_mask must be ({self.num_envs},) bool, got {mask.shape} {mask.dtype}")
        return np.flatnonzero(mask)

    def _same_step(self, observation: Any, info: dict[str, Any], done: Array) -> None:
        rows = np.flatnonzero(done)
        final = np.full(self.num_envs, None, object)
        for row in rows:
            final[row] = _copied(take_row(observation, int(row)))
        info["final_obs"], info["_final_obs"] = final, done.copy()
        kept = {k: v.copy() for k, v in info.items() if not k.startswith(("_", "final"))}
        info["final_info"] = {**kept, **{f"_{k}": done.copy() for k in kept}}
        info["_final_info"] = done.copy()
        put_rows(observation, rows, self._begin(rows))
        for name in ("success", "is_success"):
            info[name] = info[name] & ~done

    def _success_info(self, success: Array) -> dict[str, Any]:
        every = np.ones(self.num_envs, bool)
        return {"success": success, "_success": every, "is_success": success, "_is_success": every}

    def _report_failures(self, info: dict[str, Any]) -> None:
        reasons = np.full(self.num_envs, None, object)
        for world, reason in self.episodes.failures.items():
            reasons[world] = reason
        info["failure"], info["_failure"] = reasons, np.array([r is not None for r in reasons])


class VectorTaskEnv(EpisodesVectorEnv):
    """N worlds of one task.

    ``reset(seed=s)`` makes world i run episode i of root seed s, then i + N, i + 2 N, ...; so one world or a thousand
    see the same episodes. ``reset(seed=[...])`` gives each world a root seed of its own and episode 0.

    Args:
        task: Registered id or task class.
        num_envs: N.
        backend: Engine.
        workers: Threads (MuJoCo) or processes (PyBullet) of the engine. A script that asks for processes needs the
            usual ``if __name__ == "__main__"`` guard, since each of them imports it.
        horizon: Steps until truncation; None for the task's.
        **options: As for :class:`EpisodesVectorEnv`.
    """

    def __init__(
        self,
        task: str | type[Task],
        num_envs: int = 1,
        *,
        backend: str = "mujoco",
        workers: int = 1,
        horizon: int | None = None,
        **options: Any,
    ) -> None:
        episodes = Episodes(task, backend, num_envs, workers=workers, horizon=horizon)
        try:
            super().__init__(episodes, **options)
        except BaseException:
            episodes.close()
            raise
        self.task = episodes.task

    @property
    def task_description(self) -> str:
        """The instruction in words."""
        return self.task.instruction


def _autoreset(mode: AutoresetMode | str) -> AutoresetMode:
    if isinstance(mode, AutoresetMode):
        return mode
    try:
        return (
            AutoresetMode[str(mode).upper()] if str(mode).upper() in AutoresetMode.__members__ else AutoresetMode(mode)
        )
    except ValueError:
        raise InvalidConfig(f"autoreset_mode must be one of {list(AutoresetMode.__members__)}, got {mode!r}") from None


def _copied(observation: Any) -> Any:
    return {k: v.copy() for k, v in observation.items()} if isinstance(observation, dict) else observation.copy()
