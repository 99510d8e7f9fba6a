"""Environments of a benchmark: the worlds of one of its splits, with the observations and rewards that were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv, VectorWrapper

from metasim.core.errors import InvalidConfig
from metasim.core.protocol import PROTOCOLS, Benchmark, Split, TaskGoal
from metasim.core.task import TASKS
from metasim.envs.group import GroupVectorEnv
from metasim.envs.wrappers import HideGoal, NormalizeReward, OneHot, Recurrent

Array = Any
GOAL = "goal"
"""Name of the observation that ``goals_visible`` is about."""


class ProtocolEnv(VectorWrapper[Any, Any, Any, Any, Any]):
    """The worlds of a split: k of the first task, then k of the second, and so on.

    The first ``reset`` without a seed takes the benchmark's, so that the same id and seed mean the same episodes.

    Args:
        env: The wrapped :class:`~metasim.envs.group.GroupVectorEnv`.
        benchmark: The benchmark.
        split: Its split, with the goals in use.
        own: Per world, indices into the goals of its task, in the order of the group's goals.

    Attributes:
        benchmark: As given.
        split: As given.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], benchmark: Benchmark, split: Split, own: Sequence[Array]) -> None:
        super().__init__(env)
        self.benchmark, self.split, self._own = benchmark, split, [np.asarray(o) for o in own]
        self.group: GroupVectorEnv = env.unwrapped  # type: ignore[assignment]
        self._seeded = False
        self._sampler(benchmark.seed)
        self.action_space.seed(benchmark.seed)
        if self.holds:
            self._next_goals()

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

    @property
    def holds(self) -> bool:
        """Whether goals stay until ``sample_tasks`` or ``set_tasks``."""
        return self.group.goal_choice == "hold"

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


