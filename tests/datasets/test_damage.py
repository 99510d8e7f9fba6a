"""Files in ``FILE.parts`` that are not what they were: found, said and collected again; nothing else is."""

import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest

from metasim.cli import main
from metasim.core.errors import DatasetError
from metasim.datasets import CollectConfig, Progress, collect, writer
from metasim.datasets.reader import Demo

from .made import retell

LargestFile = Callable[[int], AbstractContextManager[None]]
REACH = "metaworld/reach-v3"


@pytest.fixture
def unfinished(collected: CollectConfig, largest_file: LargestFile, tmp_path: Path) -> CollectConfig:
    """A collection whose three episodes are finished and whose file had no room."""
    config = collected.replace(out=tmp_path / "new.h5")
    with largest_file(100_000), pytest.raises(DatasetError):
        collect(config)
    assert len(list(parts(config).glob("*.h5"))) == 3
    return config


def parts(config: CollectConfig) -> Path:
    return config.out.with_name(config.out.name + ".parts") / REACH


def cut(part: Path) -> None:
    part.write_bytes(part.read_bytes()[:5000])


def garbage(part: Path) -> None:
    part.write_bytes(b"\x00garbage" * 999)


def empty(part: Path) -> None:
    part.write_bytes(b"")


def folder(part: Path) -> None:
    part.unlink()
    part.mkdir()


def another(part: Path) -> None:
    shutil.copy(part.with_name("000002.h5"), part)


def one_bit(part: Path) -> None:
    with h5py.File(part, "r+") as file:
        actions: Any = file["episode/actions"]
        bits = actions[()]
        bits.view("u4")[3, 1] ^= 1
        actions[...] = bits


def label(part: Path) -> None:
    with h5py.File(part, "r+") as file:
        retell(file["episode"], seed=7)


def hole(part: Path) -> None:
    """Zeros where a disk lost a block, in the middle of the arrays."""
    with part.open("r+b") as file:
        file.seek(part.stat().st_size // 2)
        file.write(bytes(4096))


@pytest.mark.parametrize(
    "damage", [cut, garbage, empty, folder, another, one_bit, label, hole], ids=lambda f: f.__name__
)
def test_a_damaged_part_is_said_and_collected_again(
    damage: Callable[[Path], None], unfinished: CollectConfig, collected: CollectConfig
) -> None:
    part = parts(unfinished) / "000001.h5"
    damage(part)
    said: list[str] = []
    ran: list[Progress] = []
    assert collect(unfinished, ran.append, said.append).read_bytes() == collected.out.read_bytes()
    (sentence,) = said
    assert sentence.startswith("collected again, since its file was no good: ") and str(part) in sentence
    assert [(p.done, p.attempts) for p in ran] == [(2, 2), (3, 3)]  # what was found, and the one episode
    log = json.loads(unfinished.out.with_name("new.h5.log.json").read_text())
    assert (log["resumed"], log["damaged"]) == (2, 1)


def test_the_command_says_it_too(
    unfinished: CollectConfig, collected: CollectConfig, capfd: pytest.CaptureFixture[str]
) -> None:
    cut(parts(unfinished) / "000000.h5")
    words = f"collect {REACH} --episodes 3 --horizon 50 --tail 2 --keep all --out {unfinished.out}"
    assert main(words.split()) == 0
    out, err = capfd.readouterr()
    assert out == f"{unfinished.out}\n"
    assert "collected again, since its file was no good: " in err and "000000.h5 cannot be read: truncated" in err
    assert f"{REACH}: 3/3 episodes, " in err
    assert unfinished.out.read_bytes() == collected.out.read_bytes()


def test_files_that_are_no_parts_are_left_alone(unfinished: CollectConfig, collected: CollectConfig) -> None:
    """Until the folder is removed with everything in it."""
    shutil.copy(parts(unfinished) / "000001.h5", parts(unfinished) / "000001 (copy).h5")
    (parts(unfinished) / "000001.txt").write_text("why is this slow?")
    said: list[str] = []
    assert collect(unfinished, None, said.append).read_bytes() == collected.out.read_bytes()
    assert said == []


def test_parts_of_another_scene_are_not_mixed_in(unfinished: CollectConfig) -> None:
    """The task's file was changed between a collection that was interrupted and its resumption."""
    part = parts(unfinished) / "000001.h5"
    with h5py.File(part) as file:
        info, task = writer.read_part(part)
        episode = Demo(file["episode"], info, task).load()  # type: ignore[arg-type]
    changed = replace(episode, info=replace(info, model_digest="0f82"))
    part.write_bytes(writer.part_bytes(changed, replace(task, model_digest="0f82")))
    with pytest.raises(DatasetError, match=r"new.h5.parts holds episodes of metaworld/reach-v3 .* another scene"):
        collect(unfinished)


def test_a_note_of_the_arguments_that_cannot_be_read_is_said(unfinished: CollectConfig) -> None:
    note = parts(unfinished).parents[1] / "arguments.json"
    note.write_bytes(note.read_bytes()[:20])
    with pytest.raises(DatasetError, match=r"arguments.json is damaged .*; delete the folder to begin again"):
        collect(unfinished)
    assert len(list(parts(unfinished).glob("*.h5"))) == 3
