"""Episodes of one task in N worlds: the core that every environment and adapter is a thin face of.

The order of a step: action → control → engine → memory → observation, reward, success. Nothing here knows an engine
or a task; both come by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metasim.core.backend import BACKENDS
from metasim.core.errors import InvalidConfig, InvalidState, NotReady
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS, Task
from metasim.envs.actions import checked_action
from metasim.envs.samples import draw_samples
from metasim.envs.varying import Varying
from metasim.envs.worlds import Worlds
from metasim.model import Model, compile_scene
from metasim.randomize.variation import Variation, unvaried

Array = Any


@dataclass(frozen=True, slots=True)
class Step:
    """What N worlds answer to one action.

    Attributes:
        observation: Name to ``(N, K)``; fresh arrays or views that the next step invalidates.
        reward: ``(N,)`` float64.
        success: ``(N,)`` bool.
        terminated: ``(N,)`` bool: the decision process ended, or the world failed.
        truncated: ``(N,)`` bool: the horizon is reached.
    """

    observation: Mapping[str, Array]
    reward: Array
    success: Array
    terminated: Array
    truncated: Array


class Episodes(Worlds):
    """N worlds of a task in an engine.

    Args:
        task: Registered id, or a task class.
        backend: Name of the engine.
        num_worlds: N.
        workers: Threads or processes of the engine.
        horizon: Steps until truncation; None for the task's.
        model: The task's scene, where it is compiled already.

    Raises:
        UnknownName: For an unknown task or engine.
        UnsupportedFeature: If the engine cannot express the task's scene.
    """

    def __init__(
        self,
        task: str | type[Task],
        backend: str = "mujoco",
        num_worlds: int = 1,
        *,
        workers: int = 1,
        horizon: int | None = None,
        model: Model | None = None,
    ) -> None:
        cls = TASKS[task] if isinstance(task, str) else task
        self.task = cls()
        self.horizon = cls.horizon if horizon is None else int(horizon)
        if self.horizon < 1:
            raise InvalidConfig(f"horizon must be at least 1, got {horizon!r}")
        model = model or compile_scene(cls.scene, cls.reads.merge(cls.control.reads()))
        super().__init__(model, backend, num_worlds, workers=workers, surfaces=cls.surfaces)
        self.control = cls.control.bind(self.backend)
        self.action_size = self.control.size
        self._settle(backend)
        self._settled = self.backend.snapshot(np.zeros(1, np.int64))
        self.memory: dict[str, Array] = {}
        self.elapsed = np.zeros(num_worlds, np.int64)
        self.seeds: list[EpisodeSeed | None] = [None] * num_worlds
        self._varying = Varying(self.task, self.backend, self.action_size)
        self._never = np.zeros(num_worlds, bool)
        self._running = False
        self.control_period_s = self.model.info.timestep_s * cls.substeps

    def begin(
        self,
        rows: Array,
        seeds: Sequence[EpisodeSeed],
        overrides: Mapping[str, Array] | None = None,
        variations: Sequence[Variation | None] | None = None,
    ) -> Mapping[str, Array]:
        """Begin new episodes in worlds ``rows`` ``(n,)``, sorted, and return their observations ``(n, K)``.

        Args:
            rows: The worlds.
            seeds: One per row.
            overrides: Factor name to value ``(K,)`` or ``(n, K)`` used instead of what would be drawn.
            variations: One per row: axis name to value, as :func:`metasim.randomize.sample` draws them, or None where
                nothing varies.

        Raises:
            UnsupportedFeature: For a variation that this task or engine cannot have.
            InvalidConfig: For one that needs another scene (:func:`metasim.randomize.varied_task`).
        """
        self._open()
        sample = self.draw(seeds, overrides)
        varied = self._varying.checked(rows, variations)
        parts = self._varying.starts(self.task.start(sample), varied)
        self.backend.restore(self._settled, rows, np.zeros(len(rows), np.int64))
        for part, begins in parts:
            self.backend.write(begins, rows[part])
        self._varying.begin(rows, seeds, varied, self._looks)
        self.control.reset(self.backend.state, rows)
        state = self.backend.state.take(rows)
        memory = self.task.begin(state, sample)
        self._remember(rows, memory)
        self.elapsed[rows] = 0
        for row, seed in zip(rows, seeds, strict=True):
            self.seeds[int(row)] = seed
        self._running = self._running or all(s is not None for s in self.seeds)
        return self.task.observe(state, memory)

    def example(self, seed: EpisodeSeed) -> Mapping[str, Array]:
        """Return one world's first observation ``(1, K)``, to learn the layout; the world still has to be begun.

        Every function of the task is called once, so that a read it did not declare is found now.
        """
        observation = {k: v.copy() for k, v in self.begin(np.zeros(1, np.int64), [seed]).items()}
        state = self.backend.state.take(np.zeros(1, np.int64))
        action = np.zeros((1, self.action_size), np.float32)
        memory = self.task.advance(state, {k: v[:1] for k, v in self.memory.items()}, action)
        self.task.reward(state, memory, action)
        self.task.success(state, memory)
        self.task.terminated(state, memory)
        self.seeds[0], self._running = None, False
        return observation

    def draw(self, seeds: Sequence[EpisodeSeed], overrides: Mapping[str, Array] | None = None) -> dict[str, Array]:
        """Return what varies in some episodes: factor name to value ``(n, ...)``."""
        return draw_samples(self.task, seeds, overrides)

    def step(self, action: Array) -> Step:
        """Advance every world by one action ``(N, A)``; values outside [-1, 1] are clipped.

        Raises:
            InvalidAction: For a wrong shape or values that are not finite; no world is stepped.
            NotReady: Before the first reset or after ``close``.
        """
        if not self._running or self._closed:
            self._open()
            raise NotReady("step was called before reset; call reset() first")
        return self.advance(checked_action(action, (self.num_worlds, self.action_size)))

    def advance(self, action: Array) -> Step:
        """Advance every world by one action ``(N, A)`` that has been checked; the bare ``step``."""
        backend, task = self.backend, self.task
        if self._varying.at_steps:
            action = self._varying.channels.act(action)
        self.control.apply(action, backend.state)
        if self._varying.at_steps:
            self._varying.channels.push(backend)
        state = backend.step(task.substeps)
        memory = self.memory = self._owned(task.advance(state, self.memory, action))
        observation = task.observe(state, memory)
        reward = task.reward(state, memory, action)
        success = task.success(state, memory)
        self.elapsed += 1
        ended = task.terminated(state, memory)
        terminated = self._never if ended is None else ended
        if backend.failures:
            observation, reward, success, terminated = self._failed(observation, reward, success, terminated)
        return Step(observation, reward, success, terminated, self.elapsed >= self.horizon)

    @property
    def variations(self) -> list[Variation | None]:
        """What varies in each world now, axis name to value; None where nothing does."""
        return list(self._varying.variations)

    @property
    def classes(self) -> Mapping[str, type[Task]]:
        """The task by its id."""
        return {self.task.id: unvaried(type(self.task))}

    def task_of(self, row: int) -> str:
        """Return the id of the task that a world runs."""
        return self.task.id

    def snapshot(self) -> dict[str, Any]:
        """Return an exact copy of all worlds with memory, control and clocks."""
        self._open()
        return {
            "backend": self.backend.snapshot(),
            "memory": {k: v.copy() for k, v in self.memory.items()},
            "control": {k: v.copy() for k, v in self.control.memory.items()},
            "elapsed": self.elapsed.copy(),
            "seeds": list(self.seeds),
            "looks": list(self._looks),
            **self._varying.snapshot(),
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Put all worlds back to a snapshot."""
        self._open()
        self.backend.restore(snapshot["backend"])
        self.memory = {k: v.copy() for k, v in snapshot["memory"].items()}
        for name, value in snapshot["control"].items():
            self.control.memory[name][:] = value
        self.elapsed[:] = snapshot["elapsed"]
        self.seeds = list(snapshot["seeds"])
        self._looks = list(snapshot["looks"])
        self._varying.restore(snapshot)

    def _settle(self, backend: str) -> None:
        prelude = self.task.prelude
        if not prelude.substeps:
            return
        with BACKENDS[backend](1) as one:
            one.load(self.model)
            info, targets = one.info, one.targets
            for name, pos in prelude.mocap.items():
                k = info.index("mocap", name)
                targets.mocap_pos[:, k], targets.mocap_quat[:, k] = pos, prelude.mocap_quat
            for name, value in prelude.controls.items():
                targets.ctrl[:, info.index("actuator", name)] = value
            one.step(prelude.substeps)
            if one.failures:
                raise InvalidState(f"task {self.task.id!r} does not survive its prelude: {one.failures[0]}")
            settled = one.dump()
        self.backend.load_dump(np.repeat(settled, self.num_worlds, axis=0))

    def _remember(self, rows: Array, memory: Mapping[str, Array]) -> None:
        if not self.memory:
            self.memory = {
                k: np.zeros((self.num_worlds, *np.shape(v)[1:]), np.asarray(v).dtype) for k, v in memory.items()
            }
        for name, value in memory.items():
            self.memory[name][rows] = value

    @staticmethod
    def _owned(memory: Mapping[str, Array]) -> dict[str, Array]:
        return {k: v if v.flags.writeable else v.copy() for k, v in memory.items()}

    def _failed(
        self, observation: Mapping[str, Array], reward: Array, success: Array, terminated: Array
    ) -> tuple[Any, ...]:
        failed = np.zeros(self.num_worlds, bool)
        failed[list(self.backend.failures)] = True
        clean = {
            k: np.where(failed[:, None], np.nan_to_num(v, nan=0.0, posinf=0.0, neginf=0.0), v)
            for k, v in observation.items()
        }
        return clean, np.where(failed, 0.0, reward), success & ~failed, terminated | failed