def make_protocol(
    id: str,
    num_envs: int | None = None,
    *,
    seed: int | None = None,
    num_goals: int = 50,
    meta_batch_size: int | None = None,
    goals_visible: bool | None = None,
    goal_choice: str | None = None,
    **options: Any,
) -> ProtocolEnv:
    """Return the environment of a registered protocol.

    Args:
        id: For example ``"metaworld/MT50"`` or ``"metaworld/ML10-train"``.
        num_envs: N, a multiple of the number of tasks; None for the protocol's default.
        seed: What the goals are drawn with, and what the first reset takes; None for a fresh one.
        num_goals: How many goals are drawn per task. Goals of later tasks depend on it.
        meta_batch_size: Another name of ``num_envs``, as it is known from meta-learning.
        goals_visible: Whether observations show the goal; None for what the benchmark says.
        goal_choice: ``"random"``, ``"cycle"`` or ``"hold"``; None for the protocol's.
        **options: What the user must choose (``task=``, ``tasks=``, ``train=`` and ``test=``), and as for
            :func:`benchmark_env`.

    Raises:
        UnknownName: For an unknown protocol, task or engine.
        InvalidConfig: For options that cannot work.
    """
    protocol = PROTOCOLS[id]
    chosen = {name: options.pop(name) for name in ("task", "tasks", "train", "test") if name in options}
    benchmark = protocol.benchmark(seed, num_goals, **chosen)
    if meta_batch_size is not None:
        if num_envs not in (None, meta_batch_size):
            raise InvalidConfig(
                f"num_envs {num_envs!r} and meta_batch_size {meta_batch_size!r} mean the same; give one"
            )
        num_envs = meta_batch_size
    if num_envs is None and protocol.worlds:
        tasks = len(benchmark.split(protocol.split).tasks)
        num_envs = -(-protocol.worlds // tasks) * tasks
    return benchmark_env(
        benchmark,
        protocol.split,
        num_envs,
        goals_visible=goals_visible,
        goal_choice=goal_choice or protocol.goal_choice,
        **options,
    )


def benchmark_env(
    benchmark: Benchmark,
    split: str = "train",
    num_envs: int | None = None,
    *,
    goals_visible: bool | None = None,
    goal_choice: str = "random",
    goals_per_task: int | None = None,
    one_hot: bool = False,
    recurrent: bool = False,
    recurrent_reward_scale: float = 0.1,
    normalize_reward: str | None = None,
    reward_alpha: float = 0.001,
    max_episode_steps: int | None = None,
    autoreset_mode: Any = "same_step",
    **options: Any,
) -> ProtocolEnv:
    """Return an environment of one split of a benchmark.

    Args:
        benchmark: The benchmark.
        split: ``"train"`` or ``"test"``.
        num_envs: N, a multiple of the number of tasks; None for one world per task.
        goals_visible: Whether observations show the goal; None for what the benchmark says.
        goal_choice: ``"random"``: each episode draws one of its task's goals; ``"cycle"``: one after another, shared
            out among the worlds of the task; ``"hold"``: until ``sample_tasks`` or ``set_tasks``.
        goals_per_task: Only the first so many goals of each task; None for all.
        one_hot: Append the number of the world's task, one-hot.
        recurrent: Append last action, reward times ``recurrent_reward_scale``, and end of episode.
        recurrent_reward_scale: See there.
        normalize_reward: ``"return"``, ``"exponential"`` or None; see
            :class:`~metasim.envs.wrappers.NormalizeReward`.
        reward_alpha: Weight of a new reward, for ``"exponential"``.
        max_episode_steps: Steps until truncation; None for the tasks' own.
        autoreset_mode: When finished worlds begin again.
        **options: As for :class:`~metasim.envs.group.GroupVectorEnv`: ``backend``, ``workers``,
            ``terminate_on_success``, ``render_mode``, ``camera``, ``width``, ``height``.
    """
    _known(options)
    part = benchmark.split(split).first(goals_per_task)
    worlds = _worlds_per_task(num_envs, len(part.tasks))
    tasks = [task for task in part.tasks for _ in range(worlds)]
    step = worlds if goal_choice == "cycle" else 1
    own = [np.arange(len(part.goals[task]))[j % step :: step] for task in part.tasks for j in range(worlds)]
    if min(map(len, own)) == 0:
        raise InvalidConfig(f"{worlds} worlds per task cannot share {min(map(len, part.goals.values()))} goals out")
    group = GroupVectorEnv(
        tasks,
        goals=[part.goals[task][k] for task, k in zip(tasks, own, strict=True)],
        goal_factor=benchmark.factor,
        goal_choice=goal_choice,  # type: ignore[arg-type]
        horizon=max_episode_steps,
        autoreset_mode=autoreset_mode,
        **options,
    )
    env: VectorEnv[Any, Any, Any] = group
    try:
        if not (benchmark.goals_visible if goals_visible is None else goals_visible):
            env = HideGoal(env, _columns(group, GOAL))
        if one_hot:
            env = OneHot(env, np.repeat(np.arange(len(part.tasks)), worlds), len(part.tasks))
        if recurrent:
            env = Recurrent(env, recurrent_reward_scale)
        if normalize_reward is not None:
            env = NormalizeReward(env, normalize_reward, alpha=reward_alpha)
        return ProtocolEnv(env, benchmark, part, own)
    except BaseException:
        group.close()
        raise


GROUP_OPTIONS = {
    "backend",
    "workers",
    "terminate_on_success",
    "render_mode",
    "camera",
    "width",
    "height",
}


def _known(options: dict[str, Any]) -> None:
    odd = sorted(set(options) - GROUP_OPTIONS)
    if odd:
        raise InvalidConfig(
            f"unknown options {odd} of a protocol's environment; valid besides: {sorted(GROUP_OPTIONS)}"
        )


def _worlds_per_task(num_envs: int | None, tasks: int) -> int:
    if num_envs is None:
        return 1
    if isinstance(num_envs, bool) or not isinstance(num_envs, (int, np.integer)) or num_envs < 1 or num_envs % tasks:
        near = max(1, round(num_envs / tasks)) * tasks if isinstance(num_envs, (int, np.integer)) else tasks
        raise InvalidConfig(
            f"num_envs must be a multiple of the {tasks} tasks, so that each has equally many worlds, got {num_envs!r};"
            f" the nearest is {near}"
        )
    return int(num_envs) // tasks


def _columns(group: GroupVectorEnv, name: str) -> slice:
    for column in group.observer.layout:
        if column.name == name:
            return slice(column.start, column.start + column.size)
    raise InvalidConfig(f"{TASKS[group.tasks[0]].id} observes no {name!r} that could be hidden")
