"""Protocols on the command line: their names for tasks, their goals, and data of their tasks."""

import json
from typing import Any

import h5py
import numpy as np
import pytest

from metasim.benchmarks import load
from metasim.benchmarks.runner import EvaluateConfig, evaluate
from metasim.cli.options import expand_tasks
from metasim.core.errors import InvalidConfig, UnknownName
from metasim.core.protocol import PROTOCOLS
from metasim.envs import Episodes
from metasim.tasks.metaworld import MT10, MT50, protocols

REACH = "metaworld/reach-v3"


@pytest.mark.parametrize(
    ("word", "tasks"),
    [
        ("MT10", MT10),
        ("mt10", MT10),
        ("metaworld/MT50", MT50),
        ("ML10-test", PROTOCOLS["metaworld/ML10-test"].tasks),
        ("ML10", PROTOCOLS["metaworld/ML10-train"].tasks + PROTOCOLS["metaworld/ML10-test"].tasks),
        ("metaworld/ML45", PROTOCOLS["metaworld/ML45-train"].tasks + PROTOCOLS["metaworld/ML45-test"].tasks),
        (REACH, (REACH,)),
        ("metaworld/reach-v*", (REACH,)),
    ],
)
def test_a_protocols_name_means_its_tasks(word: str, tasks: tuple[str, ...]) -> None:
    assert expand_tasks([word]) == tasks
    assert expand_tasks([word, word]) == tasks


def test_names_that_mean_nothing_are_refused() -> None:
    with pytest.raises(UnknownName, match="task or protocol.*metaworld/MT1"):
        expand_tasks(["MT11"])
    with pytest.raises(InvalidConfig, match="ML1 leaves its tasks to you"):
        expand_tasks(["ML1"])


def test_list_shows_how_many_tasks_each_has(run: Any) -> None:
    rows = {row["protocol"]: row for row in json.loads(run("list", "protocols", "--json").out)}
    assert rows["metaworld/MT50"]["tasks"] == 50 and rows["metaworld/ML10-test"]["tasks"] == 5
    assert rows["metaworld/MT1"]["tasks"] == "yours" and "metasim/success-v1" in rows
    assert {"metasim/multi-task-v1", "metasim/meta-learning-v1"} <= set(rows)


def test_eval_runs_on_the_goals_of_a_benchmark(run: Any) -> None:
    words = ("eval", REACH, "--goals", "MT1", "--seed", 42, "--episodes", 2, "--horizon", 40, "--out", "a.json")
    ran = run(*words)
    assert ran.code == 0, ran.err
    results = load("a.json")
    assert results.config["goals"] == "metaworld/MT1"
    again = run(*words)
    assert "there already" in again.err
    other = run(*words[:2], *words[4:])
    assert other.code != 0 and "goals" in other.err


def test_episode_i_has_goal_i_whatever_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[np.ndarray] = []
    begin = Episodes.begin

    def spy(self: Episodes, rows: Any, seeds: Any, overrides: Any = None, variations: Any = None) -> Any:
        begun.append(overrides["rand_vec"])
        return begin(self, rows, seeds, overrides, variations)

    monkeypatch.setattr(Episodes, "begin", spy)
    config = EvaluateConfig(
        tasks=(REACH,), policy="zero", episodes=3, seed=42, horizon=1, worlds=2, goals="metaworld/MT10"
    )
    evaluate(config)
    goals = protocols.multi_task("MT10", 42).train.goals[REACH]
    np.testing.assert_array_equal(np.concatenate(begun), goals[[0, 1, 2, 2]])  # the last world repeats an episode


@pytest.mark.parametrize(
    ("tasks", "goals", "error", "says"),
    [
        ((REACH,), "metaworld/MT11", UnknownName, "protocol.*MT1"),
        (("metaworld/hammer-v3",), "metaworld/MT10", UnknownName, "train split.*hammer"),
        ((REACH,), "metaworld/custom-mt", InvalidConfig, r"needs \['tasks'\]"),
    ],
)
def test_goals_that_do_not_fit_are_refused(
    tasks: tuple[str, ...], goals: str, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        EvaluateConfig(tasks=tasks, goals=goals)


@pytest.mark.parametrize("policy", ["expert", "noisy-expert", "random"])
def test_collected_episodes_carry_task_and_goal(run: Any, policy: str) -> None:
    words = ("collect", "metaworld/MT10", "--policy", policy, "--episodes", 1, "--keep", "all", "--horizon", 5)
    ran = run(*words, "--out", "a.h5")
    assert ran.code == 0, ran.err
    with h5py.File("a.h5") as file:
        data: Any = file["data"]
        told = [json.loads(demo.attrs["episode"]) for demo in data.values()]
        assert [one["task"] for one in told] == [*MT10]
        assert {one["policy"] for one in told} == {policy}
        reach = data["demo_0"]
        np.testing.assert_array_equal(reach["obs/goal"][:], np.tile(reach["initial/sample/rand_vec"][3:], (5, 1)))
