"""Policies with parameters in one string: one spelling for one meaning, and errors that say what is there."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasim.benchmarks.runner import EvaluateConfig
from metasim.cli.options import policy_name
from metasim.core.errors import InvalidConfig, UnknownName
from metasim.core.policy import NEED_EXPERT, POLICIES
from metasim.core.policy_spec import Parameter
from metasim.core.task import TASKS
from metasim.datasets import CollectConfig
from metasim.policies import RandomWalk, Zero

REACH = "metaworld/reach-v3"


def built(name: str) -> RandomWalk:
    return POLICIES[name](TASKS[REACH], 1)


@pytest.mark.parametrize(
    ("name", "canonical", "sigma", "theta"),
    [
        ("random-walk", "random-walk", 0.1, 0.15),
        ("random-walk:sigma=0.2", "random-walk:sigma=0.2", 0.2, 0.15),
        ("random-walk:theta=.50, sigma = 2e-1", "random-walk:sigma=0.2,theta=0.5", 0.2, 0.5),
        ("random-walk:theta=1.0,sigma=0.1", "random-walk:theta=1", 0.1, 1.0),
        ("random-walk:sigma=0.10,theta=0.15", "random-walk", 0.1, 0.15),
        ("random-walk:sigma=-0", "random-walk:sigma=0", 0.0, 0.15),
    ],
)
def test_what_a_string_means_and_its_one_spelling(name: str, canonical: str, sigma: float, theta: float) -> None:
    policy = built(name)
    assert (policy.sigma, policy.theta) == (sigma, theta)
    assert POLICIES.canonical(name) == policy_name(name) == canonical
    assert name in POLICIES


@given(st.floats(0.0, 10.0), st.floats(0.0, 1.0))
def test_the_spelling_loses_nothing_and_is_its_own(sigma: float, theta: float) -> None:
    name = POLICIES.canonical(f"random-walk:theta={theta!r},sigma={sigma!r}")
    assert POLICIES.canonical(name) == name
    assert (built(name).sigma, built(name).theta) == (sigma, theta)


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        (
            "noisy-expert:0.2",
            InvalidConfig,
            r"'0.2' is not key=value; write noisy-expert:sigma=0.1, with sigma 0 to 10",
        ),
        ("noisy-expert:", InvalidConfig, r"'' is not key=value"),
        ("noisy-expert:sigma", InvalidConfig, r"'sigma' is not key=value"),
        ("noisy-expert:sgima=1", InvalidConfig, r"no parameter 'sgima'; it has sigma=0.1 \(0 to 10\); did you mean"),
        ("random-walk:sigma=1,sigma=2", InvalidConfig, r"'sigma' is given twice"),
        ("random-walk:theta=2", InvalidConfig, r"theta \(share .*\) must be a number of 0 to 1, got '2'"),
        ("random-walk:theta=nan", InvalidConfig, r"got 'nan'"),
        ("random-walk:theta=half", InvalidConfig, r"got 'half'"),
        ("expert:sigma=1", InvalidConfig, r"'expert' takes no parameters, got 'sigma=1'"),
        ("nosy-expert:sigma=1", UnknownName, r"no policy named 'nosy-expert'; did you mean \['noisy-expert'"),
    ],
)
def test_what_cannot_be_understood_is_refused_everywhere(name: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        POLICIES[name]
    with pytest.raises(error, match=words):
        policy_name(name)
    with pytest.raises(error, match=words):
        CollectConfig(tasks=(REACH,), out=Path("x.h5"), policy=name)
    with pytest.raises(error, match=words):
        EvaluateConfig(tasks=(REACH,), policy=name)


def test_data_and_results_say_the_one_spelling() -> None:
    name, same = "random-walk:theta=0.150,sigma=.2", "random-walk:sigma=0.2"
    config = CollectConfig(tasks=(REACH,), out=Path("x.h5"), policy=name)
    assert config.arguments()["policy"] == same
    assert config.arguments() == config.replace(policy=same).arguments()
    assert EvaluateConfig(tasks=(REACH,), policy=name).resolved()["policies"] == [same]


def test_a_policy_of_somebody_else_has_parameters_in_the_same_way() -> None:
    class Tilted(Zero):
        """Zero, tilted."""

        parameters = (Parameter(name="by", default=0.0, low=-1.0, high=1.0, about="offset"),)

        def __init__(self, task: object, num_worlds: int, by: float = 0.0) -> None:
            super().__init__(TASKS[REACH], num_worlds)
            self._action += np.float32(by)

    POLICIES.register("tilted", Tilted)
    factory = POLICIES["tilted:by=-0.5"]
    assert factory(TASKS[REACH], 1).act(np.zeros((1, 39))).tolist() == [[-0.5] * 4]
    assert factory.__module__ == __name__  # so that worker processes load this file
    assert POLICIES.canonical("tilted:by=-0.50") == "tilted:by=-0.5"


def test_a_name_that_looks_like_one_with_parameters_can_be_registered() -> None:
    POLICIES.register("zero:really", Zero)
    assert POLICIES["zero:really"] is Zero and POLICIES.canonical("zero:really") == "zero:really"


def test_those_that_need_an_expert_are_named() -> None:
    class Lost(TASKS[REACH]):
        """A task without an expert."""

        expert = None

    needing = set()
    for name in POLICIES:
        try:
            if POLICIES[name].__module__.startswith("metasim."):
                POLICIES[name](Lost, 1)
        except InvalidConfig:
            needing.add(name)
    assert needing == set(NEED_EXPERT)
