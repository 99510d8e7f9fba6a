"""The environment of a benchmark's split: which goals its worlds have, and the next ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv, VectorWrapper

from metasim.core.errors import InvalidConfig
from metasim.core.protocol import Benchmark, Split, TaskGoal
from metasim.envs.group import GroupVectorEnv

Array = Any


class ProtocolEnv(VectorWrapper[Any, Any, Any, Any, Any]):
    """The worlds of a split: k of the first task, then k of the second, and so on.

    The first ``reset`` without a seed takes the benchmark's, so that the same id and seed mean the same episodes.

    Args:
        env: The wrapped :class:`~metasim.envs.group.GroupVectorEnv`.
        benchmark: The benchmark.
        split: Its split, with the goals in use.
        own: Per world, indices into the goals of its task, in the order of the group's goals.
        settings: What the environment was made with, as plain JSON values.

    Attributes:
        benchmark: As given.
        split: As given.
        settings: As given.
        group: The innermost environment.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        benchmark: Benchmark,
        split: Split,
        own: Sequence[Array],
        settings: Mapping[str, Any],
    ) -> None:
        super().__init__(env)
        self.benchmark, self.split, self.settings = benchmark, split, settings
        self._own = [np.asarray(o) for o in own]
        self.group: GroupVectorEnv = env.unwrapped  # type: ignore[assignment]
        self._seeded = False
        self._sampler(benchmark.seed)
        self.action_space.seed(benchmark.seed)
        if self.holds:
            self.group.set_goals(np.array([queue[0] for queue in self._queues]))

    @property
    def holds(self) -> bool:
        """Whether goals stay until ``sample_tasks`` or ``set_tasks``."""
        return self.settings["goal_choice"] == "hold"

    @property
    def tasks(self) -> tuple[str, ...]:
        """Each world's task id."""
        return self.group.tasks

    @property
    def task_index(self) -> Array:
        """Each world's place in the split's tasks ``(N,)``."""
        return np.array([self.split.tasks.index(task) for task in self.tasks])

    @property
    def task_goals(self) -> tuple[TaskGoal, ...]:
        """Which goal of its task each world has in this episode."""
        found = zip(self.tasks, self._own, self.group.goal_index, strict=True)
        return tuple(TaskGoal(task=task, index=int(own[k])) for task, own, k in found)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Begin episodes; arguments as for :class:`~metasim.envs.vector.VectorTaskEnv`."""
        if seed is None and not self._seeded:
            seed = self.benchmark.seed
        self._seeded = True
        return self.env.reset(seed=seed, options=options)

    def sample_tasks(self, *, seed: int | None = None) -> tuple[Any, dict[str, Any]]:
        """Give every world its next goal, and begin an episode of it.

        The k worlds of a task share its goals out; each goes through its own in random order, again and again.

        Args:
            seed: Begins the order, and the episodes, anew.

        Raises:
            InvalidConfig: If episodes choose their goals themselves.
        """
        self._must_hold()
        if seed is not None:
            self._sampler(seed)
        self._next_goals()
        return self.reset(seed=seed)

    def set_tasks(self, chosen: Sequence[TaskGoal]) -> None:
        """Choose each world's goal from its next episode on.

        Raises:
            InvalidConfig: If one is of another task than its world runs, or there are not N.
            UnknownName: If one is of a task that is not in the split.
        """
        self._must_hold()
        if len(chosen) != self.num_envs:
            raise InvalidConfig(f"set_tasks needs {self.num_envs} goals, one per world, got {len(chosen)}")
        for world, (goal, task) in enumerate(zip(chosen, self.tasks, strict=True)):
            self.split.goal(goal)
            if goal.task != task:
                raise InvalidConfig(f"world {world} runs {task}; it cannot be set to a goal of {goal.task}")
        self.group.set_goals(np.array([goal.index for goal in chosen]))

    def _must_hold(self) -> None:
        if not self.holds:
            raise InvalidConfig("episodes of this environment choose their goals; make it with goal_choice='hold'")

    def _sampler(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        counts = {task: self.tasks.count(task) for task in self.split.tasks}
        place = [self.tasks[:i].count(task) for i, task in enumerate(self.tasks)]
        goals = [np.arange(len(self.split.goals[task])) for task in self.tasks]
        self._queues = [g[j :: counts[task]] for g, j, task in zip(goals, place, self.tasks, strict=True)]
        self._turn = np.zeros(self.num_envs, np.int64)

    def _next_goals(self) -> None:
        for world, queue in enumerate(self._queues):
            if self._turn[world] % len(queue) == 0:
                self._rng.shuffle(queue)
        chosen = [queue[turn % len(queue)] for queue, turn in zip(self._queues, self._turn, strict=True)]
        self._turn += 1
        self.group.set_goals(np.array(chosen))
