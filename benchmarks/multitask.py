"""Multi-task evaluation: so many episodes of every task of a protocol's environment, with any policy.

Episodes are full length. The original ends them at their first success; success *at any step* is the same number either
way, success *at the last step* can only be had this way, and the return up to the first success is kept beside the
whole return.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from metasim.benchmarks.results import EpisodeResult, Results
from metasim.benchmarks.statistics import Overall, Row, overall, summarise
from metasim.benchmarks.tally import Numbering, Outcome, Tally, checked
from metasim.benchmarks.versions import versions
from metasim.core.errors import InvalidConfig
from metasim.core.policy import Policy
from metasim.core.protocol import checked_seed, is_whole
from metasim.envs.protocol import ProtocolEnv

Array = Any
PROTOCOL = "metasim/multi-task-v1"
SUMMARY = "success at any and at the last step of full-length episodes on the goals of a benchmark, per task"


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """What an evaluation found.

    Attributes:
        results: Every episode; for saving, merging and reports.
        returns_to_success: Task to the return up to the first success, one per episode in order.
    """

    results: Results
    returns_to_success: Mapping[str, tuple[float, ...]]

    @property
    def rows(self) -> tuple[Row, ...]:
        """Per task: success at any step and at the last with Wilson intervals, and the mean return."""
        return summarise(self.results)

    @property
    def overall(self) -> Overall:
        """The mean over tasks, with its interval."""
        return overall(self.results)[0]


def evaluate_tasks(
    policy: Policy, env: ProtocolEnv, episodes: int = 50, *, seed: int | None = None, name: str = "policy"
) -> Evaluation:
    """Run ``episodes`` episodes of each task and return what they came to.

    Every world runs equally many episodes, give or take one; none is left out for taking longer than another. Make the
    environment with ``goal_choice="cycle"`` to have every goal equally often.

    Args:
        policy: Acts on the environment's observations ``(N, D)``; is told which worlds begin an episode.
        env: As ``metasim.make_vec("metaworld/MT10", seed=42)`` makes it.
        episodes: Episodes per task.
        seed: Root seed of the episodes; None for the benchmark's.
        name: The policy's name in the results.

    Raises:
        InvalidConfig: If the environment is no protocol's, or ``episodes`` no positive integer.
    """
    checked(env)
    positive(episodes=episodes)
    root = env.benchmark.seed if seed is None else checked_seed(seed)
    observation, _ = env.reset(seed=root)
    wanted = quotas(env, episodes)
    with full_length(env):
        runs = run_episodes(policy, env, observation, wanted, Numbering(env, root))
    return evaluation(PROTOCOL, env, runs, root=root, name=name, episodes=episodes)


def run_episodes(
    policy: Policy, env: ProtocolEnv, observation: Array, wanted: Array, numbering: Numbering
) -> list[tuple[int, Outcome]]:
    """Run ``wanted`` ``(N,)`` whole episodes of each world and return each with its number within its task."""
    everyone = np.arange(env.num_envs)
    seeds = numbering.begin(everyone)
    policy.reset(everyone, seeds)
    current = np.array([seed.episode for seed in seeds])
    tally, found, done = Tally(env), list[tuple[int, Outcome]](), np.zeros(env.num_envs, np.int64)
    while (done < wanted).any():
        observation, reward, terminated, truncated, info = env.step(policy.act(observation))
        outcomes, _ = tally.add(reward, terminated, truncated, info)
        found += [(int(current[o.world]), o) for o in outcomes if done[o.world] < wanted[o.world]]
        begun = np.array([o.world for o in outcomes], np.int64)
        done[begun] += 1
        if len(begun) and (done < wanted).any():
            seeds = numbering.begin(begun)
            current[begun] = [seed.episode for seed in seeds]
            policy.reset(begun, seeds)
    return found


def evaluation(
    protocol: str, env: ProtocolEnv, runs: list[tuple[int, Outcome]], *, root: int, name: str, **settings: Any
) -> Evaluation:
    """Return the results of episodes ``(number within its task, outcome)``."""
    backend, bench = env.settings["backend"], env.benchmark
    config = {
        "benchmark": bench.name,
        "split": env.split.name,
        "goal_seed": bench.seed,
        "goals": {task: len(goals) for task, goals in env.split.goals.items()},
        "tasks": list(env.split.tasks),
        "backends": [backend],
        "policies": [name],
        "seeds": [root],
        "worlds": env.num_envs,
        "horizon": env.group.max_episode_steps,
        "environment": {key: value for key, value in env.settings.items() if key != "backend"},
        **settings,
        "versions": versions(backend, env.split.tasks),
    }
    runs = sorted(runs, key=lambda run: (env.tasks[run[1].world], run[0]))
    rows = tuple(
        EpisodeResult(
            task=env.tasks[o.world],
            backend=backend,
            policy=name,
            seed=root,
            episode=number,
            success_any=o.success_any,
            success_last=o.success_last,
            first_success_step=o.first_success_step,
            episode_return=o.episode_return,
            length=o.length,
            error=o.error,
        )
        for number, o in runs
    )
    returns = {
        task: tuple(o.return_to_success for _, o in runs if env.tasks[o.world] == task) for task in env.split.tasks
    }
    return Evaluation(
        results=Results(protocol=protocol, config=config, episodes=rows),
        returns_to_success=returns,
    )


def quotas(env: ProtocolEnv, episodes: int) -> Array:
    """Return how many episodes each world runs ``(N,)`` so that each task has ``episodes``."""
    place = [env.tasks[:i].count(task) for i, task in enumerate(env.tasks)]
    worlds = [env.tasks.count(task) for task in env.tasks]
    return np.array([math.ceil((episodes - j) / m) for j, m in zip(place, worlds, strict=True)]).clip(0)


@contextmanager
def full_length(env: ProtocolEnv) -> Iterator[None]:
    """Let episodes go on after success, for as long as this lasts."""
    before, env.group.ends_on_success = env.group.ends_on_success, False
    try:
        yield
    finally:
        env.group.ends_on_success = before


def positive(**counts: int) -> None:
    """Raise InvalidConfig for a count that is no positive integer."""
    for name, count in counts.items():
        if not is_whole(count) or count < 1:
            raise InvalidConfig(f"{name} must be a positive integer, got {count!r}")
