"""Files of other projects become datasets of ours: rows that fit their actions, and nothing lost."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from metasim.core.errors import DatasetError
from metasim.datasets import Dataset, Episode, merge
from metasim.datasets.exchange import Converted, ImportOptions, export_dataset, import_dataset
from metasim.datasets.parts import Parts

from .conftest import loaded
from .files import GAIN, LIBERO_TEXT

LAYOUTS = ("robomimic", "libero", "isaaclab", "robosuite")
JOINTS = {"robomimic": "joints", "libero": "joint_states", "isaaclab": "policy.joint_pos", "robosuite": "states"}
GOOD = [b"demo_3", b"demo_1"]
ACTIONS = {"robomimic": 6, "libero": 5, "isaaclab": 5, "robosuite": 6}
"""Steps of the first episode: two layouts lose one, robosuite's first demo is demo_1, which has seven."""


def taken(path: Path, **options: Any) -> tuple[list[Episode], Converted]:
    """The episodes of an imported file, and what was said of it."""
    out = path.with_suffix(".h5")
    done = import_dataset(path, out, options=ImportOptions(**options))
    return loaded(out), done


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_observation_is_what_the_action_before_it_led_to(write: Callable, layout: str) -> None:
    """Holds only if rows are paired right and the right one was cut off."""
    episodes, _ = taken(write(layout))
    assert len(episodes) == 3
    for episode in episodes:
        name = JOINTS[layout]
        q = np.concatenate([episode.obs[name], episode.final_obs[name]])
        moved = GAIN * episode.actions.astype(np.float64)
        np.testing.assert_allclose(np.diff(q, axis=0), moved, atol=1e-6 if layout == "isaaclab" else 1e-12)
        assert episode.info.backend == "none" and episode.states.shape == (len(moved) + 1, 0)
        assert len(episode.rewards) == len(moved) == episode.info.num_samples
    assert len(episodes[0].actions) == ACTIONS[layout]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_everything_in_the_file_is_in_ours(write: Callable, layout: str) -> None:
    """Each array and attribute of a demo is an array of ours, or the rows and the cut ones together are."""
    path = write(layout)
    episodes, _ = taken(path)
    with h5py.File(path) as opened:
        data: Any = opened["data"]
        for name, episode in zip(data, episodes, strict=True):
            assert episode.info.episode == int(name[5:])
            found = dict[str, Any]()
            data[name].visititems(lambda p, item, f=found: f.update({p: item[()]}) if hasattr(item, "shape") else None)
            for item, array in found.items():
                kept(item, array, episode)
            for item, value in data[name].attrs.items():
                held = episode.source[f"attributes/{item}"]
                assert held.item().decode() == value if isinstance(value, str) else np.array_equal(held, value)


def kept(path: str, array: Any, episode: Episode) -> None:
    """Find an array of a foreign demo in an episode."""
    kind, _, rest = path.partition("/")
    if path in episode.source:
        return np.testing.assert_array_equal(episode.source[path], array)
    if kind in ("obs", "next_obs"):
        name = rest.replace("/", ".")
        whole = np.concatenate([episode.obs[name], episode.final_obs[name]])
        theirs = array[:, None] if array.ndim == 1 else array
        rows = slice(1, None) if kind == "next_obs" else slice(0, len(array))
        return np.testing.assert_array_equal(whole[rows], theirs)
    if path == "states" and "states" in episode.obs:
        return np.testing.assert_array_equal(np.concatenate([episode.obs[path], episode.final_obs[path]]), array)
    ours, cut = getattr(episode, path), episode.source.get(f"cut/{path}", array[:0])
    np.testing.assert_array_equal(sorted([*ours.ravel(), *cut.ravel()]), sorted(array.ravel()))
    return None


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_was_imported_can_be_written_again(write: Callable, layout: str, tmp_path: Path) -> None:
    path = write(layout)
    episodes, _ = taken(path)
    for format in ("robomimic", "d4rl", "minari"):
        done = export_dataset(path.with_suffix(".h5"), format, tmp_path / format)
        assert done.steps == sum(len(episode.actions) for episode in episodes)
        if format != "minari":
            with h5py.File(tmp_path / format) as file:
                actions: Any = file["data/demo_0/actions" if format == "robomimic" else "actions"]
                np.testing.assert_array_equal(actions[: len(episodes[0].actions)], episodes[0].actions)


