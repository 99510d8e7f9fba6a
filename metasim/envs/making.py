"""Makes environments of benchmarks: their worlds, with the observations and rewards asked for."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from metasim.core.errors import InvalidConfig
from metasim.core.protocol import PROTOCOLS, Benchmark, Split, is_whole
from metasim.envs.group import GroupVectorEnv
from metasim.envs.protocol import ProtocolEnv
from metasim.envs.wrappers import HideGoal, NormalizeReward, OneHot, Recurrent, ShowGoal

Array = Any
GOAL = "goal"
"""Name of the observation that ``goals_visible`` is about."""
GROUP_OPTIONS = {"backend", "workers", "terminate_on_success", "render_mode", "camera", "width", "height"}


@dataclass(frozen=True, kw_only=True)
class View:
    """How a protocol's worlds look to a learner.

    Args:
        goals_visible: Whether observations show the goal; None for what the benchmark says. Where a task does not
            observe its goal at all, the factor's value is appended.
        one_hot: Append the number of the world's task, one-hot.
        recurrent: Append last action, reward times ``recurrent_reward_scale``, and end of episode.
        recurrent_reward_scale: See there.
        normalize_reward: ``"return"``, ``"exponential"`` or None; see
            :class:`~metasim.envs.wrappers.NormalizeReward`.
        reward_alpha: Weight of a new reward, for ``"exponential"``.
    """

    goals_visible: bool | None = None
    one_hot: bool = False
    recurrent: bool = False
    recurrent_reward_scale: float = 0.1
    normalize_reward: str | None = None
    reward_alpha: float = 0.001

    def of(self, group: GroupVectorEnv, split: Split) -> VectorEnv[Any, Any, Any]:
        """Return the worlds of a split, seen this way."""
        env: VectorEnv[Any, Any, Any] = group
        columns = next((slice(c.start, c.start + c.size) for c in group.observer.layout if c.name == GOAL), None)
        if self.goals_visible and columns is None:
            env = ShowGoal(env, group)
        elif not self.goals_visible and columns is not None:
            env = HideGoal(env, columns)
        if self.one_hot:
            index = np.array([split.tasks.index(task) for task in group.tasks])
            env = OneHot(env, index, len(split.tasks))
        if self.recurrent:
            env = Recurrent(env, self.recurrent_reward_scale)
        if self.normalize_reward is not None:
            env = NormalizeReward(env, self.normalize_reward, alpha=self.reward_alpha)
        return env


VIEW_OPTIONS = {field.name for field in fields(View)}


def make_protocol(
    id: str,
    num_envs: int | None = None,
    *,
    seed: int | None = None,
    num_goals: int = 50,
    meta_batch_size: int | None = None,
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
        benchmark, protocol.split, num_envs, goal_choice=goal_choice or protocol.goal_choice, **options
    )


def benchmark_env(
    benchmark: Benchmark,
    split: str = "train",
    num_envs: int | None = None,
    *,
    goal_choice: str = "random",
    goals_per_task: int | None = None,
    max_episode_steps: int | None = None,
    autoreset_mode: Any = "same_step",
    **options: Any,
) -> ProtocolEnv:
    """Return an environment of one split of a benchmark.

    Args:
        benchmark: The benchmark.
        split: ``"train"`` or ``"test"``.
        num_envs: N, a multiple of the number of tasks; None for one world per task.
        goal_choice: ``"random"``: each episode draws one of its task's goals; ``"cycle"``: one after another, shared
            out among the worlds of the task; ``"hold"``: until ``sample_tasks`` or ``set_tasks``.
        goals_per_task: Only the first so many goals of each task; None for all.
        max_episode_steps: Steps until truncation; None for the tasks' own.
        autoreset_mode: When finished worlds begin again.
        **options: The fields of :class:`View`, and as for :class:`~metasim.envs.group.GroupVectorEnv`: ``backend``,
            ``workers``, ``terminate_on_success``, ``render_mode``, ``camera``, ``width``, ``height``.

    Raises:
        InvalidConfig: For options that cannot work.
    """
    odd = sorted(set(options) - GROUP_OPTIONS - VIEW_OPTIONS)
    if odd:
        valid = sorted(GROUP_OPTIONS | VIEW_OPTIONS)
        raise InvalidConfig(f"unknown options {odd} of a protocol's environment; valid besides: {valid}")
    view = View(**{name: options.pop(name) for name in VIEW_OPTIONS & set(options)})
    part = benchmark.split(split).first(goals_per_task)
    tasks, own = _deal(part, num_envs, goal_choice)
    group = GroupVectorEnv(
        tasks,
        goals=[part.goals[task][k] for task, k in zip(tasks, own, strict=True)],
        goal_factor=benchmark.factor,
        goal_choice=goal_choice,  # type: ignore[arg-type]
        horizon=max_episode_steps,
        autoreset_mode=autoreset_mode,
        **options,
    )
    if view.goals_visible is None:
        view = replace(view, goals_visible=benchmark.goals_visible)
    settings = {"backend": str(options.get("backend", "mujoco")), "goal_choice": goal_choice, **asdict(view)}
    try:
        return ProtocolEnv(view.of(group, part), benchmark, part, own, settings)
    except BaseException:
        group.close()
        raise


def _deal(split: Split, num_envs: int | None, goal_choice: str) -> tuple[list[str], list[Array]]:
    """Return each world's task, and indices of the goals it may have."""
    worlds = _worlds_per_task(num_envs, len(split.tasks))
    fewest = min(len(goals) for goals in split.goals.values())
    if goal_choice != "random" and worlds > fewest:
        raise InvalidConfig(f"{worlds} worlds per task cannot share {fewest} goals out; take fewer worlds")
    stride = worlds if goal_choice == "cycle" else 1
    tasks = [task for task in split.tasks for _ in range(worlds)]
    own = [np.arange(len(split.goals[task]))[j % stride :: stride] for task in split.tasks for j in range(worlds)]
    return tasks, own


def _worlds_per_task(num_envs: int | None, tasks: int) -> int:
    if num_envs is None:
        return 1
    if not is_whole(num_envs) or num_envs < 1 or num_envs % tasks:
        near = max(1, round(num_envs / tasks)) * tasks if is_whole(num_envs) else tasks
        raise InvalidConfig(
            f"num_envs must be a multiple of the {tasks} tasks, so that each has equally many worlds, got {num_envs!r};"
            f" the nearest is {near}"
        )
    return int(num_envs) // tasks
