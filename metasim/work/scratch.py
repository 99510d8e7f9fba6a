"""A folder for as long as a process needs it; one that a killed process left is removed by the next."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK = ".lock"
_LONGEST = 40  # characters; a socket below it has a path of at most 107


@contextmanager
def scratch_folder(prefix: str) -> Iterator[str]:
    """Make a folder with a short path, and remove it in the end, whatever is in it."""
    usual = tempfile.gettempdir()
    parent = Path(usual) if len(usual) <= _LONGEST else Path("/", "tmp")
    _remove_abandoned(parent, prefix)
    folder = tempfile.mkdtemp(prefix=prefix, dir=parent)
    descriptor = os.open(Path(folder, _LOCK), os.O_RDWR | os.O_CREAT, 0o600)  # processes started here do not inherit it
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(descriptor)
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(parent: Path, prefix: str) -> None:
    for lock in parent.glob(f"{prefix}*/{_LOCK}"):
        try:
            descriptor = os.open(lock, os.O_RDWR)
        except OSError:  # somebody else's
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(lock.parent, ignore_errors=True)
        finally:
            os.close(descriptor)
