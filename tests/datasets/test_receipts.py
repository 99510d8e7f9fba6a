"""Files of single episodes with receipts are merged unchecked, to the same bytes; changed ones are refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from metasim.core.errors import DatasetError
from metasim.datasets import merge, writer
from metasim.datasets.receipts import Receipt

from .made import TASK, episode, task_info


def parts(folder: Path) -> list[writer.Source]:
    found = []
    for i in range(3):
        data, receipt = writer.part(episode(i, 5 + i), task_info())
        path = folder / f"{i}.h5"
        path.write_bytes(data)
        found.append(writer.Source(path=path, group=writer.PART, receipt=receipt))
    return found


def dataset(out: Path, sources: list[writer.Source]) -> bytes:
    writer.write_dataset(out, sources, {TASK: task_info()}, {"numpy": "2"}, [{}])
    return out.read_bytes()


def test_a_receipt_changes_no_byte_and_what_is_merged_passes_every_check(tmp_path: Path) -> None:
    sources = parts(tmp_path)
    quick = dataset(tmp_path / "a.h5", sources)
    assert quick == dataset(tmp_path / "b.h5", [replace(source, receipt=None) for source in sources])
    assert quick == dataset(
        tmp_path / "c.h5", [replace(source, receipt=writer.check_part(source.path)) for source in sources]
    )
    merge([tmp_path / "a.h5"], tmp_path / "again.h5")  # which checks all of it


def test_a_file_that_changed_after_its_receipt_is_refused(tmp_path: Path) -> None:
    sources = parts(tmp_path)
    data = bytearray(sources[1].path.read_bytes())
    data[len(data) // 2] ^= 1
    sources[1].path.write_bytes(data)
    with pytest.raises(DatasetError, match=r"1\.h5 was damaged since it was written"):
        dataset(tmp_path / "a.h5", sources)
    assert not (tmp_path / "a.h5").exists()


def test_an_episode_that_says_something_else_of_its_task_is_refused(tmp_path: Path) -> None:
    sources = parts(tmp_path)
    data, receipt = writer.part(episode(2, 7), task_info(assets={"mesh": "0"}))
    sources[2].path.write_bytes(data)
    with pytest.raises(DatasetError, match=r"2\.h5: what it says of suite/any-v0 is not what the other episodes say"):
        dataset(tmp_path / "a.h5", [*sources[:2], replace(sources[2], receipt=receipt)])


def test_the_same_episode_twice_is_refused(tmp_path: Path) -> None:
    one, two, _ = parts(tmp_path)
    with pytest.raises(DatasetError, match="the same episode"):
        dataset(tmp_path / "a.h5", [one, two, replace(one, path=copied(one.path, tmp_path / "twin.h5"))])


def copied(source: Path, target: Path) -> Path:
    target.write_bytes(source.read_bytes())
    return target


def test_what_a_check_finds_is_what_making_it_said(tmp_path: Path) -> None:
    (source, *_) = parts(tmp_path)
    made, found = source.receipt, writer.check_part(source.path)
    assert isinstance(made, Receipt)
    assert (made.info, made.task, made.sha256) == (found.info, found.task, found.sha256)
    for name in ("mean", "squares", "least", "most"):
        assert getattr(made.summary, name).tobytes() == getattr(found.summary, name).tobytes()
