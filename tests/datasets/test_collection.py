"""Collecting: which episodes, the same bytes however it is done, and refusals that lose nothing."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metasim.core.backend import Start
from metasim.core.errors import DatasetError, UnknownName
from metasim.core.task import TASKS, register
from metasim.datasets import CollectConfig, Dataset, Progress, TooFewSuccesses, collect, verify

REACH, PUSH = "metaworld/reach-v3", "metaworld/push-v3"
LargestFile = Callable[[int], AbstractContextManager[None]]
ENGINES = ["mujoco", "pybullet"]
EXPLOSIVE = "test/explosive-v0"


class Explosive(TASKS[REACH]):
    """Reach, where the puck starts at an impossible speed if it starts right of the middle."""

    def start(self, sample: Any) -> Start:
        vector = sample["rand_vec"]
        pose = np.concatenate([vector[:, :3], np.tile([1.0, 0.0, 0.0, 0.0], (len(vector), 1))], axis=1)
        speed = np.zeros((len(vector), 6))
        speed[:, 2] = np.where(vector[:, 0] > 0, 1e12, 0.0)
        return Start(joints={"objjoint": pose}, velocities={"objjoint": speed})


if EXPLOSIVE not in TASKS:
    register(EXPLOSIVE, horizon=8)(Explosive)


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize("backend", ENGINES)
def test_one_world_or_four_the_same_bytes(backend: str, tmp_path: Path) -> None:
    pytest.importorskip(backend)
    files = []
    for worlds in (1, 4):
        out = tmp_path / f"{worlds}.h5"
        tasks = (REACH, PUSH)
        config = CollectConfig(tasks=tasks, backend=backend, out=out, episodes=4, keep="all", horizon=30, worlds=worlds)
        files.append(collect(config).read_bytes())
    assert files[0] == files[1]


def test_one_worker_or_two_the_same_bytes_and_the_lowest_successes(tmp_path: Path) -> None:
    """Successes only, of a policy that a file of the user's own registers: every third episode fails."""
    base = CollectConfig(tasks=(REACH,), policy="every-third-fails", out=tmp_path / "1.h5", episodes=5, horizon=60)
    heard: list[Progress] = []
    one = collect(base, heard.append).read_bytes()
    assert collect(base.replace(out=tmp_path / "2.h5", workers=2, worlds=2)).read_bytes() == one
    with Dataset(tmp_path / "2.h5") as data:
        assert [info.episode for info in data.infos()] == [1, 2, 4, 5, 7]
        assert all(info.success for info in data.infos())
    last = heard[-1]
    assert (last.task, last.done, last.wanted) == (REACH, 5, 5)
    assert [p.attempts for p in heard] == list(range(1, len(heard) + 1))
    assert last.attempts - last.successes == sum(i % 3 == 0 for i in range(last.attempts))
    assert [p.elapsed_s for p in heard] == sorted(p.elapsed_s for p in heard)
    log = json.loads((tmp_path / "1.h5.log.json").read_text())
    assert log["outcomes"][REACH]["attempts"] == last.attempts
    assert names(tmp_path) == ["1.h5", "1.h5.log.json", "2.h5", "2.h5.log.json"]


def test_a_recording_ends_so_many_steps_after_the_first_success(tmp_path: Path) -> None:
    base = CollectConfig(tasks=(REACH,), out=tmp_path / "3.h5", episodes=2, tail=3, horizon=60)
    collect(base)
    collect(base.replace(out=tmp_path / "whole.h5", tail=None))
    with Dataset(tmp_path / "3.h5") as cut, Dataset(tmp_path / "whole.h5") as whole:
        for short, long in zip(cut, whole, strict=True):
            first = short.info.first_success_step
            assert (len(short), len(long)) == (first + 3, 60)
            success = long.array("success")
            assert success[first - 1] and not success[: first - 1].any()
            assert short.array("truncated").tolist() == [False] * (first + 2) + [True]
            for name in ("actions", "rewards", "obs/hand"):
                assert np.array_equal(short.array(name), long.array(name)[: len(short)])
            assert np.array_equal(short.array("states"), long.array("states")[: len(short) + 1])
            assert np.array_equal(short.final_observation[0], long.observation[len(short)])


def test_the_same_command_again_leaves_the_file_untouched(collected: CollectConfig) -> None:
    before, bytes_before = collected.out.stat(), collected.out.read_bytes()
    assert collect(collected.replace(workers=2, worlds=9)) == collected.out
    after = collected.out.stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
    assert collected.out.read_bytes() == bytes_before


def test_another_command_on_the_same_file_is_refused(collected: CollectConfig) -> None:
    before = collected.out.read_bytes()
    with pytest.raises(DatasetError, match=r"other arguments: episodes 3 there, 4 asked for; seed 0 there, 7") as e:
        collect(collected.replace(episodes=4, seed=7))
    assert "or another file, or delete it" in str(e.value)
    assert collected.out.read_bytes() == before


