"""Windows hold what plain h5py reads, padded, scaled and weighted as they say."""

import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metasim.core.errors import DatasetError, InvalidConfig, UnknownName
from metasim.datasets import CollectConfig, Dataset
from metasim.datasets.training import Windows

from .made import LAYOUT, PICTURE, TASK, episode, task_info, write

OTHER = "suite/other-v0"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Seven episodes of two tasks and two policies, with masks, in two files."""
    folder = tmp_path_factory.mktemp("files")
    first = [episode(i, 4 + 3 * i, success=i != 1) for i in range(3)]
    first += [episode(0, 9, task=OTHER), episode(1, 5, task=OTHER, policy="random", success=False)]
    second = [episode(i, 6, policy="random") for i in range(2)]
    a = write(folder / "a.h5", first, masks={"train": [0, 2, 3], "valid": [1, 4]})
    return a, write(folder / "b.h5", second, masks={"train": [1]})


def flat(demo: Any) -> Any:
    return np.concatenate([demo[f"obs/{name}"][()] for name, _ in LAYOUT], axis=1)


@settings(deadline=None, max_examples=40)
@given(length=st.integers(1, 12), stride=st.integers(1, 5), history=st.integers(0, 6), pad=st.booleans())
def test_windows_are_the_rows_of_the_file(
    files: tuple[Path, Path], length: int, stride: int, history: int, pad: bool
) -> None:
    include = ("actions", "rewards", "next_obs", "timesteps", "returns_to_go", "final_obs", "sample/goal")
    if not pad and length > 10:
        with pytest.raises(InvalidConfig, match="the longest has 10"):
            Windows(files[0], length=length, pad=False)
        return
    windows = Windows(
        files[0], length=length, stride=stride, history=history, pad=pad, include=include, dtype="float64", discount=0.9
    )
    number = 0
    with h5py.File(files[0]) as file:
        for e in range(5):
            demo: Any = file[f"data/demo_{e}"]
            obs, rewards, steps = flat(demo), demo["rewards"][()], len(demo["rewards"])
            final = np.concatenate([demo[f"final_obs/{name}"][()] for name, _ in LAYOUT], axis=1)
            coming = [sum(0.9 ** (k - t) * rewards[k] for k in range(t, steps)) for t in range(steps)]
            for start in range(0, steps if pad else steps - length + 1, stride):
                rows = np.arange(start - history, start + length)
                at = np.clip(rows, 0, steps - 1)
                sample = windows[number]
                assert (sample["episode"], sample["start"], sample["task"]) == (e, start, int(e > 2))
                np.testing.assert_array_equal(sample["mask"], (rows >= 0) & (rows < steps))
                np.testing.assert_array_equal(sample["obs"], obs[at])
                np.testing.assert_array_equal(sample["next_obs"], np.concatenate([obs[1:], final])[at])
                np.testing.assert_array_equal(sample["final_obs"], final[0])
                np.testing.assert_array_equal(sample["actions"], demo["actions"][()][at].astype(float))
                np.testing.assert_array_equal(sample["rewards"], rewards[at])
                np.testing.assert_array_equal(sample["timesteps"], at)
                np.testing.assert_allclose(sample["returns_to_go"], np.array(coming)[at], rtol=1e-12, atol=1e-12)
                np.testing.assert_array_equal(sample["sample/goal"], demo["initial/sample/goal"][()])
                number += 1
    assert len(windows) == number
    with pytest.raises(IndexError):
        windows[number]


def test_a_batch_is_its_windows_stacked_and_memory_holds_the_same_bits(files: tuple[Path, Path]) -> None:
    include = ("actions", "next_obs", "returns_to_go", "success", "dones", "states")
    settings: Any = {"length": 7, "history": 2, "include": include, "obs": ("goal", "flat"), "normalise": "standard"}
    lazy, loaded = Windows(files, **settings), Windows(files, in_memory=True, **settings)
    numbers = np.random.default_rng(0).permutation(len(lazy))
    batch, same = lazy[numbers], loaded[numbers]
    for i, number in enumerate(numbers):
        one = lazy[int(number)]
        for name, value in leaves(one).items():
            np.testing.assert_array_equal(leaves(batch)[name][i], value)
            assert leaves(batch)[name].dtype == np.asarray(value).dtype
    for name, value in leaves(batch).items():
        np.testing.assert_array_equal(leaves(same)[name], value)
    assert batch["obs"]["goal"].dtype == np.float32
    assert (batch["dones"].dtype, batch["success"].dtype) == (np.uint8, np.bool_)
    last = lazy[-1]
    assert last["episode"] == 6 and last["start"] == 5


def leaves(sample: Any, prefix: str = "") -> dict[str, Any]:
    found = {}
    for name, value in sample.items():
        found |= leaves(value, f"{prefix}{name}/") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found


def test_scaling_is_that_of_all_rows_of_all_files(files: tuple[Path, Path]) -> None:
    rows, rewards = [], []
    for path in files:
        with h5py.File(path) as file:
            demos: Any = file["data"]
            rows += [flat(demo) for demo in demos.values()]
            rewards += [demo["rewards"][()] for demo in demos.values()]
    everything, all_rewards = np.concatenate(rows), np.concatenate(rewards)
    standard = Windows(files, length=1, normalise={"obs": "standard", "rewards": "range"}, dtype="float64",
                       include=("rewards", "returns_to_go"))  # fmt: skip
    np.testing.assert_allclose(standard.normaliser.shift["obs"], everything.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(standard.normaliser.scale["obs"], everything.std(axis=0), rtol=1e-12)
    got = standard[np.arange(len(standard))]
    np.testing.assert_allclose(got["obs"][:, 0].mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(got["obs"][:, 0].std(axis=0), 1.0, rtol=1e-12)
    np.testing.assert_allclose([got["rewards"].min(), got["rewards"].max()], [-1, 1], rtol=1e-12)
    np.testing.assert_allclose(got["returns_to_go"][:3, 0], rewards[0][::-1].cumsum()[::-1][:3], rtol=1e-12)
    np.testing.assert_allclose(
        standard.normaliser.invert("obs", got["obs"])[:, 0], np.concatenate(rows), rtol=1e-12, atol=1e-12
    )
    assert all_rewards.size == len(standard)


def test_a_column_that_does_not_vary_is_not_blown_up(tmp_path: Path) -> None:
    one = episode(0, 8)
    still = replace(one, obs={**one.obs, "goal": np.full((8, 2), 0.1)})
    for kind in ("standard", "range"):
        windows = Windows(write(tmp_path / f"{kind}.h5", [still]), length=8, obs=("goal",), normalise=kind)
        assert np.abs(windows[0]["obs"]["goal"]).max() < 1e-6


def test_only_what_is_asked_for(files: tuple[Path, Path]) -> None:
    assert [e.num_samples for e in Windows(files, length=1, mask="train").episodes] == [4, 10, 9, 6]
    assert [e.policy for e in Windows(files, length=1, tasks=[OTHER]).episodes] == ["expert", "random"]
    chosen = Windows(files, length=1, where="not success or (policy == 'random' and length < 6)")
    assert [e.num_samples for e in chosen.episodes] == [7, 5]
    assert [*Windows(files, length=1, tasks=[OTHER]).tasks] == [OTHER]


def test_weights_give_tasks_and_qualities_their_shares(files: tuple[Path, Path]) -> None:
    windows = Windows(files, length=2)
    task = np.array([windows[i]["task"] for i in range(len(windows))])
    policy = np.array([windows.episodes[windows[i]["episode"]].policy for i in range(len(windows))])
    assert windows.weights() == pytest.approx(1 / len(windows))
    equal = windows.weights(tasks="equal")
    assert equal[task == 0].sum() == pytest.approx(0.5) == equal[task == 1].sum()
    shares = windows.weights(tasks={TASK: 3, OTHER: 1}, quality={"expert": 0.7, "random": 0.3})
    assert shares.sum() == pytest.approx(1)
    for k, share in ((0, 0.75), (1, 0.25)):
        assert shares[(task == k) & (policy == "expert")].sum() == pytest.approx(0.7 * share)
        assert len(set(shares[(task == k) & (policy == "random")].round(15))) == 1
    masked = windows.weights(quality={"train": 1, "*": 0.25})
    train = windows.weights(quality={"train": 1}) > 0
    assert [len(e) for e in np.split(train, np.cumsum([e.num_samples for e in windows.episodes]))[:-1]]
    assert masked[train & (task == 1)].sum() == pytest.approx(0.8 * 14 / 47)
    solved = windows.weights(quality={"failure": 1})
    assert {windows[int(i)]["episode"] for i in np.flatnonzero(solved)} == {1, 4}
    only = windows.weights(tasks={OTHER: 1}, quality={"valid": 1})
    assert {windows[int(i)]["episode"] for i in np.flatnonzero(only)} == {4}


@pytest.fixture(scope="module")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three episodes with pictures."""
    return write(tmp_path_factory.mktemp("pictured") / "p.h5", [episode(i, 5, pictures=True) for i in range(3)])


