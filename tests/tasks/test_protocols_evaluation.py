"""Evaluation on benchmarks, against a loop over single environments; and the calls a meta-learner gets."""

from typing import Any

import numpy as np
import pytest

import metasim
from metasim.benchmarks.metalearning import MetaLearner, Transition, evaluate_adaptation
from metasim.benchmarks.multitask import evaluate_tasks
from metasim.benchmarks.results import parse
from metasim.benchmarks.statistics import wilson
from metasim.core.errors import InvalidConfig
from metasim.core.policy import Policy
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS
from metasim.policies import PerTask

REACH, DRAWER = "metaworld/reach-v3", "metaworld/drawer-close-v3"
HORIZON = 60
CHOSEN = {"tasks": ["reach", "drawer-close"], "seed": 42, "max_episode_steps": HORIZON, "goal_choice": "cycle"}


def naive(task: str, goal: np.ndarray) -> dict[str, Any]:
    """One episode of one world, by the plain loop."""
    env = metasim.make(task, horizon=HORIZON)
    observation, _ = env.reset(seed=0, options={"sample": {"rand_vec": goal}})
    rewards, successes, ended = [], [], False
    while not ended:
        action = np.clip(TASKS[task].expert(observation[None])[0], -1, 1)  # type: ignore[misc]
        observation, reward, terminated, truncated, info = env.step(action)
        rewards.append(reward)
        successes.append(info["success"])
        ended = terminated or truncated
    env.close()
    first = successes.index(True) + 1 if any(successes) else None
    return {
        "any": any(successes),
        "last": successes[-1],
        "first": first,
        "return": sum(rewards),
        "to_success": sum(rewards[:first]),
    }


@pytest.mark.parametrize("extra", [{}, {"one_hot": True, "terminate_on_success": True, "normalize_reward": "return"}])
def test_every_episode_is_what_a_plain_loop_finds(extra: dict[str, Any]) -> None:
    """Three episodes of two worlds per task; options that change what a learner sees change no figure."""
    env = metasim.make_vec("metaworld/custom-mt", 4, **CHOSEN, **extra)
    found = evaluate_tasks(PerTask("expert", env.tasks, 39), env, 3, name="expert")
    assert env.group.ends_on_success is bool(extra)
    assert [(e.task, e.episode) for e in found.results.episodes] == [(t, i) for t in (DRAWER, REACH) for i in range(3)]
    for e in found.results.episodes:
        expected = naive(e.task, env.split.goals[e.task][e.episode])
        assert (e.success_any, e.success_last, e.first_success_step) == (
            expected["any"],
            expected["last"],
            expected["first"],
        )
        assert e.length == HORIZON and e.error is None
        assert e.episode_return == pytest.approx(expected["return"], abs=1e-9)
        assert found.returns_to_success[e.task][e.episode] == pytest.approx(expected["to_success"], abs=1e-9)
    solved = [row.success_any.successes for row in found.rows]
    assert [(row.success_any.low, row.success_any.high) for row in found.rows] == [wilson(k, 3) for k in solved]
    assert found.overall.success_any.value == pytest.approx(sum(solved) / 6)
    assert parse(found.results.to_bytes()) == found.results
    assert found.results.config["goal_seed"] == 42
    env.close()


def test_the_number_of_worlds_does_not_matter_where_goals_take_turns() -> None:
    found = []
    for worlds in (2, 6):
        env = metasim.make_vec("metaworld/custom-mt", worlds, **CHOSEN)
        found.append(evaluate_tasks(PerTask("noisy-expert", env.tasks), env, 4).results.episodes)
        env.close()
    assert found[0] == found[1]


class Explorer:
    """Writes down what it is asked for; explores with zeros, acts with ones."""

    def __init__(self, env: Any) -> None:
        self.env, self.calls, self.transitions, self.goals = env, list[str](), list[Transition](), list[set[Any]]()

    def init(self) -> None:
        self.calls.append("init")
        self.goals.append(set())

    def explore(self, observation: np.ndarray) -> np.ndarray:
        self.calls.append("explore")
        self.goals[-1].add(self.env.task_goals)
        return np.zeros((len(observation), 4), np.float32)

    def record(self, transition: Transition) -> None:
        self.transitions.append(transition)

    def adapt(self) -> None:
        self.calls.append("adapt")

    def reset(self, rows: np.ndarray, seeds: Any) -> None:
        self.calls.append("reset")

    def act(self, observation: np.ndarray) -> np.ndarray:
        self.calls.append("act")
        self.goals[-1].add(self.env.task_goals)
        return np.ones((len(observation), 4), np.float32)


def test_adaptation_comes_before_evaluation_and_goals_hold_meanwhile() -> None:
    env = metasim.make_vec(
        "metaworld/ML1-test", 4, task="reach", seed=1, max_episode_steps=5, recurrent=True, terminate_on_success=True
    )
    learner = Explorer(env)
    assert isinstance(learner, MetaLearner) and isinstance(learner, Policy)
    found = evaluate_adaptation(
        learner, env, evals=2, adaptation_steps=2, adaptation_episodes=3, evaluation_episodes=2, name="explorer"
    )
    step = ["explore"] * 15 + ["adapt"]
    batch = ["init", *step, *step, "reset", *["act"] * 5, "reset", *["act"] * 5]
    assert learner.calls == [*batch, *batch]
    assert [len(goals) for goals in learner.goals] == [1, 1] and learner.goals[0] != learner.goals[1]
    assert [e.episode for e in found.results.episodes] == list(range(2 * 2 * 4))
    assert {e.task for e in found.results.episodes} == {REACH} and {e.length for e in found.results.episodes} == {5}
    ends = [t.truncated.all() for t in learner.transitions]
    assert ends == [False, False, False, False, True] * 12
    last, begun = learner.transitions[4], learner.transitions[5]
    assert (last.next_observation[:, -1] == 1).all() and (begun.observation[:, 39:] == 0).all()
    assert (learner.transitions[0].next_observation == learner.transitions[1].observation).all()
    assert env.group.ends_on_success is True
    env.close()


def test_what_cannot_be_evaluated_is_refused() -> None:
    env = metasim.make_vec("metaworld/MT1", task="reach", seed=0, max_episode_steps=2)
    policy = PerTask("zero", env.tasks)
    with pytest.raises(InvalidConfig, match="goal_choice='hold'"):
        evaluate_adaptation(Explorer(env), env)
    with pytest.raises(InvalidConfig, match="episodes must be a positive integer, got 0"):
        evaluate_tasks(policy, env, 0)
    plain = metasim.make_vec(REACH, 2)
    with pytest.raises(InvalidConfig, match="environment of a protocol"):
        evaluate_tasks(policy, plain, 1)
    late = metasim.make_vec("metaworld/MT1", task="reach", autoreset_mode="next_step")
    with pytest.raises(InvalidConfig, match="same_step"):
        evaluate_tasks(policy, late, 1)
    for e in (env, plain, late):
        e.close()


def test_a_policy_per_task_is_told_of_its_own_worlds_only() -> None:
    tasks = [REACH, DRAWER, REACH]
    mixed, alone = PerTask("random", tasks), PerTask("random", [REACH])
    seeds = [EpisodeSeed(root=0, task=task, episode=i) for i, task in enumerate(tasks)]
    mixed.reset(np.arange(3), seeds)
    alone.reset(np.arange(1), seeds[2:])
    observation = np.zeros((3, 39))
    for _ in range(3):
        np.testing.assert_array_equal(mixed.act(observation)[2:], alone.act(observation[:1]))
