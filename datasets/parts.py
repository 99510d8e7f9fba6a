"""The folder ``FILE.parts``: the finished episodes of a collection that is not done yet.

``<task>/<episode>.h5`` is a finished episode, ``<task>/<episode>.failed`` one that did not succeed and is not
kept; ``arguments.json`` says what is being collected. Each appears whole or not at all, so a process may be
killed at any moment; what it was writing is a hidden draft that the next one removes. Only the dataset itself is
flushed to disk: after a power failure the last parts may be damaged, which their digests tell.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metasim.core.errors import DatasetError
from metasim.datasets import hdf5, writer
from metasim.datasets.episode import Episode, TaskInfo
from metasim.datasets.receipts import Receipt
from metasim.work import write_atomically

_FAILED = ".failed"


@dataclass(frozen=True)
class Parts:
    """The parts of one dataset.

    Args:
        folder: ``FILE.parts``.
    """

    folder: Path

    @classmethod
    def of(cls, out: Path) -> Parts:
        """Return the parts of the dataset ``out``."""
        return cls(out.with_name(out.name + ".parts"))

    def path(self, task: str, episode: int) -> Path:
        """Return where an episode's file stands."""
        return self.folder / task / f"{episode:06d}.h5"

    def save(self, episode: Episode, task: TaskInfo) -> None:
        """Write a finished episode.

        Raises:
            DatasetError: If it cannot be written.
        """
        self.put(episode.info.task, episode.info.episode, writer.part_bytes(episode, task))

    def put(self, task: str, episode: int, file: bytes) -> None:
        """Write the file of a finished episode, given its bytes.

        It is not flushed to disk, which would take longer than most episodes: what a power failure cuts short does not
        fit its digest, and is collected again.

        Raises:
            DatasetError: If it cannot be written.
        """
        path = self.path(task, episode)
        with hdf5.writing(path):
            write_atomically(path, file, durable=False)

    def mark_failed(self, task: str, episode: int) -> None:
        """Note that an episode did not succeed."""
        path = self.path(task, episode).with_suffix(_FAILED)
        with hdf5.writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def scan(
        self, tasks: tuple[str, ...], damaged: Callable[[str], None] | None = None
    ) -> dict[str, dict[int, Receipt | None]]:
        """Return task to index to the receipts of its finished episodes, None for one that failed.

        A file that is not whole, to the last bit, is removed, since its episode is to be collected again; ``damaged``
        is told.
        """
        known: dict[str, dict[int, Receipt | None]] = {task: {} for task in tasks}
        for task, found in known.items():
            for path in sorted((self.folder / task).glob("[0-9]*")):
                if not path.stem.isdecimal():
                    continue
                if path.suffix == _FAILED:
                    found[int(path.stem)] = None
                elif path.suffix == ".h5":
                    try:
                        found[int(path.stem)] = _checked(path, task)
                    except hdf5.PassingError:
                        raise
                    except DatasetError as error:
                        shutil.rmtree(path) if path.is_dir() else path.unlink()
                        if damaged is not None:
                            damaged(f"collected again, since its file was no good: {error}")
        return known

    @contextmanager
    def held(
        self, arguments: Mapping[str, Any], versions: Mapping[str, str], sources: Mapping[str, str] | None = None
    ) -> Iterator[None]:
        """Keep others out of the folder, and check that it belongs to these arguments, versions and source files.

        ``sources`` are digests of the files, not of this package, that decide what an episode is.

        Raises:
            DatasetError: If another process is at work in it, or it belongs to another collection.
        """
        with self._lock():
            with hdf5.writing(self.folder):
                self._claim({"arguments": arguments, "versions": versions, "source files": dict(sources or {})})
            yield

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with hdf5.writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise DatasetError(f"another process is collecting into {self.folder}; wait for it, or stop it") from error
        try:
            yield
        finally:
            os.close(descriptor)

    def _claim(self, note: Mapping[str, Any]) -> None:
        for stray in self.folder.rglob(".*.tmp"):
            stray.unlink(missing_ok=True)
        path = self.folder / "arguments.json"
        if path.exists():
            try:
                told = json.loads(path.read_bytes())
            except ValueError as error:
                raise DatasetError(f"{path} is damaged ({error}); delete the folder to begin again") from error
            self._compare(told, note)
        else:
            write_atomically(path, json.dumps(note, indent=1, sort_keys=True).encode())

    def _compare(self, told: Mapping[str, Any], note: Mapping[str, Any]) -> None:
        for what in ("arguments", "versions", "source files"):
            then, now = json.dumps(told.get(what), sort_keys=True), json.dumps(note[what], sort_keys=True)
            if then != now:
                differs = difference(told.get(what) or {}, note[what])
                raise DatasetError(
                    f"{self.folder} belongs to a collection with other {what}: {differs}. "
                    f"Finish it with those, choose another file, or delete the folder"
                )


def _checked(path: Path, task: str) -> Receipt:
    if not path.is_file():
        raise DatasetError(f"{path} is no file")
    receipt = writer.check_part(path)
    if (receipt.info.task, receipt.info.episode) != (task, int(path.stem)):
        raise DatasetError(f"{path} holds episode {receipt.info.episode} of {receipt.info.task}")
    return receipt


def difference(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """Return what differs between two sets of arguments, theirs first."""
    names = [name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name)]
    return "; ".join(f"{name} {theirs.get(name)!r} there, {ours.get(name)!r} asked for" for name in names)