def test_pictures_are_decoded_and_their_successors_too(pictured: Path) -> None:
    name = PICTURE[0]
    windows = Windows(pictured, length=3, obs=(name, "hand"), include=("next_obs",), in_memory=False)
    with Dataset(pictured) as data:
        shown = data.episode(1).array(f"obs/{name}")
        last = data.episode(1).array(f"final_obs/{name}")
    sample = windows[8]
    np.testing.assert_array_equal(sample["obs"][name], shown[[3, 4, 4]])
    np.testing.assert_array_equal(sample["next_obs"][name], np.stack([shown[4], last[0], last[0]]))
    assert sample["obs"][name].dtype == np.uint8
    loaded = Windows(pictured, length=3, obs=(name,), include=(), in_memory=True)
    np.testing.assert_array_equal(loaded[8]["obs"][name], shown[[3, 4, 4]])
    assert loaded.nbytes == 15 * 6 * 5 * 3


def repack(source: Path, target: Path) -> Path:
    """Copy a dataset with every array in pieces, compressed, as other tools do."""
    with h5py.File(source) as old, h5py.File(target, "w") as new:
        for name, value in old["data"].attrs.items():
            new.require_group("data").attrs[name] = value
        old.copy("mask", new)
        old.copy("stats", new)

        def put(name: str, item: Any) -> None:
            if isinstance(item, h5py.Group):
                made: Any = new.require_group(f"data/{name}")
            else:
                array = item[()]
                pieces = {"chunks": (2, *array.shape[1:]), "compression": "lzf"} if array.shape[:1] > (1,) else {}
                made = new.create_dataset(f"data/{name}", data=array, **pieces)
            for key, value in item.attrs.items():
                made.attrs[key] = value

        data: Any = old["data"]
        data.visititems(put)
    return target


