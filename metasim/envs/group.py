"""Worlds of different tasks in one vector environment, shared out among processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from metasim.core.backend import Images
from metasim.core.errors import InvalidConfig, NotReady
from metasim.core.rendering import blank
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS, Task
from metasim.core.task_files import exported, origins
from metasim.envs.actions import checked_action
from metasim.envs.episodes import Episodes, Step
from metasim.envs.members import Members, describe, same_layout
from metasim.envs.samples import check_override
from metasim.envs.vector import EpisodesVectorEnv
from metasim.randomize.variation import Variation
from metasim.work.crew import Board, Crew

Array = Any
GOAL_CHOICES = ("random", "cycle", "hold")


class EpisodeGroup:
    """Episodes of several tasks side by side, with the face of :class:`~metasim.envs.episodes.Episodes`.

    Args:
        tasks: One registered id per world.
        backend: Name of the engine.
        workers: Processes that share the tasks, this one included.
        horizon: Steps until truncation; None for each task's own.

    Raises:
        UnknownName: For an unknown task.
        InvalidConfig: If the tasks do not observe and act alike.
    """

    def __init__(self, tasks: Sequence[str], backend: str, *, workers: int = 1, horizon: int | None = None) -> None:
        if not tasks or isinstance(tasks, str):
            raise InvalidConfig(f"tasks must be a list of task ids, one per world, got {tasks!r}")
        if workers < 1:
            raise InvalidConfig(f"workers must be a positive integer, got {workers!r}")
        self.tasks, self.num_worlds, self.engine = tuple(tasks), len(tasks), backend
        self.classes: dict[str, type[Task]] = {task: TASKS[task] for task in dict.fromkeys(tasks)}
        ids = np.array(self.tasks)
        rows = {task: np.flatnonzero(ids == task) for task in self.classes}
        shares = _share_out(rows, min(workers, len(rows)))
        self._owner = np.zeros(self.num_worlds, np.int64)
        for k, share in enumerate(shares):
            for part in share.values():
                self._owner[part] = k
        probe = Episodes(self.tasks[0], backend, horizon=horizon)
        try:
            wanted = describe(probe)
        finally:
            probe.close()
        board = self._board(wanted, shared=len(shares) > 1)
        with exported(origins(self.classes.values())):
            jobs = [(share, backend, board, horizon) for share in shares]
            names = [f"worker {k} ({', '.join(share)})" for k, share in enumerate(shares)]
            self._crew = Crew(Members, jobs, names)
        try:
            described = {task: text for part in self._crew.call("describe") for task, text in part.items()}
            same_layout({task: described[task] for task in self.classes})
        except BaseException:
            self._crew.close()
            raise
        self.cameras = tuple(c for c in wanted["cameras"] if all(c in d["cameras"] for d in described.values()))
        self.horizon = max(int(d["horizon"]) for d in described.values())
        self.failures: dict[int, str] = {}
        self._begun = np.zeros(self.num_worlds, bool)
        self._closed = False

    def example(self, seed: EpisodeSeed) -> Mapping[str, Array]:
        """Return one world's observation ``(1, K)`` by name, to learn the layout."""
        return self._example

    def task_of(self, row: int) -> str:
        """Return the id of the task that a world runs."""
        return self.tasks[row]

    def begin(
        self,
        rows: Array,
        seeds: Sequence[EpisodeSeed],
        overrides: Mapping[str, Sequence[Array]] | None = None,
        variations: Sequence[Variation | None] | None = None,
    ) -> Mapping[str, Array]:
        """Begin new episodes in worlds ``rows`` ``(n,)``, sorted, and return their observations ``(n, K)``.

        Args:
            rows: The worlds.
            seeds: One per row.
            overrides: Factor name to one value per row, used instead of what would be drawn.
            variations: One per row, as for one task's episodes; none that needs a scene of its own.
        """
        self._open()
        for name, values in (overrides or {}).items():
            if len(values) != len(rows):
                raise InvalidConfig(f"override of factor {name!r} has {len(values)} values for {len(rows)} worlds")
        if variations is not None and len(variations) != len(rows):
            raise InvalidConfig(f"{len(variations)} variations were given for {len(rows)} worlds")
        calls: list[tuple[Any, ...] | None] = []
        for k in range(len(self._crew)):
            picked: list[int] = np.flatnonzero(self._owner[rows] == k).tolist()
            own = {name: [values[i] for i in picked] for name, values in (overrides or {}).items()}
            varied = None if variations is None else [variations[i] for i in picked]
            calls.append((rows[picked], [seeds[i] for i in picked], own, varied) if len(picked) else None)
        self._crew.call_each("begin", calls)
        self._begun[rows] = True
        self.failures = {world: why for world, why in self.failures.items() if world not in set(rows.tolist())}
        return self._named(self._arrays["observation"][rows])

    def step(self, action: Array) -> Step:
        """Advance every world by one action ``(N, A)``; errors as for one task's episodes."""
        self._open()
        if not self._begun.all():
            raise NotReady("step was called before reset; call reset() first")
        arrays = self._arrays
        arrays["action"][:] = checked_action(action, arrays["action"].shape)
        self.failures = {world: why for found in self._crew.call("step") for world, why in found.items()}
        return Step(
            self._named(arrays["observation"]),
            arrays["reward"].copy(),
            arrays["success"].copy(),
            arrays["terminated"].copy(),
            arrays["truncated"].copy(),
        )

    def failure(self, world: int) -> str | None:
        """Return why a world failed, or None."""
        return self.failures.get(int(world))

    def render(self, camera: str, height: int, width: int, worlds: Array | None = None) -> Array:
        """Return pictures ``(n, H, W, 3)`` uint8."""
        self._open()
        rows = np.arange(self.num_worlds) if worlds is None else np.asarray(worlds)
        picked = [np.flatnonzero(self._owner[rows] == k) for k in range(len(self._crew))]
        calls = [(rows[part], camera, height, width) if len(part) else None for part in picked]
        pictures = np.zeros((len(rows), height, width, 3), np.uint8)
        for part, drawn in zip(picked, self._crew.call_each("render", calls), strict=True):
            if len(part):
                pictures[part] = drawn
        return pictures

    def pictures(
        self,
        camera: str,
        height: int,
        width: int,
        worlds: Array | None = None,
        modes: Sequence[str] = ("rgb",),
        renderer: str = "",
    ) -> Images:
        """Return pictures ``(n, H, W, ...)`` that policies look at, as one task's episodes do."""
        self._open()
        rows = np.arange(self.num_worlds) if worlds is None else np.asarray(worlds)
        picked = [np.flatnonzero(self._owner[rows] == k) for k in range(len(self._crew))]
        calls = [(rows[part], camera, height, width, tuple(modes), renderer) if len(part) else None for part in picked]
        pictures = blank(modes, len(rows), height, width)
        for part, drawn in zip(picked, self._crew.call_each("pictures", calls), strict=True):
            for mode in modes if len(part) else ():
                pictures[mode][part] = drawn[mode]
        return Images(**pictures)

    def snapshot(self) -> list[Any]:
        """Return an exact copy of all worlds, one part per worker."""
        self._open()
        return self._crew.call("snapshot")

    def restore(self, snapshot: Sequence[Any]) -> None:
        """Put all worlds back to a snapshot of this group."""
        self._open()
        self._crew.call_each("restore", [(part,) for part in snapshot])

    def close(self) -> None:
        """Free the engines and end the processes; may be called twice."""
        self._closed = True
        self._crew.close()

    def _board(self, wanted: Mapping[str, Any], *, shared: bool) -> Board:
        self._example, self.action_size = wanted["example"], int(wanted["actions"])
        self.control_period_s = wanted["period_s"]
        self._columns, start = {}, 0
        for name, value in self._example.items():
            self._columns[name] = slice(start, start + value.shape[1])
            start += value.shape[1]
        n = self.num_worlds
        forms: dict[str, Any] = {"action": ((n, self.action_size), np.float32), "observation": ((n, start), np.float64)}
        forms |= {"reward": ((n,), np.float64)}
        forms |= {name: ((n,), np.bool_) for name in ("success", "terminated", "truncated")}
        board = Board(forms, shared=shared)
        self._arrays = board.arrays()
        return board

    def _named(self, flat: Array) -> dict[str, Array]:
        return {name: flat[:, columns] for name, columns in self._columns.items()}

    def _open(self) -> None:
        if self._closed:
            raise NotReady("this environment is closed; make a new one")