def test_libero(write: Callable) -> None:
    path = write("libero", "put_it_demo.hdf5")
    (first, *_), done = taken(path)
    assert (first.info.task, first.info.instruction) == ("libero/put_the_bowl_on_the_plate", LIBERO_TEXT)
    assert first.info.success and first.info.first_success_step == 5 and first.rewards.tolist() == [0, 0, 0, 0, 1]
    assert any("the first action of each demo is cut off" in note for note in done.notes)
    with Dataset(path.with_suffix(".h5")) as data:
        assert data.header.tasks[first.info.task].control_period_s == 1 / 20
        assert data.header.collections[0]["attributes"]["bddl_file_content"] == "(define)"
        assert data.header.collections[0]["imported"] == "libero"
        assert first.obs["agentview_rgb"].dtype == np.uint8


def test_libero_as_its_users_pair_it(write: Callable) -> None:
    path = write("libero")
    (first, *_), _ = taken(path, seen="before")
    with h5py.File(path) as file:
        demo: Any = file["data/demo_0"]
        np.testing.assert_array_equal(first.obs["joint_states"], demo["obs/joint_states"][:-1])
        np.testing.assert_array_equal(first.actions, demo["actions"][:-1].astype(np.float32))
    assert first.rewards[-1] == 1 and first.info.success_last  # taken over from the step that was cut off
    assert first.source["cut/rewards"].tolist() == [1]


def test_libero_regenerated_with_rows_seen_before_is_noticed(write: Callable) -> None:
    """Scripts that replay LIBERO may store what was seen before an action; the joints in the states tell."""

    def shift(demo: Any) -> None:
        demo["obs/joint_states"][...] = demo["states"][:, 1:8]

    (first, *_), done = taken(write("libero", change=shift))
    q = np.concatenate([first.obs["joint_states"], first.final_obs["joint_states"]])
    np.testing.assert_allclose(np.diff(q, axis=0), GAIN * first.actions.astype(np.float64), atol=1e-12)
    assert any("the last action of each demo is cut off" in note for note in done.notes)


def test_robomimic(write: Callable) -> None:
    path = write("robomimic")
    (first, *_), _ = taken(path, policy="human")
    assert first.info.task == "robomimic/Lift" and first.info.policy == "human"
    assert first.obs["width"].shape == (6, 1) and first.obs["width"].dtype == np.float64
    assert first.obs["eye"].shape == (6, 12, 10, 3) and first.obs["eye"].dtype == np.uint8
    assert first.info.first_success_step == 5 and not first.terminated.any() and first.truncated[-1]
    assert set(first.source) == {"states", "dones", "attributes/num_samples", "attributes/model_file"}
    with Dataset(path.with_suffix(".h5")) as data:
        assert (data.mask("train"), data.mask("valid")) == ([0, 2], [1])
        assert data.header.env_args["env_name"] == "robomimic/Lift"
        assert data.header.collections[0]["attributes"]["total"] == 21


def test_isaac_lab_and_robosuite(write: Callable) -> None:
    path = write("isaaclab", "a.hdf5")
    (first, *_), done = taken(path)
    assert (first.info.task, first.info.seed, first.info.success_last) == ("isaaclab/Isaac-Lift-v0", 7, True)
    assert first.rewards.tolist() == [0, 0, 0, 0, 1]
    assert any("no rewards" in note for note in done.notes)
    with Dataset(path.with_suffix(".h5")) as data:
        assert data.header.tasks[first.info.task].control_period_s == 0.02
    (first, *_), done = taken(write("robosuite", "b.hdf5"))
    assert first.info.task == "robosuite/PickPlace" and not first.info.success
    assert any("--successful" in note for note in done.notes)
    path = write("robosuite", "c.hdf5", data=lambda data: data.parent.create_dataset("mask/good", data=GOOD))
    (first, *_), _ = taken(path, successful=True)
    assert first.info.success_last and first.info.episode == 1
    with Dataset(path.with_suffix(".h5")) as data:
        assert data.mask("good") == [2, 0]  # its demos are counted from 1, ours from 0


def test_actions_beyond_one_need_a_word_and_keep_their_scale(write: Callable) -> None:
    def double(demo: Any) -> None:
        demo["actions"][...] = demo["actions"][()] * np.array([2.0, 1, 1, 1, 1, 1, 0.5])

    path = write("robomimic", change=double)
    with pytest.raises(DatasetError, match=r"demo_\d: actions must lie in \[-1, 1\], column 0 is .* --scale-actions"):
        taken(path)
    assert list(path.parent.iterdir()) == [path]
    episodes, done = taken(path, scale_actions=True)
    assert any("divided by" in note for note in done.notes)
    with h5py.File(path) as file:
        theirs: Any = [file[f"data/demo_{i}/actions"][()] for i in range(3)]  # type: ignore[index]
    scale = np.maximum(1, np.abs(np.concatenate(theirs)).max(axis=0))
    for episode, actions in zip(episodes, theirs, strict=True):
        np.testing.assert_array_equal(episode.source["action_scale"], scale)
        np.testing.assert_array_equal(episode.source["actions"], actions)
        np.testing.assert_allclose(episode.actions * scale, actions, atol=1e-6)


