"""Engine states are stored as columns that move, and read as they were."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from metasim.core.errors import DatasetError
from metasim.datasets import Dataset, checking
from metasim.datasets.states import packed, whole
from metasim.datasets.tools.difference import differences
from metasim.datasets.training import Windows

from .made import episode, write

STILL = np.array([True, False, True, False])


@settings(deadline=None)
@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(0, 4)), elements=st.sampled_from([0.0, -0.0, 1.5])),
    st.booleans(),
)
def test_what_is_packed_is_what_it_was_to_the_bit(states: Any, failed: bool) -> None:
    if failed:
        states = np.concatenate([states, np.full((1, states.shape[1]), np.nan)])
    stored = packed(states, failed=failed)
    again = whole(stored, failed=failed)
    assert again.tobytes() == states.tobytes() and again.shape == states.shape
    known = states[: len(states) - failed]
    moving = [k for k in range(states.shape[1]) if len({row.tobytes() for row in known[:, k]}) > 1]
    assert stored["initial/moving"].tolist() == moving
    assert stored["states"].shape == (len(states), len(moving))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two episodes, each with two columns that stand still; the engine gave the second one up."""
    one, two = episode(0, 6), episode(1, 5, failure="it blew up", success=False)
    changed = []
    for made in (one, two):
        states = np.where(STILL, made.states[0], made.states)
        changed.append(replace(made, states=states))
    changed[1].states[-1] = np.nan
    ended = np.arange(5) == 4
    changed[1] = replace(changed[1], terminated=ended, truncated=np.zeros(5, bool))
    return write(tmp_path / "a.h5", changed)


def test_the_file_has_what_moves_and_readers_get_all_of_it(path: Path) -> None:
    with h5py.File(path) as opened:
        file: Any = opened
        assert file["data/demo_0/states"].shape == (7, 2)
        assert file["data/demo_0/initial/moving"][()].tolist() == [1, 3]
    expected = np.where(STILL, episode(0, 6).states[0], episode(0, 6).states)
    with Dataset(path) as data:
        np.testing.assert_array_equal(data.episode(0).states, expected)
        np.testing.assert_array_equal(data.episode(0).load().states, expected)
        assert np.isnan(data.episode(1).states[-1]).all() and np.isfinite(data.episode(1).states[:-1]).all()


@pytest.mark.parametrize("in_memory", [False, True])
def test_windows_of_states_are_whole(path: Path, in_memory: bool) -> None:
    windows = Windows(path, length=4, include=("states",), dtype="float64", in_memory=in_memory)
    with Dataset(path) as data:
        states = [demo.states for demo in data]
    for sample in (windows[i] for i in range(len(windows))):
        rows = np.arange(sample["start"], sample["start"] + 4)
        mine = states[int(sample["episode"])]
        np.testing.assert_array_equal(sample["states"], mine[np.clip(rows, 0, len(mine) - 2)])


def spoil_columns(file: Any) -> None:
    file["data/demo_0/initial/moving"][()] = [3, 1]


def spoil_range(file: Any) -> None:
    file["data/demo_0/initial/moving"][()] = [1, 4]


def spoil_order(file: Any) -> None:
    """Differences of these overflow."""
    del file["data/demo_0/initial/moving"]
    file["data/demo_0/initial/moving"] = np.array([1, -(2**31), -3, 3], np.int32)
    rows = file["data/demo_0/states"][()]
    del file["data/demo_0/states"]
    file["data/demo_0/states"] = np.repeat(rows, 2, axis=1)


def spoil_kind(file: Any) -> None:
    del file["data/demo_0/initial/moving"]
    file["data/demo_0/initial/moving"] = np.array([1.0, 3.0])


def spoil_width(file: Any) -> None:
    first = file["data/demo_0/initial/state"][:1]
    del file["data/demo_0/initial/state"]
    file["data/demo_0/initial/state"] = first


def spoil_rows(file: Any) -> None:
    rows = file["data/demo_0/states"][:, :1]
    del file["data/demo_0/states"]
    file["data/demo_0/states"] = rows


@pytest.mark.parametrize("spoil", [spoil_columns, spoil_range, spoil_order, spoil_kind, spoil_width, spoil_rows])
def test_columns_that_make_no_sense_are_refused_by_every_reader(spoil: Any, path: Path) -> None:
    with h5py.File(path, "r+") as file:
        spoil(file)
    with Dataset(path) as data, pytest.raises(DatasetError, match=r"a\.h5"):
        _ = data.episode(0).states
    with pytest.raises(DatasetError, match=r"a\.h5"):
        Windows(path, length=2, include=("states",))
    with pytest.raises(DatasetError, match=r"a\.h5"):
        checked(path)


def checked(path: Path) -> None:
    with h5py.File(path) as file:
        checking.check(file, path)


def test_states_are_read_from_many_threads(path: Path) -> None:
    windows = Windows([path], length=3, include=("states",), dtype="float64")
    alone = [windows[i]["states"].tobytes() for i in range(len(windows))]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda i: windows[i % len(windows)]["states"].tobytes(), range(40 * len(windows))))
    assert together == alone * 40


def test_what_differs_in_states_is_told_by_row_and_size_whatever_moves(path: Path, tmp_path: Path) -> None:
    one = episode(0, 6)
    states = np.where(STILL, one.states[0], one.states)
    states[4, 0] += 0.5  # a column that stood still
    other = write(tmp_path / "b.h5", [replace(one, states=states)])
    only = write(tmp_path / "c.h5", [replace(one, states=np.where(STILL, one.states[0], one.states))])
    (found,) = [one for one in differences(only, other) if one.kind == "array"]
    assert (found.what, found.row, found.size) == ("states", 4, pytest.approx(0.5))


def test_an_episode_with_a_reward_that_is_no_number_is_not_written(tmp_path: Path) -> None:
    one = episode(0, 6)
    rewards = np.where(np.arange(6) == 2, np.nan, one.rewards)
    with pytest.raises(DatasetError, match="suite/any-v0, episode 0: 'rewards' has NaN or infinity in row 2"):
        write(tmp_path / "b.h5", [replace(one, rewards=rewards)])