def test_a_repacked_file_reads_the_same(pictured: Path, files: tuple[Path, Path], tmp_path: Path) -> None:
    for source, obs in ((pictured, (PICTURE[0], "flat")), (files[0], ("flat",))):
        settings: Any = {"length": 4, "obs": obs, "include": ("actions", "next_obs", "rewards", "success")}
        a, b = Windows(source, **settings), Windows(repack(source, tmp_path / source.name), **settings)
        numbers = np.arange(len(a))
        for name, value in leaves(a[numbers]).items():
            np.testing.assert_array_equal(leaves(b[numbers])[name], value)


def test_an_imported_episode_has_states_of_no_columns(tmp_path: Path) -> None:
    one = episode(0, 5, backend="none")
    task = replace(task_info(), state_size={"none": 0})
    path = write(tmp_path / "i.h5", [replace(one, states=np.zeros((6, 0)))], {TASK: task})
    for loaded in (False, True):
        assert Windows(path, length=3, include=("states",), in_memory=loaded)[[0, 4]]["states"].shape == (2, 3, 0)


def test_statistics_are_only_needed_to_scale(files: tuple[Path, Path], tmp_path: Path) -> None:
    path = Path(shutil.copy(files[0], tmp_path / "a.h5"))
    with h5py.File(path, "r+") as file:
        del file["stats"]
    assert Windows(path, length=2)[0]["obs"].shape == (2, 5)
    with pytest.raises(DatasetError, match=r"a\.h5"):
        Windows(path, length=2, normalise="range")


def test_they_travel_to_other_processes(files: tuple[Path, Path]) -> None:
    for loaded in (False, True):
        windows = Windows(files, length=3, in_memory=loaded)
        windows[0]
        there = pickle.loads(pickle.dumps(windows))
        np.testing.assert_array_equal(there[9]["obs"], windows[9]["obs"])
    descriptors = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        Windows(files, length=3)[0]
    assert len(os.listdir("/proc/self/fd")) <= descriptors


