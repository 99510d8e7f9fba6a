"""Scripted policies: right numbers from right streams, whoever else is in the batch."""

import numpy as np
import pytest

from metasim.core.errors import InvalidConfig
from metasim.core.policy import POLICIES, Policy
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS, Task
from metasim.policies import Expert, NoisyExpert, Random, Zero
from metasim.policies.scripted import CHUNK_STEPS

REACH = "metaworld/reach-v3"
STEPS = CHUNK_STEPS + 20  # beyond what is drawn at once


class Lost(Task):
    """A task nobody wrote an expert for."""

    id = "lab/lost-v0"


class Still(TASKS[REACH]):
    """An expert that stands still, so that noise is all there is."""

    expert = staticmethod(lambda observation: np.zeros((len(observation), 4)))


class Edge(TASKS[REACH]):
    """An expert that always goes to the limit, and beyond."""

    expert = staticmethod(lambda observation: np.full((len(observation), 4), 1.7))


def seeds(*episodes: int) -> list[EpisodeSeed]:
    return [EpisodeSeed(root=3, task=REACH, episode=i) for i in episodes]


def run(kind: type, episodes: list[int], steps: int = STEPS, task: type[Task] = Still) -> np.ndarray:
    """Actions (steps, N, A) of a policy over one episode per world."""
    policy = kind(task, len(episodes))
    policy.reset(np.arange(len(episodes)), seeds(*episodes))
    return np.stack([policy.act(np.zeros((len(episodes), 39))) for _ in range(steps)])


@pytest.mark.parametrize("kind", [NoisyExpert, Random])
def test_an_episode_gets_the_same_bits_in_every_batch(kind: type) -> None:
    together = run(kind, [5, 0, 2])
    for column, episode in enumerate([5, 0, 2]):
        np.testing.assert_array_equal(run(kind, [episode])[:, 0], together[:, column])
    assert not np.array_equal(together[:, 0], together[:, 1])


@pytest.mark.parametrize("kind", [NoisyExpert, Random])
def test_an_episode_that_begins_later_gets_the_same_bits(kind: type) -> None:
    policy = kind(Still, 2)
    policy.reset(np.arange(2), seeds(0, 1))
    for _ in range(7):
        policy.act(np.zeros((2, 39)))
    policy.reset(np.array([1]), seeds(4))
    late = np.stack([policy.act(np.zeros((2, 39)))[1] for _ in range(30)])
    np.testing.assert_array_equal(late, run(kind, [4], 30)[:, 0])


def test_random_actions_are_uniform() -> None:
    actions = run(Random, list(range(20)), 500)
    assert actions.shape == (500, 20, 4) and actions.dtype == np.float32
    assert np.abs(actions).max() <= 1.0
    assert abs(actions.mean()) < 0.02  # standard error 0.003
    assert abs(actions.var() - 1 / 3) < 0.01


def test_noise_has_the_deviation_it_is_said_to_have() -> None:
    actions = run(NoisyExpert, list(range(20)), 500)
    assert abs(actions.mean()) < 0.003  # standard error 0.0005
    assert abs(actions.std() - 0.1) < 0.002


def test_an_expert_is_the_tasks_own_and_inside_the_action_space() -> None:
    rng = np.random.default_rng(0)
    observation = rng.uniform(-1, 1, (8, 39))
    want = TASKS[REACH].expert
    assert want is not None
    np.testing.assert_array_equal(Expert(TASKS[REACH], 8).act(observation), want(observation))
    assert Expert(Edge, 2).act(np.zeros((2, 39))).tolist() == [[1.0] * 4] * 2


def test_the_policy_draws_from_a_stream_of_its_own() -> None:
    """What a task draws must not move when a policy draws, and the other way round."""
    (seed,) = seeds(0)
    want = 2.0 * seed.rng("policy").random((CHUNK_STEPS, 4), dtype=np.float32)[:10] - 1.0
    np.testing.assert_array_equal(run(Random, [0], 10)[:, 0], want)


def test_zero_is_zero_and_a_fresh_array_each_time() -> None:
    policy = Zero(TASKS[REACH](), 3)
    first = policy.act(np.zeros((3, 39)))
    first += 1
    assert policy.act(np.zeros((3, 39))).tolist() == [[0.0] * 4] * 3


@pytest.mark.parametrize("kind", [Expert, NoisyExpert])
def test_a_task_without_expert_says_what_can_run_it(kind: type) -> None:
    with pytest.raises(InvalidConfig, match=r"'lab/lost-v0' has no scripted expert.*'random', 'zero'"):
        kind(Lost, 1)


@pytest.mark.parametrize("name", list(POLICIES))
def test_every_registered_policy_is_one(name: str) -> None:
    policy = POLICIES[name](TASKS[REACH](), 2)
    assert isinstance(policy, Policy)
    policy.reset(np.arange(2), seeds(0, 1))
    action = policy.act(np.zeros((2, 39)))
    assert action.shape == (2, 4) and action.dtype == np.float32
