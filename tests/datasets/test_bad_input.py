"""Files that are not what they should be, and disks that are full: refused by the command with a sentence."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from metasim.cli import main
from metasim.datasets import CollectConfig, Dataset, collect

LargestFile = Callable[[int], AbstractContextManager[None]]
Spoil = Callable[[Path], object]
REACH = "metaworld/reach-v3"
FUZZ = Path(__file__).with_name("fuzz_script.py")


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs ``metasim WORDS`` and returns its exit code and what it wrote to both outputs."""

    def metasim(*words: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main([str(word) for word in words])
        out, err = capfd.readouterr()
        return code, out, err

    return metasim


def edited(edit: Callable[[Any], None]) -> Spoil:
    def spoil(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            edit(file)

    return spoil


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:30_000])


def foreign(path: Path) -> None:
    """What another program wrote in robomimic's layout."""
    with h5py.File(path, "w") as file:
        file["data/demo_0/actions"] = np.zeros((3, 2))
        file["data"].attrs["env_args"] = json.dumps({"env_name": "Lift", "type": 1, "env_kwargs": {}})


FILES: dict[str, tuple[Spoil, str]] = {
    "truncated": (cut, "cannot be read: truncated"),
    "empty": (lambda path: path.write_bytes(b""), "cannot be read"),
    "text": (lambda path: path.write_text("important"), "no HDF5 file"),
    "other data": (edited(lambda file: file.move("data", "episodes")), "no group /data"),
    "foreign": (foreign, "it was not written by metasim"),
    "newer": (edited(lambda f: f["data"].attrs.__setitem__("schema", "metasim.dataset/9")), "or a newer one"),
    "gone": (Path.unlink, "no dataset"),
}


@pytest.mark.parametrize("verb", ["verify", "inspect", "merge", "collect"])
@pytest.mark.parametrize("what", FILES)
def test_a_file_that_is_no_dataset_of_ours_is_refused_by_every_verb(
    what: str, verb: str, run: Any, copy: Path, tmp_path: Path
) -> None:
    spoil, words = FILES[what]
    spoil(copy)
    before = copy.read_bytes() if copy.exists() else None
    more: dict[str, list[Any]] = {"merge": ["--out", tmp_path / "out.h5"], "collect": ["--out", copy]}
    if (verb, what) == ("collect", "gone"):
        pytest.skip("which is what collect is for")
    code, out, err = run(verb, REACH if verb == "collect" else copy, *more.get(verb, []))
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1
    assert str(copy) in err and words in err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == ({copy: before} if before is not None else {})


def one_number(file: Any) -> None:
    file["data/demo_1/obs/hand"][3, 0] += 1e-9


def no_rewards(file: Any) -> None:
    del file["data/demo_1/rewards"]


@pytest.mark.parametrize(("spoil", "words"), [(one_number, "digest"), (no_rewards, "no dataset 'rewards'")])
def test_a_damaged_episode_is_named_and_the_others_stay_usable(
    spoil: Callable[[Any], None], words: str, run: Any, copy: Path, tmp_path: Path
) -> None:
    edited(spoil)(copy)
    code, out, err = run("verify", copy)
    assert code == 1 and out.startswith("NOT OK: 2 of ")
    assert "demo_1" in err and words in err
    code, out, _ = run("verify", copy, "--json")
    assert code == 1
    assert [check["bit_identical"] for check in json.loads(out)["episodes"]] == [True, False, True]
    code, out, err = run("merge", copy, "--out", tmp_path / "out.h5")
    assert (code, out) == (2, "") and f"{copy}: demo_1" in err and words in err
    assert [path.name for path in tmp_path.iterdir()] == [copy.name]
    with Dataset(copy) as data:
        assert data.episode(0).load().info.episode == 0
        assert len(data.episode(2).load().actions) == len(data.episode(2))


def test_a_missing_shard_is_named_and_nothing_is_written(run: Any, copy: Path, tmp_path: Path) -> None:
    code, out, err = run("merge", copy, tmp_path / "shard1.h5", copy, "--out", tmp_path / "out.h5")
    assert (code, out) == (2, "") and err == f"error: no dataset {tmp_path / 'shard1.h5'}\n"
    assert [path.name for path in tmp_path.iterdir()] == [copy.name]


