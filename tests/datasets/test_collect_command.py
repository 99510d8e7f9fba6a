"""``metasim collect``: what it says when it cannot work, in one line and with exit code 2, and what it writes."""

import json
import os
from pathlib import Path

import pytest

from metasim.cli import main
from metasim.datasets import Dataset

REACH = "metaworld/reach-v3"
SHORT = ["--episodes", "1", "--horizon", "3", "--keep", "all"]


def refused(capfd: pytest.CaptureFixture[str], *words: object) -> str:
    """Run it and return the one line of its refusal."""
    assert main(["collect", *map(str, words)]) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1, err
    return err


def test_names_that_there_are_not(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.h5"
    assert "no task or protocol named 'metaworld/reech-v3'; did you mean ['metaworld/reach-v3'" in refused(
        capfd, "metaworld/reech-v3", "--out", out
    )
    assert "name at least one task" in refused(capfd, "--out", out)
    assert "no policy named 'expret'; did you mean ['expert'" in refused(
        capfd, REACH, "--out", out, "--policy", "expret"
    )
    assert "did you mean ['sigma']" in refused(capfd, REACH, "--out", out, "--policy", "noisy-expert:sgma=1")
    assert "no backend named 'bulet'" in refused(capfd, REACH, "--out", out, "--backend", "bulet")
    assert "no protocol named 'MT11'" in refused(capfd, REACH, "--out", out, "--goals", "MT11")
    assert "there is no policy file" in refused(capfd, REACH, "--out", out, "--policy", "runs/none")
    assert "no dataset " in refused(capfd, REACH, "--out", out, "--policy", "replay:none.h5")
    assert "'classic/cart-pole-v0' has no scripted expert" in refused(capfd, "classic/cart-pole-v0", "--out", out)
    assert not list(tmp_path.iterdir())


def test_places_that_cannot_be_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("important")
    assert f"{tmp_path} is a folder; give the name of a file" in refused(capfd, REACH, "--out", tmp_path)
    assert "got '.', which is a folder" in refused(capfd, REACH, "--out", "")
    assert "cannot be read: damaged, or no HDF5 file" in refused(capfd, REACH, "--out", tmp_path / "file")
    assert "Not a directory" in refused(capfd, REACH, "--out", tmp_path / "file" / "out.h5")
    assert "File name too long" in refused(capfd, REACH, "--out", tmp_path / ("x" * 300))
    assert "cannot write /proc/out.h5.parts" in refused(capfd, REACH, "--out", "/proc/out.h5")
    assert (tmp_path / "file").read_text() == "important" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tmp_path.chmod(0o555)
    assert "Permission denied" in refused(capfd, REACH, "--out", tmp_path / "out.h5")


@pytest.mark.parametrize("name", ["demos", "demos.hdf5", "demos.v2.data"])
def test_the_file_may_be_called_anything(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """And folders that are not there are made."""
    out = tmp_path / "some" / "folder" / name
    for _ in range(2):
        assert main(["collect", REACH, *SHORT, "--out", str(out)]) == 0
    said = capfd.readouterr()
    assert said.out == f"{out}\n{out}\n" and "is there already, with these settings" in said.err
    assert sorted(p.name for p in out.parent.iterdir()) == [name, f"{name}.log.json"]


def test_policy_and_goals_are_recorded_in_one_spelling(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.h5"
    words = ["--policy", "random-walk:theta=0.150,sigma=.2", "--goals", "mt10", "--out", str(out)]
    assert main(["collect", REACH, *SHORT, *words]) == 0
    with Dataset(out) as data:
        (info,) = data.infos()
        assert (info.policy, info.goals) == ("random-walk:sigma=0.2", "metaworld/MT10")
    assert main(["inspect", str(out), "--json"]) == 0
    (row,) = json.loads(capfd.readouterr().out.partition("\n")[2])["tasks"]
    assert row["policy"] == "random-walk:sigma=0.2"


def test_a_replay_takes_from_its_file_what_a_recording_decides(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "first.h5", tmp_path / "second.h5"
    random = ["--policy", "random", "--seed", "7", "--out", str(first)]
    assert main(["collect", REACH, "classic/cart-pole-v0", *SHORT, *random]) == 0
    said = capfd.readouterr()
    assert f"{REACH}: 1/1 episodes, 0 % solved" in said.err and "cart-pole-v0: 1/1 episodes, 100 % solved" in said.err
    replay = ["--replay", first, "--keep", "all", "--out"]
    assert "leave out --policy, --seed, --horizon" in refused(
        capfd, *replay, second, "--policy", "random", "--seed", "3", "--horizon", "9"
    )
    assert "give the new file another name" in refused(capfd, *replay, first)
    assert "has no episodes of 'metaworld/push-v3'" in refused(capfd, "metaworld/push-v3", *replay, second)
    assert main(["collect", REACH, *map(str, replay), str(second)]) == 0
    with Dataset(second) as data:
        (info,) = data.infos()
        assert (info.task, info.seed, info.horizon, info.num_samples) == (REACH, 7, 3, 3)
