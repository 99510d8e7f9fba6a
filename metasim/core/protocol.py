"""Protocols: which tasks with which goals a method is trained and tested on, as frozen data.

A suite describes its benchmarks here; ``metasim.envs`` makes environments of them, and ``metasim.benchmarks`` evaluates
on them. Nothing in this module knows a simulator, an environment or a suite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from metasim.core.errors import InvalidConfig, UnknownName, nearest
from metasim.core.registry import Registry

Array = Any
MAX_SEED = 2**32 - 1
NUM_GOALS = 50


@dataclass(frozen=True, kw_only=True)
class TaskGoal:
    """One goal of one task: what a world of that task can be set to.

    Attributes:
        task: Task id.
        index: Index of the goal among the task's goals in its split.
    """

    task: str
    index: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """The tasks of a split, in order, and the goals of each.

    Args:
        name: ``"train"`` or ``"test"``.
        goals: Task id to its goals ``(G, K)``; copied and made read-only.
    """

    name: str
    goals: Mapping[str, Array]

    def __post_init__(self) -> None:
        """Check and freeze."""
        frozen: dict[str, Array] = {}
        for task, goals in self.goals.items():
            array = np.array(goals, float)
            if array.ndim != 2 or not len(array):
                raise InvalidConfig(f"goals of {task!r} must be (G, K) with at least one row, got shape {array.shape}")
            array.setflags(write=False)
            frozen[task] = array
        if not frozen:
            raise InvalidConfig(f"split {self.name!r} needs at least one task")
        object.__setattr__(self, "goals", MappingProxyType(frozen))

    @property
    def tasks(self) -> tuple[str, ...]:
        """Task ids, in order."""
        return tuple(self.goals)

    @property
    def task_goals(self) -> tuple[TaskGoal, ...]:
        """Every goal of every task, in order."""
        return tuple(TaskGoal(task=task, index=i) for task, goals in self.goals.items() for i in range(len(goals)))

    def goal(self, chosen: TaskGoal) -> Array:
        """Return a goal ``(K,)``, read-only.

        Raises:
            UnknownName: If the task is not in this split.
            InvalidConfig: If it has no goal of that index.
        """
        if chosen.task not in self.goals:
            raise UnknownName(f"task of the {self.name} split", chosen.task, self.goals)
        goals = self.goals[chosen.task]
        if not (is_whole(chosen.index) and 0 <= chosen.index < len(goals)):
            raise InvalidConfig(f"{chosen.task} has goals 0 to {len(goals) - 1}, got index {chosen.index!r}")
        return goals[chosen.index]

    def first(self, count: int | None) -> Split:
        """Return the split with the first ``count`` goals of each task only; None for all."""
        if count is None:
            return self
        for task, goals in self.goals.items():
            if not (is_whole(count) and 1 <= count <= len(goals)):
                raise InvalidConfig(f"goals per task must be an integer of 1 to {len(goals)} ({task}), got {count!r}")
        return Split(name=self.name, goals={task: goals[:count] for task, goals in self.goals.items()})


@dataclass(frozen=True, kw_only=True, eq=False)
class Benchmark:
    """A benchmark, built for one seed.

    Args:
        name: Its name.
        seed: What its goals were drawn with.
        goals_visible: Whether observations show the goal, unless the user asks otherwise.
        train: What is trained on.
        test: What is tested on; None where that is the same.
        factor: The task factor that the goals are values of.
    """

    name: str
    seed: int
    goals_visible: bool
    train: Split
    test: Split | None = None
    factor: str = "rand_vec"

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""
        return ("train",) if self.test is None else ("train", "test")

    @property
    def overlap(self) -> tuple[str, ...]:
        """Tasks that are in both splits."""
        return tuple(task for task in self.train.tasks if self.test is not None and task in self.test.goals)

    def split(self, name: str) -> Split:
        """Return a split by name.

        Raises:
            InvalidConfig: For a name that this benchmark has no split of.
        """
        found = {"train": self.train, "test": self.test}.get(name)
        if found is None:
            raise InvalidConfig(f"{self.name} has no split {name!r}; {nearest(str(name), self.splits)}")
        return found


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What stands behind an id such as ``metaworld/ML10-train``.

    Attributes:
        build: ``(*, seed, num_goals, **choices) -> Benchmark``.
        split: Which split of it.
        summary: One sentence.
        tasks: Task ids of the split, empty where the user chooses them.
        choices: Names of what the user must choose, for example ``("task",)``.
        worlds: Least number of worlds by default; None for one per task. It is rounded up to whole tasks.
        goal_choice: How episodes take their goals: ``"random"`` (each its own) or ``"hold"`` (until new tasks are
            sampled).
    """

    build: Callable[..., Benchmark]
    split: str
    summary: str
    tasks: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    worlds: int | None = None
    goal_choice: str = "random"

    def benchmark(self, seed: int | None, num_goals: int, **chosen: Any) -> Benchmark:
        """Build the benchmark; without a seed, one is drawn.

        Raises:
            InvalidConfig: If a choice is missing or one too many, or for a seed that cannot be one.
        """
        if set(chosen) != set(self.choices):
            need = f"needs {[*self.choices]}" if self.choices else "lets you choose no tasks"
            raise InvalidConfig(f"this protocol {need}, got {sorted(chosen)}")
        return self.build(seed=checked_seed(seed), num_goals=num_goals, **chosen)


def protocol_goals(id: str, tasks: tuple[str, ...], seed: int) -> tuple[str, dict[str, Array]]:
    """Return the factor that a protocol's goals are values of, and task to goals ``(G, K)`` for some of its tasks.

    With a protocol of one task at a time (``MT1``), every task has the goals of its own benchmark.

    Raises:
        UnknownName: If there is no such protocol, or it has no such task.
        InvalidConfig: If the protocol needs to be told more than a task.
    """
    protocol = PROTOCOLS[id]
    if protocol.choices == ("task",):
        built = {task: protocol.benchmark(seed, NUM_GOALS, task=task) for task in tasks}
    else:
        whole = protocol.benchmark(seed, NUM_GOALS)
        built = dict.fromkeys(tasks, whole)
    goals: dict[str, Array] = {}
    for task, benchmark in built.items():
        split = benchmark.split(protocol.split)
        split.goal(TaskGoal(task=task, index=0))
        goals[task] = split.goals[task]
    return next(iter(built.values())).factor, goals


def checked_seed(seed: int | None) -> int:
    """Return a seed in 0..2^32 - 1; a fresh one for None.

    Raises:
        InvalidConfig: For anything else.
    """
    if seed is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if not (is_whole(seed) and 0 <= seed <= MAX_SEED):
        raise InvalidConfig(f"seed must be an integer of 0 to {MAX_SEED}, or None for a fresh one, got {seed!r}")
    return int(seed)


def is_whole(value: object) -> bool:
    """Tell whether a value is an integer, numpy's included, and no truth value."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


PROTOCOLS: Registry[Protocol] = Registry("protocol", builtin="metasim.tasks")
