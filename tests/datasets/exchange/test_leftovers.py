"""What killed conversions leave is gone after the next one of the same name, and nothing else is."""

from collections.abc import Callable
from pathlib import Path

import pytest

from metasim.datasets.exchange import export_dataset, import_dataset
from metasim.datasets.parts import Parts


@pytest.mark.parametrize("format", ["robomimic", "d4rl"])
def test_drafts_of_a_file_are_removed(write: Callable, tmp_path: Path, format: str) -> None:
    import_dataset(write("robomimic"), tmp_path / "ours.h5")
    (tmp_path / ".out.hdf5.0badcafe.tmp").write_bytes(b"half")
    (tmp_path / ".other.hdf5.0badcafe.tmp").write_bytes(b"of another")
    export_dataset(tmp_path / "ours.h5", format, tmp_path / "out.hdf5")
    assert [path.name for path in tmp_path.glob(".*")] == [".other.hdf5.0badcafe.tmp"]


def test_drafts_of_a_folder_are_removed(write: Callable, tmp_path: Path) -> None:
    import_dataset(write("robomimic"), tmp_path / "ours.h5")
    root = tmp_path / "root" / "robomimic" / "Lift" / "unknown-v0"
    for name in (".data.0badcafe.tmp", ".data2.0badcafe.tmp"):
        (root / name).mkdir(parents=True)
        (root / name / "main_data.hdf5").write_bytes(b"half")
    (done,) = export_dataset(tmp_path / "ours.h5", "minari", tmp_path / "root").paths
    assert done == root and sorted(path.name for path in root.iterdir()) == [".data2.0badcafe.tmp", "data"]


def test_a_finished_import_removes_its_parts(write: Callable, tmp_path: Path) -> None:
    path, out = write("robomimic"), tmp_path / "ours.h5"
    import_dataset(path, out)
    before, parts = out.read_bytes(), Parts.of(out)
    (parts.folder / "robomimic" / "Lift").mkdir(parents=True)
    import_dataset(path, out)
    assert not parts.folder.exists() and out.read_bytes() == before
