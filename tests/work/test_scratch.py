"""Folders that end with their process."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from metasim.work.scratch import scratch_folder

HOLD = """
import sys
from metasim.work.scratch import scratch_folder
with scratch_folder("held-") as folder:
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Temporary files go to a folder with a short path."""
    room = Path(tempfile.mkdtemp(prefix="room-"))
    monkeypatch.setattr(tempfile, "tempdir", str(room))
    monkeypatch.setenv("TMPDIR", str(room))
    yield room
    shutil.rmtree(room)


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_it_is_gone_in_the_end_with_what_is_in_it(room: Path) -> None:
    with pytest.raises(ZeroDivisionError), scratch_folder("x-") as folder:
        Path(folder, "file").touch()
        assert Path(folder).parent == room
        raise ZeroDivisionError
    assert names(room) == []


def test_the_next_one_removes_what_a_killed_process_left_and_nothing_in_use(room: Path) -> None:
    def hold() -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    killed, living = hold(), hold()
    assert killed.stdout and living.stdout
    left, kept = killed.stdout.readline().strip(), living.stdout.readline().strip()
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    (room / "held-other").mkdir()  # without a lock: somebody else's
    assert os.path.isdir(left)
    with scratch_folder("held-"):
        assert not os.path.exists(left)
        assert os.path.isdir(kept)
    living.communicate("")
    assert names(room) == ["held-other"]


def test_a_long_path_is_avoided(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = room / ("d" * 60)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with scratch_folder("x-") as folder:
        assert len(folder) < 40
