"""Disturbed experts: noise of the law it is said to have, and the same bits in every batch."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from metasim.core.errors import InvalidConfig
from metasim.core.policy import POLICIES
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS, Task
from metasim.policies import ActionRepeat, NoisyExpert, RandomWalk
from metasim.policies.scripted import CHUNK_STEPS

REACH = "metaworld/reach-v3"
STEPS = CHUNK_STEPS + 20  # beyond what is drawn at once
KINDS = [
    partial(NoisyExpert, sigma=0.2),
    partial(RandomWalk, sigma=0.2, theta=0.3),
    partial(ActionRepeat, p=0.5),
]
NAMES = ["noisy-expert", "random-walk", "action-repeat"]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=NAMES)


class Still(TASKS[REACH]):
    """An expert that stands still, so that noise is all there is."""

    expert = staticmethod(lambda observation: np.zeros((len(observation), 4)))


class Counting(TASKS[REACH]):
    """An expert that does what the first observed number says: every step another action."""

    expert = staticmethod(lambda observation: np.repeat(observation[:, :1], 4, axis=1))


class Edge(TASKS[REACH]):
    """An expert that always goes to the limit, and beyond."""

    expert = staticmethod(lambda observation: np.full((len(observation), 4), 1.7))


def seeds(*episodes: int) -> list[EpisodeSeed]:
    return [EpisodeSeed(root=3, task=REACH, episode=i) for i in episodes]


def seen(step: int, worlds: int) -> np.ndarray:
    """What N worlds observe: a number that tells the step."""
    return np.full((worlds, 39), step / 1000)


def run(kind: Callable[..., Any], episodes: list[int], steps: int = STEPS, task: type[Task] = Counting) -> np.ndarray:
    """Actions (steps, N, A) of a policy over one episode per world."""
    policy = kind(task, len(episodes))
    policy.reset(np.arange(len(episodes)), seeds(*episodes))
    return np.stack([policy.act(seen(t, len(episodes))) for t in range(steps)])


@each_kind
def test_an_episode_gets_the_same_bits_in_every_batch(kind: Callable[..., Any]) -> None:
    together = run(kind, [5, 0, 2])
    for column, episode in enumerate([5, 0, 2]):
        np.testing.assert_array_equal(run(kind, [episode])[:, 0], together[:, column])
    assert not np.array_equal(together[:, 0], together[:, 1])


@each_kind
def test_an_episode_that_begins_later_gets_the_same_bits(kind: Callable[..., Any]) -> None:
    policy = kind(Counting, 2)
    policy.reset(np.arange(2), seeds(0, 1))
    for t in range(7):
        policy.act(seen(t, 2))
    policy.reset(np.array([1]), seeds(4))
    late = np.stack([policy.act(seen(t, 2))[1] for t in range(30)])
    np.testing.assert_array_equal(late, run(kind, [4], 30)[:, 0])


@each_kind
def test_actions_stay_inside_the_action_space_and_belong_to_the_caller(kind: Callable[..., Any]) -> None:
    actions = run(kind, [0, 1], 50, Edge)
    assert actions.dtype == np.float32 and actions.max() == 1.0 and actions.min() > 0.0
    policy = kind(Counting, 1)
    policy.reset(np.arange(1), seeds(0))
    first = policy.act(seen(0, 1))
    first[:] = 9.0
    assert np.abs(policy.act(seen(1, 1))).max() <= 1.0


def test_a_walk_has_its_deviation_at_every_step_and_forgets_at_its_rate() -> None:
    """1,200 walks of 4 components: standard error of a deviation 1 %, of a correlation 0.015."""
    sigma, theta = 0.2, 0.25
    walk = run(partial(RandomWalk, sigma=sigma, theta=theta), list(range(1200)), 40, Still).reshape(40, -1)
    np.testing.assert_allclose(walk.std(axis=1), sigma, rtol=0.05)
    np.testing.assert_allclose(walk.mean(axis=1), 0.0, atol=0.015)
    for lag in (1, 2, 5, 10):
        found = [np.corrcoef(walk[t], walk[t + lag])[0, 1] for t in (0, 7, 25)]
        np.testing.assert_allclose(found, (1 - theta) ** lag, atol=0.06)


def test_the_ends_of_theta_are_white_noise_and_an_offset() -> None:
    white = run(partial(RandomWalk, sigma=0.2, theta=1.0), [0, 1], task=Still)
    np.testing.assert_array_equal(white, run(partial(NoisyExpert, sigma=0.2), [0, 1], task=Still))
    offset = run(partial(RandomWalk, sigma=0.2, theta=0.0), [0, 1], task=Still)
    assert (offset == offset[0]).all() and not np.array_equal(offset[0, 0], offset[0, 1])


def test_a_repeated_action_is_the_last_one_with_its_probability() -> None:
    p = 0.3
    actions = run(partial(ActionRepeat, p=p), list(range(300)), 200)
    expert = run(partial(ActionRepeat, p=0.0), list(range(300)), 200)
    np.testing.assert_array_equal(expert[:, 0, 0], np.arange(200, dtype=np.float32) / np.float32(1000))
    np.testing.assert_array_equal(actions[0], expert[0])
    again = (actions[1:] == actions[:-1]).all(axis=2)
    assert (again | (actions[1:] == expert[1:]).all(axis=2)).all()
    assert abs(again.mean() - p) < 0.01  # standard error 0.002
    after = again[1:][again[:-1]].mean()  # what came before does not matter
    assert abs(after - p) < 0.02


def test_an_action_that_always_repeats_is_the_first_of_its_episode() -> None:
    policy = ActionRepeat(Counting, 2, p=1.0)
    policy.reset(np.arange(2), seeds(0, 1))
    assert [float(policy.act(seen(t, 2))[1, 0]) for t in range(3)] == [0.0, 0.0, 0.0]
    policy.reset(np.array([1]), seeds(2))
    assert policy.act(seen(3, 2))[:, 0].tolist() == [0.0, np.float32(0.003)]


@pytest.mark.parametrize("name", ["noisy-expert:sigma=1", "random-walk:sigma=1"])
def test_a_stronger_noise_is_stronger(name: str) -> None:
    weak = run(POLICIES[name.partition(":")[0]], [0, 1], 50, Still)
    assert run(POLICIES[name], [0, 1], 50, Still).std() > 4 * weak.std()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (partial(NoisyExpert, sigma=-0.1), r"sigma .* 0 to 10, got -0.1"),
        (partial(RandomWalk, sigma=float("nan")), r"sigma .* got nan"),
        (partial(RandomWalk, theta=1.5), r"'random-walk': theta .* 0 to 1, got 1.5"),
        (partial(ActionRepeat, p=float("inf")), r"'action-repeat': p .* got inf"),
    ],
)
def test_a_value_out_of_range_is_refused(kind: Callable[..., Any], words: str) -> None:
    with pytest.raises(InvalidConfig, match=words):
        kind(Still, 1)
