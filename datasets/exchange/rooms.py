"""Hidden folders in which a folder is made, so that it is there whole or not at all."""

from __future__ import annotations

import glob
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAME = 100  # characters of a name that its room keeps, since names have a longest length
_DIGITS = 8


@contextmanager
def room(target: Path) -> Iterator[Path]:
    """Give an empty folder beside ``target``, ``.NAME.*.tmp``; it is removed in the end, with whatever is left in it.

    So are those that killed processes left; nobody else may be making ``target``.
    """
    start = f".{target.name[:_NAME]}."
    for stray in target.parent.glob(f"{glob.escape(start)}{'[0-9a-f]' * _DIGITS}.tmp"):
        if stray.is_dir() and not stray.is_symlink():
            shutil.rmtree(stray, ignore_errors=True)
    folder = target.with_name(f"{start}{secrets.token_hex(_DIGITS // 2)}.tmp")
    try:
        folder.mkdir(parents=True)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
