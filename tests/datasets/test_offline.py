"""Offline data: files of several policies, mixed files, flat arrays, and views that hide labels."""

import itertools
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from metasim.core.errors import DatasetError, InvalidConfig
from metasim.core.protocol import protocol_goals
from metasim.datasets import CollectConfig, Dataset, Progress, collect, verify
from metasim.datasets.offline import (
    Stage,
    action_free,
    collect_stages,
    goal_numbers,
    mix,
    returns_of,
    reward_free,
    table,
    to_arrays,
)

POINT, TEST = "meta_rl/point-robot-v0", "meta_rl/point-robot-test"
STAGES = (Stage(policy="zero", episodes=1, seed=3), Stage(policy="random", episodes=2, seed=4))


def config(out: Path, **more) -> CollectConfig:
    return CollectConfig(**{"tasks": (POINT,), "out": out, "goals": TEST, "keep": "all", "tail": None, **more})


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four random episodes of each of the five test tasks."""
    return collect(config(tmp_path_factory.mktemp("offline") / "random.h5", policy="random", episodes=20))


class Killed(Exception):
    """What stands in for a signal."""


def test_stages_follow_each_other(tmp_path: Path) -> None:
    """Each has its own seed and policy; killed anywhere, the same call ends with the same bytes."""
    whole = collect_stages(config(tmp_path / "whole.h5"), STAGES)
    with Dataset(whole) as data:
        infos = data.infos()
        assert [(i.policy, i.seed, i.episode) for i in infos] == [
            *(("zero", 3, i) for i in range(5)),
            *(("random", 4, i) for i in range(10)),
        ]
        assert goal_numbers(infos).tolist() == [0, 1, 2, 3, 4] * 3
        goals = protocol_goals(TEST, (POINT,), 0)[1][POINT]
        for demo, number in zip(data, goal_numbers(infos), strict=True):
            np.testing.assert_array_equal(demo.sample["goal"], goals[number])
    assert verify(whole).bit_identical == 15
    reports: list[Progress] = []

    def kill(progress: Progress) -> None:
        reports.append(progress)
        if len(reports) == 8:
            raise Killed

    again = config(tmp_path / "again.h5", worlds=3)
    with pytest.raises(Killed):
        collect_stages(again, STAGES, kill)
    assert not again.out.exists()
    collect_stages(again, STAGES, reports.append)
    assert again.out.read_bytes() == whole.read_bytes()
    assert (reports[-1].done, reports[-1].wanted) == (15, 15)
    assert not [path for path in tmp_path.iterdir() if "stages" in path.name or "parts" in path.name]
    before = again.out.stat().st_mtime_ns
    collect_stages(again, STAGES)
    assert again.out.stat().st_mtime_ns == before
    with pytest.raises(DatasetError, match="made otherwise.*seed 4 there, 5 asked for"):
        collect_stages(again, (STAGES[0], Stage(policy="random", episodes=2, seed=5)))
    with pytest.raises(InvalidConfig, match="goals of a protocol"):
        collect_stages(again.replace(goals=""), STAGES)


def test_mixed_files_share_each_goals_episodes_out(tmp_path: Path, file: Path) -> None:
    """Three quarters of one file and the rest of the other, none of them twice, still replayable."""
    idle = collect(config(tmp_path / "idle.h5", policy="zero", episodes=20))
    out = mix(tmp_path / "mixed.h5", (file, idle), (0.75, 0.25))
    with Dataset(out) as data, Dataset(file) as first:
        infos = data.infos()
        assert [i.policy for i in infos] == ["random"] * 15 + ["zero"] * 5
        assert sorted(i.episode for i in infos) == list(range(20))
        assert np.bincount(goal_numbers(infos)).tolist() == [4] * 5
        assert data.mask("random") == list(range(15)) and data.mask("idle") == list(range(15, 20))
        np.testing.assert_array_equal(data.episode(7).array("actions"), first.episode(7).array("actions"))
    assert verify(out).bit_identical == 20
    before = out.stat().st_mtime_ns
    assert mix(out, (file, idle), (0.75, 0.25)).stat().st_mtime_ns == before
    with pytest.raises(DatasetError, match="made otherwise"):
        mix(out, (idle, file), (0.75, 0.25))
    with pytest.raises(InvalidConfig, match="add up to 1"):
        mix(out, (file, idle), (0.75, 0.75))
    drawn = collect(config(tmp_path / "drawn.h5", policy="zero", episodes=20, goals=""))
    with pytest.raises(DatasetError, match="not collected with the goals"):
        mix(tmp_path / "no.h5", (file, drawn), (0.5, 0.5))


def test_arrays_are_what_plain_h5py_reads(file: Path) -> None:
    arrays = to_arrays(file, goal=2)
    with h5py.File(file) as plain:
        names = [f"data/demo_{i}" for i in (2, 7, 12, 17)]

        def read(key: str) -> list[np.ndarray]:
            return [np.asarray(plain[f"{name}/{key}"]) for name in names]

        pairs = zip(read("obs/position"), read("final_obs/position"), strict=True)
        position = [np.concatenate(pair) for pair in pairs]
        wanted = {
            "observations": np.concatenate([p[:-1] for p in position]).astype(np.float32),
            "next_observations": np.concatenate([p[1:] for p in position]).astype(np.float32),
            "actions": np.concatenate(read("actions")),
            "rewards": np.concatenate(read("rewards")).astype(np.float32),
            "terminals": np.concatenate(read("terminated")),
            "timeouts": np.concatenate(read("truncated")),
            "episode": np.repeat([2, 7, 12, 17], 20),
        }
    assert arrays.keys() == wanted.keys()
    for name, array in wanted.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)
    assert arrays["timeouts"].sum() == 4 and not arrays["terminals"].any()
    stacked = to_arrays(file, by_episode=True)
    assert stacked["observations"].shape == (20, 20, 2) and stacked["masks"].all()
    np.testing.assert_array_equal(stacked["actions"][7], arrays["actions"][20:40])
    assert len(to_arrays(file)["rewards"]) == 400
    with pytest.raises(DatasetError, match=r"no episodes of .* with goal 5; it has goals \[0, 1, 2, 3, 4\]"):
        to_arrays(file, goal=5)


def test_episodes_of_different_lengths_are_padded(tmp_path: Path, file: Path) -> None:
    short = collect(config(tmp_path / "short.h5", policy="random", episodes=5, horizon=7))
    from metasim.datasets import merge

    both = merge((short, collect(config(tmp_path / "long.h5", policy="zero", episodes=5))), tmp_path / "both.h5")
    arrays = to_arrays(both, by_episode=True)
    assert arrays["masks"].sum(axis=1).tolist() == [7] * 5 + [20] * 5
    assert arrays["actions"].shape == (10, 20, 2) and not arrays["actions"][:5, 7:].any()


def test_a_goal_that_the_task_observes_is_hidden(tmp_path: Path) -> None:
    """Reach sees its goal in three columns, which the family's protocol hides."""
    reach = CollectConfig(
        tasks=("metaworld/reach-v3",),
        out=tmp_path / "reach.h5",
        policy="random",
        episodes=2,
        keep="all",
        horizon=5,
        tail=None,
        goals="meta_rl/reach-test",
    )
    arrays = to_arrays(collect(reach), dtype=np.float64)
    with Dataset(reach.out) as data:
        whole = np.concatenate([demo.observation for demo in data])
    assert arrays["observations"].shape == (10, 39) and np.abs(whole[:, 36:]).min() > 0.001
    np.testing.assert_array_equal(arrays["observations"][:, :36], whole[:, :36])
    assert not arrays["observations"][:, 36:].any() and not arrays["next_observations"][:, 36:].any()


