"""Our datasets as Minari opens them: nothing is copied, and the folder may be moved."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import h5py
import numpy as np
import pytest

from metasim.core.errors import DatasetError, InvalidConfig
from metasim.datasets import CollectConfig, Dataset, Episode
from metasim.datasets.exchange import ExportOptions, export_dataset, minari, spaces
from metasim.datasets.states import packed

from .conftest import loaded
from .files import PICTURE

theirs = pytest.importorskip("minari", reason="minari is not installed")
PUSH, PULL = "lab/push-v0/expert-v0", "lab/pull-v0/expert-v0"


def opened(root: Path, id: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(root))
    return theirs.load_dataset(id)


def whole(episode: Episode, name: str) -> Any:
    return np.concatenate([episode.obs[name], episode.final_obs[name]])


def check(found: Any, episodes: list[Episode], names: tuple[str, ...] | None) -> None:
    """Hold what Minari returns against our episodes; flat observations if there are no names."""
    assert len(found) == len(episodes)
    assert found.total_steps == sum(len(episode.actions) for episode in episodes)
    for theirs, ours in zip(found, episodes, strict=True):
        if names is None:
            flat = np.concatenate([ours.observation, ours.final_observation])
            np.testing.assert_array_equal(theirs.observations, flat)
        else:
            assert set(theirs.observations) == set(names)
            for name in names:
                np.testing.assert_array_equal(theirs.observations[name], whole(ours, name))
        for name, array in (
            ("actions", ours.actions),
            ("rewards", ours.rewards),
            ("terminations", ours.terminated),
            ("truncations", ours.truncated),
        ):
            np.testing.assert_array_equal(getattr(theirs, name), array)
            assert getattr(theirs, name).dtype == array.dtype
        assert theirs.infos["success"].tolist() == [False, *ours.success.tolist()]
        np.testing.assert_array_equal(theirs.infos["states"], packed(ours.states)["states"])
        assert f"total_steps={len(ours.actions)}" in repr(theirs)


def test_pictures_and_names_before_and_after_a_move(
    pictured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Path(shutil.copy(pictured, tmp_path / "ours.h5"))
    episodes = loaded(source)
    done = export_dataset(source, "minari", tmp_path / "root")
    assert [path.relative_to(tmp_path / "root").as_posix() for path in done.paths] == [PUSH, PULL]
    check(opened(tmp_path / "root", PUSH, monkeypatch), episodes[:4], ("joints", "speed", "eye"))
    assert set(theirs.list_local_datasets()) == {PUSH, PULL}
    shutil.move(tmp_path / "root", tmp_path / "elsewhere")
    source.unlink()
    decoy = tmp_path / "decoy"  # a file of that name where one happens to stand is not taken for the one meant
    decoy.mkdir()
    with h5py.File(decoy / minari.OURS, "w") as file:
        file["data/demo_0/obs/joints"] = np.zeros((5, 7))
    monkeypatch.chdir(decoy)
    for id, ours in ((PUSH, episodes[:4]), (PULL, episodes[4:])):
        check(opened(tmp_path / "elsewhere", id, monkeypatch), ours, ("joints", "speed", "eye"))
    path = tmp_path / "elsewhere" / PULL / "data"
    monkeypatch.chdir(path.parent)
    check(theirs.MinariDataset("data"), episodes[4:], ("joints", "speed", "eye"))


def test_nothing_is_copied(pictured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(shutil.copy(pictured, tmp_path / "ours.h5"))
    folders = [path / "data" for path in export_dataset(source, "minari", tmp_path / "root").paths]
    assert all(os.path.samefile(source, folder / minari.OURS) for folder in folders)
    pictures = sum(episode.obs["eye"].nbytes for episode in loaded(source)[:4])
    assert (folders[0] / minari.MAIN).stat().st_size < pictures / 2
    with h5py.File(folders[0] / minari.MAIN) as file:
        virtual: Any = file["episode_0/observations/eye"]
        assert virtual.is_virtual and {source.file_name for source in virtual.virtual_sources()} == {minari.OURS}

    def no_links(*_: object) -> None:
        raise OSError("another disk")

    monkeypatch.setattr(os, "link", no_links)
    (folder,) = export_dataset(source, "minari", tmp_path / "far", ExportOptions(task="lab/push-v0")).paths
    assert not os.path.samefile(source, folder / "data" / minari.OURS)
    check(opened(tmp_path / "far", PUSH, monkeypatch), loaded(source)[:4], ("joints", "speed", "eye"))


def test_flat_observations(pictured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ExportOptions(observations="flat", task="lab/pull-v0", name="mine-v3")
    done = export_dataset(pictured, "minari", tmp_path, options)
    assert any("pictures are left out" in note for note in done.notes)
    found = opened(tmp_path, "lab/pull-v0/mine-v3", monkeypatch)
    check(found, loaded(pictured)[4:], None)
    assert found.observation_space == gym.spaces.Box(-np.inf, np.inf, (14,), np.float64)
    assert found.minari_version == "0.5.3"


def test_the_environment_is_recovered_and_repeats_the_episode(
    collected: CollectConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_dataset(collected.out, "minari", tmp_path)
    found = opened(tmp_path, "metaworld/reach-v3/expert-v0", monkeypatch)
    check(found, loaded(collected.out), None)
    env = found.recover_environment()
    for episode, told in zip(found, found.storage.get_episode_metadata(range(3)), strict=True):
        options = {name: int(value) for name, value in told["options"].items()}
        observation, _ = env.reset(seed=told["seed"], options=options)
        np.testing.assert_array_equal(observation, episode.observations[0])
        observation, reward, *_ = env.step(episode.actions[0])
        np.testing.assert_array_equal(observation, episode.observations[1])
        assert reward == episode.rewards[0]
    env.close()
    assert found.action_space == env.action_space and found.observation_space.shape == env.observation_space.shape


def test_spaces_are_written_as_minari_writes_them(pictured: Path) -> None:
    with Dataset(pictured) as data:
        task = data.header.tasks["lab/push-v0"]
    free = gym.spaces.Box(-np.inf, np.inf, (7,), np.float64)
    space = gym.spaces.Dict({"joints": free, "speed": free, "eye": gym.spaces.Box(0, 255, PICTURE, np.uint8)})
    said = json.loads(theirs.serialization.serialize_space(space))
    assert spaces.named(task) == said
    action = gym.spaces.Box(-1, 1, (4,), np.float32)
    assert json.dumps(spaces.box((4,), "float32", -1.0, 1.0)) == theirs.serialization.serialize_space(action)
    assert theirs.serialization.deserialize_space(json.dumps(spaces.named(task))) == space


@pytest.mark.parametrize("kind", ["bool", "int16", "uint16", "int64", "float32"])
def test_spaces_of_other_pictures_can_be_read(pictured: Path, kind: str) -> None:
    with Dataset(pictured) as data:
        task = replace(data.header.tasks["lab/push-v0"], pictures=(("depth", (4, 5), kind),))
    found = theirs.serialization.deserialize_space(json.dumps(spaces.named(task)))["depth"]
    assert (found.shape, found.dtype) == ((4, 5), np.dtype(kind))
    if kind != "float32":
        ends = (0, 1) if kind == "bool" else (np.iinfo(kind).min, np.iinfo(kind).max)
        assert (found.low.min(), found.high.max()) == ends


def test_metadata(pictured: Path, tmp_path: Path) -> None:
    (folder,) = export_dataset(pictured, "minari", tmp_path, ExportOptions(task="lab/push-v0")).paths
    told = json.loads((folder / "data" / minari.METADATA).read_text())
    assert told["minari_version"] == "0.5.4"  # readers before it take every picture for a JPEG
    assert (told["jpeg_encoding"], told["data_format"], told["total_episodes"]) == (False, "hdf5", 4)
    size = sum(file.stat().st_size for file in (folder / "data").iterdir())
    assert told["dataset_size"] == pytest.approx(size / 1e6, abs=0.06)
    assert "env_spec" not in told  # lab/push-v0 is not installed
    assert told["minari_version"] in theirs.supported_dataset_versions


def test_a_view_without_its_file_is_an_error_not_zeros(
    pictured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder,) = export_dataset(pictured, "minari", tmp_path, ExportOptions(task="lab/push-v0")).paths
    (folder / "data" / minari.OURS).unlink()
    with pytest.raises((KeyError, OSError, ValueError)):
        opened(tmp_path, PUSH, monkeypatch)[0]


def test_ids() -> None:
    infos: Any = [type("Info", (), {"policy": "noisy-expert:sigma=0.2"})]
    assert minari.dataset_id("suite/reach-v3", infos, None) == "suite/reach-v3/noisy-expert_sigma_0_2-v0"
    assert minari.dataset_id("suite/reach-v3", infos, "all") == "suite/reach-v3/all-v0"
    assert minari.dataset_id("suite/reach-v3", infos, "my/own-v2") == "my/own-v2"
    for name in (None, "all", "my/own-v2"):
        assert theirs.dataset.minari_dataset.parse_dataset_id(minari.dataset_id("a.b/c", infos, name))


def test_what_is_there_is_not_overwritten(pictured: Path, tmp_path: Path) -> None:
    export_dataset(pictured, "minari", tmp_path, ExportOptions(task="lab/pull-v0"))
    with pytest.raises(DatasetError, match=r"pull-v0.*is there already.*--name"):
        export_dataset(pictured, "minari", tmp_path, force=True)
    assert not (tmp_path / PUSH).exists()  # nothing of the other task is written either
    with pytest.raises(InvalidConfig, match="names one dataset"):
        export_dataset(pictured, "minari", tmp_path / "b", ExportOptions(name="my/own"))
