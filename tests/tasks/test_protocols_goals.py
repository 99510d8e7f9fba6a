"""Benchmarks for a seed: the goals the original drew, and what is refused. The oracles are extracts of the original."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from metasim.core.errors import InvalidConfig, UnknownName
from metasim.core.protocol import PROTOCOLS, Benchmark, TaskGoal
from metasim.core.task import TASKS
from metasim.tasks.metaworld import protocols

DATA = Path(__file__).parent.parent / "data"
RECORDED: dict[str, Any] = json.loads((DATA / "metaworld_goals.json").read_text())
CASES = [(name, int(seed), split) for name, seeds in RECORDED.items() for seed in seeds for split in seeds[seed]]
PUSH, REACH = "metaworld/push-v3", "metaworld/reach-v3"


def build(name: str, seed: int) -> Benchmark:
    kind, _, task = name.partition(" ")
    if name == "custom":
        train, test = (list(RECORDED[name][str(seed)][split]) for split in ("train", "test"))
        return protocols.custom_ml(train, test, seed)
    if task:
        return {"MT1": protocols.mt1, "ML1": protocols.ml1}[kind](task, seed)
    return (protocols.multi_task if kind.startswith("MT") else protocols.meta)(name, seed)


def ids(tasks: dict[str, Any]) -> list[str]:
    return [f"metaworld/{task}-v3" for task in tasks]


@pytest.mark.parametrize(("name", "seed", "split"), CASES)
def test_goals_are_the_originals_to_the_bit(name: str, seed: int, split: str) -> None:
    recorded = RECORDED[name][str(seed)][split]
    part = build(name, seed).split(split)
    assert list(part.tasks) == ids(recorded)
    for task, expected in recorded.items():
        goals = part.goals[f"metaworld/{task}-v3"]
        assert len(goals) == expected["count"]
        assert goals[0].tolist() == expected["first"], task
        digest = hashlib.blake2b(goals.astype("<f8").tobytes(), digest_size=16).hexdigest()
        assert digest == expected["digest"], task


def test_goals_are_those_of_the_recorded_episodes() -> None:
    with h5py.File(DATA / "metaworld_goldens.h5") as file:
        for task in map(str, file):
            goals = protocols.mt1(task, 42).train.goals[f"metaworld/{task}-v3"]
            np.testing.assert_array_equal(goals[:4], file[task].attrs["rand_vecs"])


def test_custom_multi_task_goals_are_those_of_each_tasks_own_benchmark() -> None:
    custom = protocols.custom_mt(["push", REACH], 7)
    np.testing.assert_array_equal(custom.train.goals[PUSH], protocols.mt1("push", 7).train.goals[PUSH])
    np.testing.assert_array_equal(custom.train.goals[REACH], protocols.mt1("reach", 8).train.goals[REACH])


def test_nothing_touches_or_reads_the_global_random_state() -> None:
    np.random.seed(1)
    before: Any = np.random.get_state()
    first = protocols.ml1("push", 3)
    after: Any = np.random.get_state()
    assert before[0] == after[0] and before[2:] == after[2:]
    np.testing.assert_array_equal(before[1], after[1])
    np.random.seed(2)
    np.testing.assert_array_equal(first.train.goals[PUSH], protocols.ml1("push", 3).train.goals[PUSH])


def test_goals_are_all_different_and_in_range() -> None:
    goals = protocols.mt1("push", 0).train.goals[PUSH]  # 0 is a seed like any other
    assert len(np.unique(goals, axis=0)) == 50
    factor = TASKS[PUSH].factors[0]
    factor.check(goals)
    assert goals.flags.writeable is False
    assert (protocols.mt1("push").train.goals[PUSH] != protocols.mt1("push").train.goals[PUSH]).any()


def test_the_number_of_goals_is_an_argument_and_no_state() -> None:
    few = protocols.mt1("push", 5, num_goals=3).train.goals[PUSH]
    np.testing.assert_array_equal(few, protocols.mt1("push", 5).train.goals[PUSH][:3])


def test_splits_of_every_protocol() -> None:
    assert protocols.meta("ML10", 1).overlap == protocols.meta("ML45", 1).overlap == ()
    assert protocols.meta("ML25", 1).overlap == ("metaworld/basketball-v3",)  # the original's own overlap
    assert len(protocols.MT50) == len(set(protocols.MT50)) == 50
    assert set(PROTOCOLS["metaworld/ML45-train"].tasks) | set(PROTOCOLS["metaworld/ML45-test"].tasks) == {
        *protocols.MT50
    }
    assert protocols.multi_task("MT10", 1).goals_visible and not protocols.meta("ML10", 1).goals_visible
    assert (protocols.mt1("push", 1).splits, protocols.ml1("push", 1).splits) == (("train",), ("train", "test"))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: protocols.multi_task("MT11", 1), UnknownName, "MT10"),
        (lambda: protocols.meta("MT10", 1), UnknownName, "ML10"),
        (lambda: protocols.mt1("pusj", 1), UnknownName, "metaworld/push-v3"),
        (lambda: protocols.mt1("push", -1), InvalidConfig, "seed must be an integer of 0 to 4294967295.*-1"),
        (lambda: protocols.mt1("push", 1.0), InvalidConfig, "seed.*1.0"),  # type: ignore[arg-type]
        (lambda: protocols.mt1("push", True), InvalidConfig, "seed.*True"),
        (lambda: protocols.ml1("push", 2**32 - 1), InvalidConfig, "seed"),  # the test split's is one more
        (lambda: protocols.mt1("push", 1, 0), InvalidConfig, "num_goals.*0"),
        (lambda: protocols.custom_ml(["push", "reach"], ["reach-v3"], 1), InvalidConfig, "overlap.*reach"),
        (lambda: protocols.custom_ml([], ["reach"], 1), InvalidConfig, "train must be a list"),
        (lambda: protocols.custom_mt("push", 1), InvalidConfig, "tasks must be a list.*'push'"),
        (lambda: protocols.custom_mt(["push", "push-v3"], 1), InvalidConfig, "twice"),
        (lambda: protocols.ml1("push", 1).split("tset"), InvalidConfig, "no split 'tset'.*test"),
        (lambda: protocols.mt1("push", 1).split("test"), InvalidConfig, "MT1 has no split 'test'"),
        (lambda: protocols.mt1("push", 1).train.goal(TaskGoal(task=REACH, index=0)), UnknownName, "push"),
        (lambda: protocols.mt1("push", 1).train.goal(TaskGoal(task=PUSH, index=50)), InvalidConfig, "0 to 49.*50"),
        (lambda: protocols.mt1("push", 1).train.first(51), InvalidConfig, "1 to 50.*51"),
        (lambda: PROTOCOLS["metaworld/MT100"], UnknownName, "metaworld/MT10"),
        (lambda: PROTOCOLS["metaworld/MT1"].benchmark(1, 50), InvalidConfig, r"needs \['task'\]"),
    ],
)
def test_what_cannot_work_is_named(call: Callable[[], object], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        call()