def test_action_free_views_keep_labels_of_the_worse_half(file: Path) -> None:
    """One of each goal's four episodes, never one of the better two; nothing else gives actions away."""
    with Dataset(file) as data:
        returns = np.array([demo.array("rewards").sum() for demo in data]).reshape(4, 5)
        drawn = set()
        for seed in range(8):
            view = action_free(data, 0.25, seed=seed)
            labelled = view.labelled.reshape(4, 5)
            assert labelled.sum(axis=0).tolist() == [1] * 5
            assert (returns[labelled] <= np.sort(returns, axis=0)[1].max()).all()
            assert all(returns[labelled[:, g], g] <= np.sort(returns[:, g])[1] for g in range(5))
            drawn.add(view.labelled.tobytes())
            np.testing.assert_array_equal(view.labelled, action_free(data, 0.25, seed=seed).labelled)
        assert len(drawn) > 2
        hidden = view.episode(int(np.flatnonzero(~view.labelled)[0]))
        for name in ("actions", "states", "/actions"):
            with pytest.raises(DatasetError, match="is hidden|is not the path"):
                hidden.group[name]
        with pytest.raises(DatasetError, match="is hidden"):
            hidden.array("actions")
        with pytest.raises(DatasetError, match="is hidden"):
            hidden.load()
        for name in ("initial/state", "initial/moving", "obs/../actions", "/data/demo_0/actions", "./actions"):
            with pytest.raises(DatasetError, match="is hidden|is not the path"):
                hidden.group[name]
        initial: Any = hidden.group["initial"]
        with pytest.raises(DatasetError, match="is hidden"):
            initial["state"]
        with pytest.raises(DatasetError, match="is hidden"):
            _ = hidden.states
        assert initial["sample"].keys()
        assert not {"actions", "states"} & set(hidden.group)
        assert hidden.array("rewards").shape == (20,) and hidden.observation.shape == (20, 2)
        arrays, plain = to_arrays(view), to_arrays(data)
        rows = np.repeat(view.labelled, 20)
        np.testing.assert_array_equal(np.isnan(arrays["actions"]).all(axis=1), ~rows)
        np.testing.assert_array_equal(arrays["actions"][rows], plain["actions"][rows])
        np.testing.assert_array_equal(arrays["rewards"], plain["rewards"])