def test_dense_rewards_say_nothing_of_success(write: Callable) -> None:
    def dense(demo: Any) -> None:
        demo["rewards"][...] = np.linspace(0, 1, len(demo["rewards"]))

    (first, *_), done = taken(write("robomimic", change=dense))
    assert not first.info.success and first.rewards[-1] == 1
    assert any("nothing says whether" in note for note in done.notes)


def test_odd_things_are_kept_as_they_are(write: Callable) -> None:
    def odd(demo: Any) -> None:
        steps = len(demo["actions"])
        demo["obs/poses"] = np.arange(16.0 * steps).reshape(steps, 4, 4)
        demo["next_obs/poses"] = demo["obs/poses"][()] + 16
        demo["next_obs/extra"] = np.ones((steps, 2))
        demo["datagen_info/eef"] = np.ones((steps, 4, 4), ">f4")
        demo["datagen_info"].attrs["env_interface_name"] = "MG"
        demo["words"] = np.array(["grün", "blue"] * steps, dtype=h5py.string_dtype())
        demo.attrs["camera_info"] = json.dumps({"fov": 1})

    (first, *_), _ = taken(write("robomimic", change=odd))
    assert first.obs["poses"].shape == (6, 4, 4)
    assert first.source["words"][0].decode() == "grün"
    assert first.source["datagen_info/eef"].dtype == np.float32
    assert first.source["attributes/datagen_info/env_interface_name"].item() == b"MG"
    assert first.source["next_obs/extra"].shape == (6, 2)


def test_attributes_that_json_has_no_word_for(write: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    odd = {
        "words": np.array([[b"a", b"gr\xc3\xbcn"]]),
        "none": float("nan"),
        "limits": np.array([-np.inf, 0.5], np.float32),
        "pair": np.array((1, b"x"), np.dtype([("n", "i4"), ("s", "S1")])),
        "long": np.longdouble(0.5),
        "empty": h5py.Empty("f8"),
    }
    path, out, save = write("robomimic", data=lambda data: data.attrs.update(odd)), tmp_path / "out.h5", Parts.save
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):

        def once(parts: Parts, episode: Any, task: Any) -> None:
            save(parts, episode, task)
            raise KeyboardInterrupt

        patch.setattr(Parts, "save", once)
        import_dataset(path, out)
    assert import_dataset(path, out).episodes == 3  # goes on
    assert "is there already" in import_dataset(path, out).notes[0]
    assert sorted(tmp_path.iterdir()) == [path, out]
    with Dataset(out) as data:
        found = data.header.collections[0]["attributes"]
    assert {name: found[name] for name in odd} == {
        "words": [["a", "grün"]],
        "none": "nan",
        "limits": ["-inf", 0.5],
        "pair": [1, "x"],
        "long": "0.5",
        "empty": None,
    }


def test_an_import_that_was_cut_short_goes_on(write: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = write("robomimic", demos=5)
    import_dataset(path, tmp_path / "whole.h5")
    saved, save = list[int](), Parts.save

    def until_two(parts: Parts, episode: Any, task: Any) -> None:
        if len(saved) == 2:
            raise KeyboardInterrupt
        saved.append(episode.info.episode)
        save(parts, episode, task)

    monkeypatch.setattr(Parts, "save", until_two)
    with pytest.raises(KeyboardInterrupt):
        import_dataset(path, tmp_path / "out.h5")
    saved.remove(1)
    with pytest.raises(KeyboardInterrupt):  # goes on at the third demo, and is stopped again
        import_dataset(path, tmp_path / "out.h5")
    assert saved == [0, 2]
    monkeypatch.setattr(Parts, "save", save)
    import_dataset(path, tmp_path / "out.h5")
    assert (tmp_path / "out.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
    assert not (tmp_path / "out.h5.parts").exists()
    again = import_dataset(path, tmp_path / "out.h5")
    assert "is there already" in again.notes[0] and again.steps == 6 + 7 + 8 + 9 + 10


def test_two_imports_of_one_task_can_be_merged_when_they_say_who_acted(write: Callable, tmp_path: Path) -> None:
    outs = []
    for who in ("human", "machine"):
        outs.append(tmp_path / f"{who}.h5")
        import_dataset(write("robomimic", f"{who}.hdf5"), outs[-1], options=ImportOptions(policy=who))
    merge(outs, tmp_path / "both.h5")
    with Dataset(tmp_path / "both.h5") as data:
        assert len(data) == 6 and data.mask("train") == [0, 2, 3, 5]
