"""Meta-learning evaluation: adapt to tasks with hidden goals in some episodes, then be evaluated on them.

The procedure is the original's, with two of its defects mended: each world's evaluation episodes all count, where the
original took the first to end among the worlds of a task, and they are full length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from metasim.benchmarks.multitask import Evaluation, evaluation, full_length, positive, run_episodes
from metasim.benchmarks.tally import Numbering, Outcome, checked, step_success
from metasim.core.errors import InvalidConfig
from metasim.core.policy import Policy
from metasim.core.protocol import checked_seed
from metasim.envs.protocol import ProtocolEnv

Array = Any
PROTOCOL = "metasim/meta-learning-v1"
SUMMARY = "the same after adapting to hidden goals in some episodes"


@dataclass(frozen=True, kw_only=True, eq=False)
class Transition:
    """One step of N worlds during adaptation.

    Attributes:
        observation: What the learner saw ``(N, D)``.
        action: What it did ``(N, A)``.
        reward: ``(N,)``.
        terminated: ``(N,)`` bool.
        truncated: ``(N,)`` bool.
        next_observation: What came of it ``(N, D)``; where an episode ended, its last observation.
        success: ``(N,)`` bool.
    """

    observation: Array
    action: Array
    reward: Array
    terminated: Array
    truncated: Array
    next_observation: Array
    success: Array


@runtime_checkable
class MetaLearner(Policy, Protocol):
    """A policy that adapts.

    The calls for every batch of tasks, in order: ``init()``; then, ``adaptation_steps`` times: ``explore`` and
    ``record`` for every step of ``adaptation_episodes`` episodes of each world, and ``adapt()``; then ``reset`` and
    ``act`` as for any policy, in the evaluation episodes.

    A gradient-based learner makes its inner update in ``adapt``. A recurrent one (RL²) keeps its hidden state through
    ``explore``, clears it in ``init`` only, and does nothing in ``adapt`` and ``reset``.
    """

    def init(self) -> None:
        """Forget the tasks before: N new ones begin."""

    def explore(self, observation: Array) -> Array:
        """Return actions ``(N, A)`` during adaptation."""

    def record(self, transition: Transition) -> None:
        """Take in a step of the adaptation."""

    def adapt(self) -> None:
        """Learn from what was recorded since the last call."""


def evaluate_adaptation(
    learner: MetaLearner,
    env: ProtocolEnv,
    *,
    evals: int = 10,
    adaptation_steps: int = 1,
    adaptation_episodes: int = 10,
    evaluation_episodes: int = 3,
    seed: int | None = None,
    name: str = "learner",
) -> Evaluation:
    """Let a learner adapt to ``evals`` batches of tasks, one goal per world, and return how it did on them.

    Args:
        learner: What adapts.
        env: As ``metasim.make_vec("metaworld/ML10-test", seed=42)`` makes it; ``recurrent=True`` for RL².
        evals: Batches of tasks.
        adaptation_steps: Calls of ``adapt`` per batch.
        adaptation_episodes: Episodes of each world before each of them.
        evaluation_episodes: Episodes of each world that count.
        seed: Root seed of episodes and of the order of goals; None for the benchmark's.
        name: The learner's name in the results.

    Raises:
        InvalidConfig: If the environment is no protocol's or its goals do not hold, or a count is no positive integer.
    """
    checked(env)
    if not env.holds:
        raise InvalidConfig("meta-learning needs goals that hold between episodes: goal_choice='hold'")
    counts = {"evals": evals, "adaptation_steps": adaptation_steps, "adaptation_episodes": adaptation_episodes}
    positive(**counts, evaluation_episodes=evaluation_episodes)
    root = env.benchmark.seed if seed is None else checked_seed(seed)
    numbering, runs = Numbering(env, root), list[tuple[int, Outcome]]()
    wanted = np.full(env.num_envs, evaluation_episodes)
    with full_length(env):
        for batch in range(evals):
            observation, _ = env.sample_tasks(seed=root if batch == 0 else None)
            learner.init()
            for step in range(adaptation_steps):
                if step:
                    observation, _ = env.reset()
                _explore(learner, env, observation, adaptation_episodes)
                learner.adapt()
            observation, _ = env.reset()
            runs += run_episodes(learner, env, observation, wanted, numbering)
    return evaluation(PROTOCOL, env, runs, root=root, name=name, **counts, evaluation_episodes=evaluation_episodes)


def _explore(learner: MetaLearner, env: ProtocolEnv, observation: Array, episodes: int) -> None:
    """Run the learner until every world has ended so many episodes."""
    ended = np.zeros(env.num_envs, np.int64)
    while (ended < episodes).any():
        action = learner.explore(observation)
        following, reward, terminated, truncated, info = env.step(action)
        last = following.copy()
        if "final_obs" in info:
            last[info["_final_obs"]] = np.stack(info["final_obs"][info["_final_obs"]])
        learner.record(
            Transition(
                observation=observation,
                action=np.asarray(action),
                reward=reward,
                terminated=terminated,
                truncated=truncated,
                next_observation=last,
                success=step_success(info),
            )
        )
        ended += terminated | truncated
        observation = following
