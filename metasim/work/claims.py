"""Numbers that processes of one machine take in turns: who is early or quick takes more."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from metasim.work.files import write_atomically

_SIZE = 8


@dataclass(frozen=True)
class Claims:
    """The numbers from 0 to ``count - 1``: each is handed out once, whoever iterates, in ascending order.

    Args:
        path: File that says how many are taken; a new one for each set of numbers (:meth:`laid`).
        count: How many there are.
    """

    path: Path
    count: int

    @classmethod
    def laid(cls, path: Path, count: int) -> Claims:
        """Write the file, in place of an older one, whose takers go on with theirs."""
        write_atomically(path, bytes(_SIZE), durable=False)
        return cls(path, count)

    def __iter__(self) -> Iterator[int]:
        """Take one number after the other, until all are taken."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            while (number := _taken(descriptor)) < self.count:
                yield number
        finally:
            os.close(descriptor)


def _taken(descriptor: int) -> int:
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        number = int.from_bytes(os.pread(descriptor, _SIZE, 0), "little")
        os.pwrite(descriptor, (number + 1).to_bytes(_SIZE, "little"), 0)
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    return number