def test_a_file_that_has_been_replaced_is_not_read(collected: CollectConfig, tmp_path: Path) -> None:
    path = Path(shutil.copy(collected.out, tmp_path / "a.h5"))
    windows = Windows(path, length=5)
    fresh = pickle.loads(pickle.dumps(windows))
    kept = windows[0]["obs"]
    write(tmp_path / "b.h5", [episode(0, 9)]).rename(path)
    np.testing.assert_array_equal(windows[0]["obs"], kept)  # the old file is still open
    with pytest.raises(DatasetError, match="not the file that it was"):
        fresh[0]


@pytest.mark.parametrize(("change", "error", "says"), [
    ({"length": 0}, InvalidConfig, "length must be at least 1"),
    ({"length": 2, "stride": 0}, InvalidConfig, "stride"),
    ({"length": 2, "discount": 0.0}, InvalidConfig, "discount"),
    ({"length": 2, "dtype": "int8"}, InvalidConfig, "dtype"),
    ({"length": 2, "mask": "tran"}, DatasetError, r"no mask 'tran'; it has \['train'"),
    ({"length": 2, "tasks": ["suite/ny-v0"]}, UnknownName, "suite/any-v0"),
    ({"length": 2, "obs": ["hnd"]}, UnknownName, "did you mean.*hand"),
    ({"length": 2, "include": ["reward"]}, UnknownName, "rewards"),
    ({"length": 2, "include": ["sample/gaol"]}, DatasetError, "no factor 'gaol'; it has"),
    ({"length": 2, "normalise": "max"}, UnknownName, "standard"),
    ({"length": 2, "normalise": {"states": "range"}}, InvalidConfig, "states"),
    ({"length": 2, "where": "lenght > 3"}, InvalidConfig, "length"),
    ({"length": 2, "where": "length > 300"}, InvalidConfig, "no episode is left"),
    ({"length": 2, "in_memory": True, "limit_bytes": 100}, InvalidConfig, r"takes [\d,]+ bytes, limit_bytes is 100"),
])  # fmt: skip
def test_what_cannot_be_is_refused(
    files: tuple[Path, Path], change: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        Windows(files, **change)


def test_files_that_contradict_each_other_are_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    other = episode(0, 5)
    swapped = replace(other, obs={k: other.obs[k] for k in ("goal", "hand")},
                      final_obs={k: other.final_obs[k] for k in ("goal", "hand")})  # fmt: skip
    odd = write(tmp_path / "odd.h5", [swapped], {TASK: task_info(layout=LAYOUT[::-1])})
    with pytest.raises(DatasetError, match="observation"):
        Windows([files[0], odd], length=2)
    with pytest.raises(InvalidConfig, match="each once"):
        Windows([files[0], files[0]], length=2)
    with pytest.raises(InvalidConfig, match="each once"):
        Windows([], length=2)


def test_tasks_of_different_sizes_cannot_be_one_batch_but_share_names(tmp_path: Path) -> None:
    small = episode(0, 5, task=OTHER)
    small = replace(small, obs={"hand": small.obs["hand"]}, final_obs={"hand": small.final_obs["hand"]})
    tasks = {TASK: task_info(), OTHER: task_info(layout=LAYOUT[:1])}
    path = write(tmp_path / "two.h5", [episode(0, 5), small], tasks)
    with pytest.raises(InvalidConfig, match="no one shape"):
        Windows(path, length=2)
    assert Windows(path, length=2, obs=("hand",))[[0, 9]]["obs"]["hand"].shape == (2, 2, 3)


@pytest.mark.parametrize(("call", "error"), [
    (lambda w: w.weights(tasks={"suite/none": 1}), UnknownName),
    (lambda w: w.weights(tasks="even"), InvalidConfig),
    (lambda w: w.weights(quality={"medium": 1}), UnknownName),
    (lambda w: w.weights(quality={"expert": -1}), InvalidConfig),
    (lambda w: w.weights(quality={"expert": 0}), InvalidConfig),
])  # fmt: skip
def test_weights_that_cannot_be_are_refused(
    files: tuple[Path, Path], call: Callable[[Windows], Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        call(Windows(files, length=2))
