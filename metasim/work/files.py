"""Files that are there whole or not at all."""

from __future__ import annotations

import glob
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DRAFT_SUFFIX = ".tmp"
_NAME = 100  # characters of a name that its draft keeps, since names have a longest length


@contextmanager
def draft(path: str | os.PathLike[str], *, durable: bool = True) -> Iterator[Path]:
    """Give a name to write to; what stands there in the end is flushed to disk and renamed to ``path``.

    A reader sees the old file or the new one, never a part; a failure leaves the old one and no draft.
    Missing folders are made. Hidden files that end in ``.tmp`` are what a killed process left.

    Args:
        path: The file.
        durable: Whether it must outlive a power failure from this moment on. If not, nothing waits for the disk: a
            killed process still leaves the whole file or none, and the operating system flushes it within its time.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    name = target.with_name(f".{target.name[:_NAME]}.{secrets.token_hex(4)}{DRAFT_SUFFIX}")
    try:
        yield name
        if durable:
            _flush(name)
        _rename(name, target)
    except BaseException:
        name.unlink(missing_ok=True)
        raise
    if durable:
        _flush(target.parent)  # the rename itself is durable only then


def remove_drafts(path: str | os.PathLike[str]) -> None:
    """Remove drafts of ``path`` that a killed process left; nobody else may be writing it."""
    target = Path(path)
    for stray in target.parent.glob(f".{glob.escape(target.name[:_NAME])}.{'[0-9a-f]' * 8}{DRAFT_SUFFIX}"):
        if stray.is_dir():
            shutil.rmtree(stray)
        else:
            stray.unlink(missing_ok=True)


def write_atomically(path: str | os.PathLike[str], data: bytes, *, durable: bool = True) -> Path:
    """Write ``data`` to ``path`` as :func:`draft` does, and return the path."""
    with draft(path, durable=durable) as name, open(name, "xb") as file:
        file.write(data)
    return Path(path)


def _rename(draft: Path, target: Path) -> None:
    os.replace(draft, target)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