def _share_out(rows: Mapping[str, Array], workers: int) -> list[dict[str, Array]]:
    """Deal tasks out so that workers have about equally many worlds; the same tasks always to the same worker."""
    shares: list[dict[str, Array]] = [{} for _ in range(workers)]
    load = [0] * workers
    for task in sorted(rows, key=lambda t: -len(rows[t])):
        k = load.index(min(load))
        shares[k][task] = rows[task]
        load[k] += len(rows[task]) + 1
    return shares


class GroupVectorEnv(EpisodesVectorEnv):
    """N worlds, each of a task of its own choice.

    Episodes are numbered as in :class:`~metasim.envs.vector.VectorTaskEnv`: with one root seed world i runs episodes
    i, i + N, i + 2 N, ... of its task.

    Args:
        tasks: One registered id per world; N is their number.
        backend: Engine.
        workers: Processes that share the tasks, this one included. A script that asks for more than one needs the
            usual ``if __name__ == "__main__"`` guard.
        goals: Per world, values ``(G, K)`` of ``goal_factor`` of which each episode takes one; None to draw freely.
        goal_factor: The factor that ``goals`` are values of.
        goal_choice: Which goal an episode takes: ``"random"`` draws from the episode's seed, ``"cycle"`` takes one
            after another, ``"hold"`` keeps to what :meth:`set_goals` said, at first 0.
        **options: As for :class:`~metasim.envs.vector.VectorTaskEnv`.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        backend: str = "mujoco",
        workers: int = 1,
        goals: Sequence[Array | None] | None = None,
        goal_factor: str = "rand_vec",
        goal_choice: Literal["random", "cycle", "hold"] = "random",
        horizon: int | None = None,
        **options: Any,
    ) -> None:
        if goal_choice not in GOAL_CHOICES:
            raise InvalidConfig(f"goal_choice must be one of {list(GOAL_CHOICES)}, got {goal_choice!r}")
        self._goals = _checked_goals(goals, tasks, goal_factor)
        self._factor, self._choice = goal_factor, goal_choice
        self.goal_index = np.zeros(len(tasks), np.int64)
        self._visits = np.zeros(len(tasks), np.int64)
        self._current: list[Any] = [None if g is None else g[0] for g in self._goals]
        group = EpisodeGroup(tasks, backend, workers=workers, horizon=horizon)
        try:
            super().__init__(group, **options)
        except BaseException:
            group.close()
            raise

    @property
    def tasks(self) -> tuple[str, ...]:
        """The task ids, one per world."""
        return self.episodes.tasks

    @property
    def goal_counts(self) -> Array:
        """Number of goals of each world ``(N,)``; 0 where it draws freely."""
        return np.array([0 if g is None else len(g) for g in self._goals])

    @property
    def goal_values(self) -> Array:
        """The goal of each world's episode ``(N, K)``; only where goals were given, all of the same length."""
        if len({np.shape(goal) for goal in self._current}) > 1 or not self._any_goals:
            raise InvalidConfig("this environment has no goals to show: it draws freely, or its tasks' goals differ")
        return np.stack(self._current)

    def set_goals(self, indices: Sequence[int] | Array) -> None:
        """Choose each world's goal ``(N,)`` from the next reset on; only with ``goal_choice="hold"``."""
        chosen = np.asarray(indices)
        if self._choice != "hold":
            raise InvalidConfig(f"set_goals needs goal_choice='hold', this environment has {self._choice!r}")
        if chosen.shape != (self.num_envs,) or chosen.dtype.kind not in "iu":
            raise InvalidConfig(f"goal indices must be ({self.num_envs},) integers, got {chosen.shape} {chosen.dtype}")
        if ((chosen < 0) | (chosen >= np.maximum(self.goal_counts, 1))).any():
            raise InvalidConfig(f"goal indices {chosen.tolist()} go beyond the numbers of goals {self.goal_counts}")
        self.goal_index = chosen.astype(np.int64)

    def _begin(self, rows: Array, sample: Mapping[str, Array] | None = None) -> Any:
        overrides = {name: [value] * len(rows) for name, value in (sample or {}).items()}
        if self._any_goals and self._factor not in overrides:
            overrides[self._factor] = [self._goal(int(row)) for row in rows]
        for row, goal in zip(rows, overrides.get(self._factor, ()), strict=False):
            self._current[int(row)] = np.asarray(goal, float)
        return super()._begin(rows, overrides)

    @property
    def _any_goals(self) -> bool:
        return self._goals[0] is not None

    def _goal(self, row: int) -> Array:
        goals = self._goals[row]
        if self._choice == "random":
            rng = self._seed(int(self._root[row]), int(self._episode[row]), row).rng("goal")
            self.goal_index[row] = rng.integers(len(goals))
        elif self._choice == "cycle":
            self.goal_index[row] = self._visits[row] % len(goals)
        self._visits[row] += 1
        return goals[self.goal_index[row]]

    def _set_seeds(self, seed: int | Sequence[int | None] | None, rows: Array) -> None:
        super()._set_seeds(seed, rows)
        if seed is not None:
            self._visits[rows] = 0


def _checked_goals(goals: Sequence[Array | None] | None, tasks: Sequence[str], factor: str) -> list[Any]:
    """Return one array ``(G, K)`` per world, or one None per world; goals outside a task's range are refused."""
    if goals is None:
        return [None] * len(tasks)
    if len(goals) != len(tasks):
        raise InvalidConfig(f"goals has {len(goals)} entries for {len(tasks)} worlds")
    if any(g is None for g in goals):
        if all(g is None for g in goals):
            return [None] * len(tasks)
        raise InvalidConfig("goals must be given for every world or for none")
    arrays = [np.asarray(g, float) for g in goals]
    for task, array in zip(tasks, arrays, strict=True):
        if array.ndim != 2 or not len(array) or not np.isfinite(array).all():
            raise InvalidConfig(f"goals of {task!r} must be (G, K) finite numbers with G >= 1, got {array.shape}")
        check_override(TASKS[task], factor, array)
    return arrays