def test_reward_free_views(file: Path) -> None:
    with Dataset(file) as data:
        view = reward_free(data)
        assert len(view) == 20 and not view.labelled.any()
        assert np.isnan(to_arrays(view)["rewards"]).all() and np.isfinite(to_arrays(view)["actions"]).all()
        for demo, name in itertools.product(view, ("rewards", "success")):
            with pytest.raises(DatasetError, match="is hidden"):
                demo.array(name)
        assert reward_free(data, 0.5).labelled.sum() == 10
        with pytest.raises(InvalidConfig, match="from 0 to 0.5 with worst_half"):
            action_free(data, 0.6)


def test_the_table_says_what_the_file_holds(file: Path) -> None:
    row = returns_of(file, "test", "random")
    with h5py.File(file) as plain:
        totals = np.array([np.asarray(plain[f"data/demo_{i}/rewards"]).sum() for i in range(20)])
    assert (row.episodes, row.steps) == (20, 400)
    np.testing.assert_allclose(
        (row.mean, row.error, row.low, row.high),
        (totals.mean(), totals.std(ddof=1) / 20**0.5, totals.min(), totals.max()),
    )
    np.testing.assert_allclose(row.by_goal, totals.reshape(4, 5).mean(axis=0))
    text = table([row], {"test": np.array([[0.5, -1.0]] * 5)})
    assert f"| test | random | 20 | 400 | −{-totals.mean():.1f} ±" in text
    assert f"| test | 3 | 0.50, −1.00 | −{-totals.reshape(4, 5).mean(axis=0)[3]:.1f} |" in text
