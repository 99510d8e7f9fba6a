"""Goals of a protocol: what evaluations have under the same name, recorded, verified and replayed."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from metasim.benchmarks.runner import EvaluateConfig, evaluate
from metasim.core.errors import InvalidConfig, UnknownName
from metasim.core.protocol import PROTOCOLS, protocol_goals
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS
from metasim.datasets import CollectConfig, Dataset, collect, verify
from metasim.datasets.digest import arrays_of, digest
from metasim.datasets.goals import goal_overrides, same_start
from metasim.policies.replay_plan import replay_config

REACH, PUSH, RUNNER = "metaworld/reach-v3", "metaworld/push-v3", "meta_rl/point-robot-v0"
MT10 = "metaworld/MT10"
BASE = CollectConfig(tasks=(REACH, PUSH), out=Path("x.h5"), goals=MT10, episodes=3, horizon=90, tail=None, seed=4)


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both tasks of MT10, every episode to its horizon, labelled."""
    return collect(BASE.replace(out=tmp_path_factory.mktemp("goals") / "goals.h5", keep="all"))


def test_each_episode_has_the_goal_of_its_index(collected: Path, tmp_path: Path) -> None:
    factor, goals = protocol_goals(MT10, BASE.tasks, BASE.seed)
    with Dataset(collected) as data:
        for demo in data:
            assert demo.info.goals == MT10
            assert np.array_equal(demo.sample[factor], goals[demo.info.task][demo.info.episode])
        starts = [demo.array("states")[0] for demo in data][:3]
        assert data.header.collections[0]["goals"] == MT10
    free = collect(BASE.replace(out=tmp_path / "free.h5", goals="", keep="all", tasks=(REACH,)))
    with Dataset(free) as data:
        assert all(demo.info.goals == "" for demo in data) and "goals" not in data.header.collections[0]
        assert not any(np.array_equal(demo.array("states")[0], start) for demo, start in zip(data, starts, strict=True))


def test_there_are_no_more_goals_than_the_protocol_has() -> None:
    factor, goals = protocol_goals("metaworld/MT1", (REACH,), 0)
    seeds = [EpisodeSeed(root=0, task=REACH, episode=i) for i in (0, 49, 50, 103)]
    overrides = goal_overrides("metaworld/MT1", seeds)
    assert overrides is not None and list(overrides) == [factor]
    assert np.array_equal(overrides[factor], goals[REACH][[0, 49, 0, 3]])
    assert goal_overrides("", seeds) is None


def test_an_evaluation_with_the_same_goals_comes_to_the_same_outcomes(collected: Path) -> None:
    results = evaluate(EvaluateConfig(tasks=BASE.tasks, episodes=3, seed=4, horizon=90, goals=MT10))
    rows = {(row.task, row.episode): row for row in results.episodes}
    with Dataset(collected) as data:
        assert len(data) == len(rows) == 6
        for demo in data:
            row = rows[demo.info.task, demo.info.episode]
            assert (row.first_success_step or -1) == demo.info.first_success_step
            assert row.episode_return == pytest.approx(demo.array("rewards").sum(), rel=1e-12)


def test_workers_and_worlds_do_not_change_the_bytes(collected: Path, tmp_path: Path) -> None:
    config = BASE.replace(out=tmp_path / "again.h5", keep="all", workers=2, worlds=2)
    assert collect(config).read_bytes() == collected.read_bytes()


def test_it_is_verified_bit_by_bit_and_another_goal_is_found_out(collected: Path, tmp_path: Path) -> None:
    verdict = verify(collected)
    assert verdict.ok and verdict.bit_identical == 6
    spoilt = tmp_path / "spoilt.h5"
    spoilt.write_bytes(collected.read_bytes())
    with h5py.File(spoilt, "r+") as file, Dataset(collected) as data:
        goal = file["data/demo_1/initial/sample/rand_vec"]
        goal[-1] += 0.01  # type: ignore[index,operator]
        episode = data.episode(1).load()
        sample = {**episode.sample, "rand_vec": goal[()]}  # type: ignore[index]
        arrays = {**arrays_of(episode), "initial/sample/rand_vec": sample["rand_vec"]}
        file["data/demo_1"].attrs.modify("sha256", digest(episode.info, arrays))
    verdict = verify(spoilt)
    assert [check.bit_identical for check in verdict.episodes] == [True, False, True, True, True, True]
    assert verdict.episodes[1].drifted == "sample"


def test_what_the_seed_draws_besides_the_goal_must_be_as_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    seed = EpisodeSeed(root=0, task=REACH, episode=7)
    drawn = {**TASKS[REACH]().sample(seed), "mass": np.array([0.5])}
    goal = {name: value[0] for name, value in (goal_overrides(MT10, [seed]) or {}).items()}
    assert same_start(MT10, seed, drawn, {**drawn, **goal})
    assert not same_start(MT10, seed, drawn, drawn)
    assert not same_start(MT10, seed, drawn, {**drawn, **goal, "mass": np.array([0.6])})
    assert not same_start(MT10, seed, drawn, goal)
    assert same_start("", seed, drawn, drawn) and not same_start("", seed, drawn, {**drawn, **goal})
    monkeypatch.delitem(PROTOCOLS._items, MT10)
    assert same_start(MT10, seed, drawn, {**drawn, **goal})


def test_a_replay_has_the_same_goals(collected: Path, tmp_path: Path) -> None:
    config = replay_config(collected, out=tmp_path / "again.h5", keep="all", tasks=(PUSH,))
    assert config.goals == MT10
    with Dataset(collected) as first, Dataset(collect(config)) as second:
        for one, two in zip(list(first)[3:], second, strict=True):
            assert np.array_equal(one.array("states"), two.array("states"))


def test_only_successes_are_the_lowest_indices_with_goals_too(tmp_path: Path) -> None:
    config = BASE.replace(out=tmp_path / "s.h5", tasks=(PUSH,), policy="action-repeat:p=0.9", horizon=110, tail=5)
    results = evaluate(
        EvaluateConfig(tasks=(PUSH,), policy=config.policy, episodes=12, seed=4, horizon=110, goals=MT10)
    )
    solved = [row.episode for row in results.episodes if row.success_any]
    assert solved[:3] != [0, 1, 2]
    with Dataset(collect(config)) as data:
        assert [info.episode for info in data.infos()] == solved[:3]


def test_goals_of_other_suites(tmp_path: Path) -> None:
    config = CollectConfig(
        tasks=(RUNNER,),
        out=tmp_path / "p.h5",
        goals="meta_rl/point-robot-test",
        policy="random",
        episodes=2,
        keep="all",
    )
    assert verify(collect(config)).bit_identical == 2


def test_a_protocol_that_does_not_fit_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    base = BASE.replace(out=tmp_path / "x.h5")
    with pytest.raises(UnknownName, match="no protocol named 'metaworld/MT11'; did you mean"):
        collect(base.replace(goals="metaworld/MT11"))
    with pytest.raises(UnknownName, match="task of the train split named 'classic/cart-pole-v0'"):
        collect(base.replace(tasks=("classic/cart-pole-v0",), policy="random"))
    with pytest.raises(InvalidConfig, match="seed must be"):
        collect(base.replace(seed=2**32))
    with pytest.raises(InvalidConfig, match="needs"):
        collect(base.replace(goals="metaworld/custom-mt"))
    assert not list(tmp_path.iterdir())