def test_shards_with_the_same_episode_are_refused(run: Any, copy: Path, collected: CollectConfig) -> None:
    code, _, err = run("merge", copy, collected.out, "--out", copy.with_name("out.h5"))
    assert code == 2
    assert f"{collected.out}: demo_0 is the same episode as {copy}: demo_0" in err


def test_a_task_that_is_not_installed_is_no_reason_to_lose_its_data(run: Any, tmp_path: Path) -> None:
    """Its file registers it; without that file, everything works but the replay."""
    module = tmp_path / "mine.py"
    module.write_text(
        "from metasim.core.task import TASKS, register\n"
        f"register('lab/mine-v0', horizon=5)(type('Mine', (TASKS['{REACH}'],), {{}}))\n"
    )
    out, again = tmp_path / "mine.h5", tmp_path / "again.h5"
    there = subprocess.run(
        [sys.executable, "-m", "metasim", "collect", "lab/mine-v0", "--task-module", str(module), "--policy", "zero"]
        + ["--keep", "all", "--episodes", "2", "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert there.returncode == 0, there.stderr
    code, said, err = run("verify", out)
    assert code == 1 and said.startswith("NOT OK")
    assert "demo_1 (lab/mine-v0, episode 1): its task is not installed" in err
    assert run("inspect", out)[0] == 0
    assert run("merge", out, "--out", again)[0] == 0
    with Dataset(again) as data:
        assert [len(demo.load().actions) for demo in data] == [5, 5]


def test_a_full_disk_leaves_no_half_merged_file(
    run: Any, copy: Path, tmp_path: Path, largest_file: LargestFile
) -> None:
    with largest_file(100_000):
        code, out, err = run("merge", copy, "--out", tmp_path / "out.h5")
    assert (code, out) == (2, "")
    assert f"cannot write {tmp_path / 'out.h5'}: File too large" in err
    assert [path.name for path in tmp_path.iterdir()] == [copy.name]
    assert run("merge", copy, "--out", tmp_path / "out.h5")[0] == 0


TINY_DISK = """
mount -t tmpfs -o size={small}k tmpfs . && exec 3>&1 && cd "$PWD" || exit 77
{collect}; echo $? $(find . -name '*.tmp' | wc -l) $(find . -name '0*.h5' | wc -l) >&3
mount -o remount,size=64m .
{collect}; echo $? >&3
cp demos.h5 {result}
"""


def test_a_disk_that_fills_up_is_said_and_the_same_command_goes_on(collected: CollectConfig, tmp_path: Path) -> None:
    """On a real disk of its own, too small at first."""
    (disk := tmp_path / "disk").mkdir()
    size = collected.out.stat().st_size
    words = f"collect {REACH} --episodes 3 --horizon 50 --tail 2 --keep all --worlds 1 --out demos.h5"
    script = TINY_DISK.format(
        small=(size + size // 3) // 1000, collect=f"{sys.executable} -m metasim {words} 2>>{tmp_path}/said >/dev/null",
        result=tmp_path / "result.h5",
    )  # fmt: skip
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("this system has no unshare")
    done = subprocess.run(
        [unshare, "--mount", "--map-root-user", "sh", "-c", script],
        cwd=disk, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"no disk can be made here: {done.stderr.strip()}")
    assert done.stdout.splitlines() == ["2 0 3", "0"]  # room for the episodes, and none for the file
    said = (tmp_path / "said").read_text()
    assert "cannot write demos.h5: No space left on device. Nothing that was finished is lost" in said
    assert (tmp_path / "result.h5").read_bytes() == collected.out.read_bytes()


def test_one_bit_or_a_cut_is_refused_or_harmless(tmp_path: Path) -> None:
    """Two hundred damaged files, in a process of its own, which a crash would end."""
    good = collect(CollectConfig(tasks=(REACH,), out=tmp_path / "good.h5", episodes=2, horizon=6, keep="all"))
    done = subprocess.run(
        [sys.executable, str(FUZZ), str(good), str(tmp_path), "7", "200", "40"],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (said[-1], done.stderr)
    came = Counter(word for word in said if isinstance(word, str))
    assert sum(came.values()) == 200
    assert set(came) == {"refused", "same"}, done.stderr  # never another content, never another error
    assert came["refused"] > 120
