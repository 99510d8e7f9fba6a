"""Our datasets as robomimic reads them, and back: by plain h5py always, by its own SequenceDataset where it is.

METASIM_ROBOMIMIC_PYTHON names an interpreter that has robomimic.
"""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from metasim.datasets import CollectConfig
from metasim.datasets.exchange import ExportOptions, ImportOptions, export_dataset, import_dataset

from .conftest import loaded

VARIABLE = "METASIM_ROBOMIMIC_PYTHON"
READ = """
import sys, numpy as np
from robomimic.utils import obs_utils
from robomimic.utils.dataset import SequenceDataset

path, task, out = sys.argv[1:4]
obs_utils.initialize_obs_utils_with_obs_specs({"obs": {"low_dim": ["joints", "speed"], "rgb": ["eye"]}})
found = {}
for cache in (None, "low_dim", "all"):
    data = SequenceDataset(
        path, obs_keys=("joints", "speed", "eye"), dataset_keys=("actions", "rewards", "dones"), seq_length=2,
        hdf5_cache_mode=cache, filter_by_attribute=task, hdf5_use_swmr=True, load_next_obs=True,
    )
    rows = [data[i] for i in range(len(data))]
    for key in ("actions", "rewards", "dones"):
        found[f"{cache}/{key}"] = np.stack([row[key][0] for row in rows])
    for key in ("joints", "speed", "eye"):
        for kind in ("obs", "next_obs"):
            found[f"{cache}/{kind}/{key}"] = np.stack([row[kind][key][0] for row in rows])
np.savez(out, **found)
"""


def test_next_obs_is_the_row_after(pictured: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.hdf5"
    done = export_dataset(pictured, "robomimic", out)
    assert (done.paths, done.episodes) == ((out,), 8)
    with h5py.File(out, "r", swmr=True, libver="latest") as opened:
        file: Any = opened
        env = json.loads(file["data"].attrs["env_args"])
        assert env["env_name"] == "lab/push-v0,lab/pull-v0" and env["type"] == 2
        assert env["env_kwargs"]["control_freq"] == 25
        assert file["data"].attrs["total"] == done.steps == 2 * (5 + 6 + 7 + 8)
        assert file["mask/train"][()].tolist() == [b"demo_0", b"demo_2", b"demo_4", b"demo_5"]
        for i, episode in enumerate(loaded(pictured)):
            demo = file[f"data/demo_{i}"]
            assert demo.attrs["num_samples"] == len(demo["actions"]) == len(demo["states"])
            for name in ("joints", "speed", "eye"):
                np.testing.assert_array_equal(demo["obs"][name], episode.obs[name])
                np.testing.assert_array_equal(demo["next_obs"][name][:-1], episode.obs[name][1:])
                np.testing.assert_array_equal(demo["next_obs"][name][-1:], episode.final_obs[name])


def test_one_task_of_several(pictured: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.hdf5"
    assert export_dataset(pictured, "robomimic", out, ExportOptions(task="lab/pull-v0")).episodes == 4
    with h5py.File(out) as opened:
        file: Any = opened
        assert list(file["data"]) == [f"demo_{i}" for i in range(4)]
        assert {name: mask[()].tolist() for name, mask in file["mask"].items()} == {
            "train": [b"demo_0", b"demo_1"],
            "valid": [b"demo_3"],
            "lab.pull-v0": [b"demo_0", b"demo_1", b"demo_2", b"demo_3"],
        }


def test_there_and_back_again(pictured: Path, tmp_path: Path) -> None:
    back(pictured, tmp_path)


def test_there_and_back_again_with_what_was_collected(collected: CollectConfig, tmp_path: Path) -> None:
    back(collected.out, tmp_path)


def back(path: Path, tmp_path: Path) -> None:
    export_dataset(path, "robomimic", tmp_path / "there.hdf5")
    import_dataset(tmp_path / "there.hdf5", tmp_path / "back.h5", options=ImportOptions(policy="expert"))
    for i, (ours, again) in enumerate(zip(loaded(path), loaded(tmp_path / "back.h5"), strict=True)):
        for name in ("actions", "rewards", "terminated", "truncated", "success"):
            same(getattr(ours, name), getattr(again, name))
        for kind in ("obs", "final_obs"):
            assert list(getattr(ours, kind)) == list(getattr(again, kind))
            for name, array in getattr(ours, kind).items():
                same(array, getattr(again, kind)[name])
        same(np.concatenate([again.source["states"], again.source["final_states"]]), ours.states)
        for name, value in ours.sample.items():
            same(again.source[f"initial/sample/{name}"], np.asarray(value))
        named = {"task": f"robomimic/{ours.info.task}", "episode": i, "backend": "none", "split": "none"}
        unknown = {"model_digest": "", "goals": "", "sha256": "", "horizon": 0}
        assert replace(again.info, **unknown) == replace(ours.info, **named, **unknown)


def same(a: Any, b: Any) -> None:
    assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


def test_its_own_reader(pictured: Path, tmp_path: Path) -> None:
    python = os.environ.get(VARIABLE)
    if not python:
        pytest.skip(f"{VARIABLE} names no interpreter that has robomimic")
    out, task = tmp_path / "out.hdf5", "lab.pull-v0"
    export_dataset(pictured, "robomimic", out)
    run(python, "-c", READ, out, task, tmp_path / "read.npz")
    read = np.load(tmp_path / "read.npz")
    episodes = [episode for episode in loaded(pictured) if episode.info.task == "lab/pull-v0"]

    def rows(of: Any) -> Any:
        return np.concatenate([of(episode) for episode in episodes])

    for cache in ("None", "low_dim", "all"):
        for name in ("joints", "speed", "eye"):
            np.testing.assert_array_equal(read[f"{cache}/obs/{name}"], rows(lambda e, n=name: e.obs[n]))
            then = rows(lambda e, n=name: np.concatenate([e.obs[n][1:], e.final_obs[n]]))
            np.testing.assert_array_equal(read[f"{cache}/next_obs/{name}"], then)
        for name in ("actions", "rewards", "dones"):
            given = rows(lambda e, n=name: getattr(e, n))
            np.testing.assert_array_equal(read[f"{cache}/{name}"].astype(np.float32), given.astype(np.float32))
    said = run(python, "-m", "robomimic.scripts.get_dataset_info", "--dataset", out, "--filter_key", task)
    assert "total trajectories: 4" in said and "key: next_obs" in said


def run(*words: object) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