def test_a_file_that_is_no_dataset_is_refused_and_kept(tmp_path: Path) -> None:
    out = tmp_path / "thesis.txt"
    out.write_text("important")
    with pytest.raises(DatasetError, match=r"thesis.txt cannot be read"):
        collect(CollectConfig(tasks=(REACH,), out=out))
    with pytest.raises(DatasetError, match="is a folder"):
        collect(CollectConfig(tasks=(REACH,), out=tmp_path))
    assert out.read_text() == "important"
    assert names(tmp_path) == ["thesis.txt"]


def test_a_policy_that_cannot_do_it_is_refused_with_its_rate(tmp_path: Path) -> None:
    base = CollectConfig(tasks=(REACH,), policy="zero", out=tmp_path / "out.h5", episodes=1, horizon=3)
    words = r"'zero' solved 0 of 10 episodes of metaworld/reach-v3 in mujoco \(0.0%\).*10 failures.*keep='all'"
    for _ in range(2):  # the second time from what the first one found out
        with pytest.raises(TooFewSuccesses, match=words):
            collect(base)
    assert not base.out.exists()
    with pytest.raises(DatasetError, match=r"out.h5.parts belongs to .* other arguments: keep 'successes' there"):
        collect(base.replace(keep="all"))


@pytest.mark.parametrize(("limit", "finished"), [(20_000, 0), (100_000, 3)])
def test_a_full_disk_is_said_and_nothing_finished_is_lost(
    limit: int, finished: int, largest_file: LargestFile, collected: CollectConfig, tmp_path: Path
) -> None:
    """Too little room for an episode, and for the merged file."""
    config = collected.replace(out=tmp_path / "new.h5")
    with (
        largest_file(limit),
        pytest.raises(DatasetError, match=r"cannot write .*new.h5.*File too large.*lost"),
    ):
        collect(config)
    assert len(list(tmp_path.rglob("[0-9]*.h5"))) == finished
    assert not config.out.exists()
    assert not list(tmp_path.rglob("*.tmp"))
    assert collect(config).read_bytes() == collected.out.read_bytes()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match=r"cannot write .*Not a directory"):
        collect(CollectConfig(tasks=(REACH,), out=tmp_path / "file" / "out.h5"))


def test_two_collections_into_one_file_at_a_time_are_refused(tmp_path: Path) -> None:
    config = CollectConfig(tasks=(REACH,), out=tmp_path / "out.h5", episodes=1, horizon=3, keep="all")
    refused: list[str] = []

    def meanwhile(progress: Progress) -> None:
        with pytest.raises(DatasetError) as error:
            collect(config)
        refused.append(str(error.value))

    collect(config, meanwhile)
    assert len(refused) == 1 and "another process is collecting" in refused[0]


@pytest.mark.parametrize("backend", ENGINES)
def test_a_world_that_blows_up_is_an_episode_of_its_own(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is labelled, replays to the same failure, and does not touch its neighbours."""
    pytest.importorskip(backend)
    monkeypatch.chdir(tmp_path)  # MuJoCo writes its warnings to a file there
    base = CollectConfig(
        tasks=(EXPLOSIVE,), backend=backend, policy="zero", out=tmp_path / "1.h5", episodes=5, keep="all", worlds=1
    )
    assert collect(base).read_bytes() == collect(base.replace(out=tmp_path / "4.h5", worlds=4)).read_bytes()
    with Dataset(base.out) as data:
        blown = [float(demo.sample["rand_vec"][0]) > 0 for demo in data]
        assert 0 < sum(blown) < 5
        for demo, bad in zip(data, blown, strict=True):
            assert bool(demo.info.failure) == demo.array("terminated")[-1] == bad
            assert (len(demo) < 8) == bad
            assert np.isfinite(demo.states[: len(demo)]).all()
            assert np.isfinite(demo.states[-1]).all() == np.isfinite(demo.states[-1]).any() == (not bad)
    assert verify(base.out).ok


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"tasks": ("metaworld/reech-v3",)}, UnknownName, "metaworld/reach-v3"),
        ({"backend": "mojoco"}, UnknownName, "mujoco"),
        ({"policy": "expret"}, UnknownName, "expert"),
    ],
)
def test_a_misspelt_name_is_refused_before_anything_is_written(
    change: dict[str, object], error: type[Exception], words: str, tmp_path: Path
) -> None:
    config = CollectConfig(tasks=(REACH,), out=tmp_path / "out.h5")
    with pytest.raises(error, match=words):
        collect(config.replace(**change))
    assert not names(tmp_path)
