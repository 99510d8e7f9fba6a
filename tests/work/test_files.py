"""Files that are there whole or not at all."""

from pathlib import Path

import pytest

from metasim.work import draft, remove_drafts, write_atomically


def test_a_file_appears_whole_with_its_folders(tmp_path: Path) -> None:
    path = write_atomically(tmp_path / "a" / "b" / "file.bin", b"words")
    assert path.read_bytes() == b"words"
    assert [p.name for p in path.parent.iterdir()] == ["file.bin"]


def test_a_failure_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    path = write_atomically(tmp_path / "file.bin", b"old")
    with pytest.raises(ZeroDivisionError), draft(path) as name:
        name.write_bytes(b"half")
        raise ZeroDivisionError
    assert [p.name for p in tmp_path.iterdir()] == ["file.bin"]
    assert path.read_bytes() == b"old"


def test_while_it_is_written_the_old_file_is_there(tmp_path: Path) -> None:
    path = write_atomically(tmp_path / "file.bin", b"old")
    with draft(path) as name:
        name.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_drafts_of_one_file_are_removed_and_no_others(tmp_path: Path) -> None:
    for name in ("[a].h5", "b.h5", ".[a].h5.12ab34cd.tmp", ".b.h5.12ab34cd.tmp"):
        (tmp_path / name).touch()
    remove_drafts(tmp_path / "[a].h5")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".b.h5.12ab34cd.tmp", "[a].h5", "b.h5"]


def test_a_long_name_is_no_trouble(tmp_path: Path) -> None:
    path = write_atomically(tmp_path / ("n" * 250), b"words")
    assert path.read_bytes() == b"words"
