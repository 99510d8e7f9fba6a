"""Flat arrays in D4RL's manner, cut into episodes as its users do."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from metasim.core.errors import DatasetError, UnknownName
from metasim.datasets import CollectConfig
from metasim.datasets.exchange import ExportOptions, export_dataset

from .conftest import loaded


def read(path: Path) -> dict[str, Any]:
    """Every array under its path, as ``OfflineEnv.get_dataset`` does."""
    found = dict[str, Any]()
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def cut(data: dict[str, Any]) -> list[slice]:
    """The episodes, ended by terminals or timeouts."""
    ends = np.flatnonzero(data["terminals"] | data["timeouts"]) + 1
    return [slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]


@pytest.mark.parametrize("task", ["lab/push-v0", "lab/pull-v0"])
def test_the_usual_cutting_gives_our_episodes(pictured: Path, tmp_path: Path, task: str) -> None:
    done = export_dataset(pictured, "d4rl", tmp_path / "out.hdf5", ExportOptions(task=task))
    data = read(tmp_path / "out.hdf5")
    episodes = [episode for episode in loaded(pictured) if episode.info.task == task]
    pieces = cut(data)
    assert len(pieces) == len(episodes) == done.episodes == 4
    assert len(data["rewards"]) == done.steps and pieces[-1].stop == done.steps
    for piece, episode in zip(pieces, episodes, strict=True):
        for name, array in {
            "observations": episode.observation,
            "next_observations": np.concatenate([episode.observation[1:], episode.final_observation]),
            "actions": episode.actions,
            "rewards": episode.rewards,
            "terminals": episode.terminated,
            "infos/success": episode.success,
            "infos/states": episode.states[:-1],
            "infos/eye": episode.obs["eye"],
        }.items():
            np.testing.assert_array_equal(data[name][piece], array)
            assert data[name].dtype == array.dtype
    assert not (data["terminals"] & data["timeouts"]).any()
    assert data["metadata/task"].decode() == task and data["metadata/control_period_s"] == 0.04
    assert json.loads(data["metadata/observation_layout"]) == [["joints", 7], ["speed", 7]]


def test_what_was_collected(collected: CollectConfig, tmp_path: Path) -> None:
    export_dataset(collected.out, "d4rl", tmp_path / "out.hdf5")
    data = read(tmp_path / "out.hdf5")
    lengths = [len(episode.actions) for episode in loaded(collected.out)]
    assert [piece.stop - piece.start for piece in cut(data)] == lengths
    assert data["observations"].shape == (sum(lengths), 39)


def test_several_tasks_are_no_one_dataset(pictured: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"holds 2 tasks.*choose one of \['lab/push-v0', 'lab/pull-v0'\]"):
        export_dataset(pictured, "d4rl", tmp_path / "out.hdf5")
    with pytest.raises(UnknownName, match="did you mean"):
        export_dataset(pictured, "d4rl", tmp_path / "out.hdf5", ExportOptions(task="lab/pul-v0"))
    assert list(tmp_path.iterdir()) == []
