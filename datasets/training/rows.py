"""Rows of arrays, from the files or from memory.

Files are read with the operating system's own ``pread`` at the places that the index knows: no HDF5 call, no lock, no
cache, and nothing that a fork could break. Each process opens a file when it first needs it. What is not stored as the
format says (repacked by other tools, for instance) is read through h5py.
"""

from __future__ import annotations

import os
import weakref
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import h5py
import numpy as np
from h5py import h5d, h5p, h5s  # pyright: ignore[reportAttributeAccessIssue]

from metasim.core.errors import DatasetError
from metasim.datasets import hdf5
from metasim.datasets.states import STATES, spread
from metasim.datasets.training.index import ELSEWHERE, Episodes, Field, Place, stamp

Array = Any
Allocate = Callable[[tuple[int, ...], Any], Any]
"""Makes an array of a shape and type, for example in shared memory."""
OPEN_FILES = 64
"""Files that a process keeps open."""
OPEN_ARRAYS, CACHE_BYTES = 64, 1 << 20
"""Arrays that a process keeps open, of those that h5py has to read, and what each may keep decoded."""


class Rows(Protocol):
    """Gives rows of fields."""

    def read(self, field: int, episode: int, start: int, out: Array) -> None:
        """Fill ``out`` ``(n, ...)`` with the rows from ``start`` of a field, converted to its type."""
        ...


class FileRows:
    """Rows from the files.

    Args:
        episodes: The episodes.
        fields: The fields.
        places: Where they stand.
    """

    def __init__(self, episodes: Episodes, fields: Sequence[Field], places: Sequence[Place]) -> None:
        self._paths, self._stamps = episodes.paths, episodes.stamps
        self._file, self._demo = episodes.file.tolist(), episodes.demo.tolist()
        self._task, self._length = episodes.task.tolist(), episodes.length.tolist()
        self._failed = [bool(info.failure) for info in episodes.infos]
        self._fields, self._places = list(fields), list(places)
        self._forget()

    def read(self, field: int, episode: int, start: int, out: Array) -> None:
        """Fill ``out`` with rows of a field.

        Raises:
            DatasetError: If the file cannot be read, or is another one than before.
        """
        about, place = self._fields[field], self._places[field]
        if about.spread:
            self._states(place, episode, start, out)
            return
        if place.first is not None and place.first[episode] != ELSEWHERE:
            self._pictures(place, int(place.first[episode]) + start, episode, out)
            return
        parts, offsets = about.parts[self._task[episode]], place.offsets[episode]
        if len(parts) == 1:
            self._part(about, parts[0][0], int(offsets[0]), episode, start, out)
            return
        column = 0
        for (name, columns), offset in zip(parts, offsets.tolist(), strict=False):
            end = column + columns
            self._part(about, name, offset, episode, start, out[:, column:end])
            column = end

    def _part(self, about: Field, name: str, offset: int, episode: int, start: int, out: Array) -> None:
        """Fill ``out`` with rows of one array of the file."""
        direct = out.dtype == about.dtype and out.flags.c_contiguous
        rows = out if direct else np.empty(out.shape, about.dtype)
        if not rows.size:
            return
        if offset == ELSEWHERE:
            self._through_h5py(name, episode, start, rows)
        else:
            at = offset + start * (rows.nbytes // len(rows))
            self._fill(self._file[episode], rows, at)
        if not direct:
            out[...] = rows

    def _fill(self, file: int, rows: Array, at: int) -> None:
        opened = self._descriptor(file)  # held, so that no other thread closes it meanwhile
        got = os.preadv(opened.number, (rows,), at)
        if got == rows.nbytes:
            return
        rest = memoryview(rows).cast("B")
        while got < rows.nbytes:  # beyond 2 GiB at once, or interrupted
            more = os.preadv(opened.number, (rest[got:],), at + got)
            if more == 0:
                raise DatasetError(f"{self._paths[file]} ends at byte {at + got}: it has been truncated")
            got += more

    def _pictures(self, place: Place, first: int, episode: int, out: Array) -> None:
        file = self._file[episode]
        opened = self._descriptor(file)
        for i in range(len(out)):
            at, size = int(place.chunk_offsets[first + i]), int(place.chunk_sizes[first + i])
            try:
                plain = zlib.decompress(os.pread(opened.number, size, at), bufsize=out[i].nbytes)
            except zlib.error as error:
                raise DatasetError(f"{self._paths[file]}: damaged picture at byte {at} ({error})") from error
            if len(plain) != out[i].nbytes:
                raise DatasetError(f"{self._paths[file]}: the picture at byte {at} has {len(plain)} bytes")
            out[i] = np.frombuffer(plain, out.dtype).reshape(out[i].shape)

    def _states(self, place: Place, episode: int, start: int, out: Array) -> None:
        """Fill ``out`` with rows of the engine's states, put together from what is stored of them."""
        first, moving = place.columns[episode]
        rows, offset = np.empty((len(out), len(moving))), int(place.offsets[episode, 0])
        if rows.size and offset == ELSEWHERE:
            self._through_h5py(STATES, episode, start, rows)
        elif rows.size:
            self._fill(self._file[episode], rows, offset + start * (rows.nbytes // len(rows)))
        out[...] = spread(rows, first, moving)
        if self._failed[episode] and start + len(out) > self._length[episode]:
            out[self._length[episode] - start :] = np.nan

    def _through_h5py(self, name: str, episode: int, start: int, rows: Array) -> None:
        path = self._paths[self._file[episode]]
        with hdf5.reading(path):
            dataset = self._opened(self._file[episode], f"data/demo_{self._demo[episode]}/{name}")
            space = dataset.get_space()
            origin = (start, *(0,) * (rows.ndim - 1))
            space.select_hyperslab(origin, rows.shape)
            dataset.read(h5s.create_simple(rows.shape), space, rows)

    def _opened(self, file: int, name: str) -> h5py.h5d.DatasetID:
        self._at_home()
        if (file, name) not in self._arrays:
            if file not in self._handles:
                self._unchanged(file)
                if len(self._handles) >= OPEN_FILES:
                    self._handles.popitem(last=False)
                    self._arrays.clear()
                self._handles[file] = hdf5.open_file(self._paths[file])
            access = h5p.create(h5p.DATASET_ACCESS)
            access.set_chunk_cache(521, CACHE_BYTES, 0.75)
            self._arrays[file, name] = h5d.open(self._handles[file].id, name.encode(), access)
            if len(self._arrays) > OPEN_ARRAYS:
                self._arrays.popitem(last=False)
        self._arrays.move_to_end((file, name))
        return self._arrays[file, name]

    def _descriptor(self, file: int) -> _Descriptor:
        if self._process != os.getpid():
            self._at_home()
        found = self._descriptors.get(file)
        if found is None:
            self._unchanged(file)
            if len(self._descriptors) >= OPEN_FILES:
                self._descriptors.popitem(last=False)
            found = self._descriptors[file] = _Descriptor(self._paths[file])
        return found

    def _unchanged(self, file: int) -> None:
        path = self._paths[file]
        with hdf5.reading(path):
            now = stamp(path)
        if now != self._stamps[file]:
            raise DatasetError(f"{path} is not the file that it was when it was opened; open the dataset again")

    def _at_home(self) -> None:
        """Forget what another process had opened."""
        if self._process != os.getpid():
            self._forget()

    def _forget(self) -> None:
        self._process = os.getpid()
        self._descriptors: OrderedDict[int, _Descriptor] = OrderedDict()
        self._handles: OrderedDict[int, h5py.File] = OrderedDict()
        self._arrays: OrderedDict[tuple[int, str], h5py.h5d.DatasetID] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        """Return everything but what is open."""
        return {k: v for k, v in vars(self).items() if k not in ("_process", "_descriptors", "_handles", "_arrays")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Begin with nothing open."""
        vars(self).update(state)
        self._forget()


class MemoryRows:
    """Rows from memory: each field as one block of the rows of all episodes.

    Args:
        episodes: The episodes.
        fields: The fields.
        source: Where the blocks are filled from.
        allocate: Makes the blocks.
    """

    def __init__(
        self, episodes: Episodes, fields: Sequence[Field], source: Rows, allocate: Allocate = np.empty
    ) -> None:
        self._blocks: list[Any] = []
        self._first: list[Array] = []
        for k, about in enumerate(fields):
            counts = np.broadcast_to(about.count(episodes.length), (len(episodes),))
            ends = np.cumsum(counts)
            block = allocate((int(ends[-1]), *about.shape), about.dtype)
            rows = np.asarray(block)
            for e, (end, count) in enumerate(zip(ends.tolist(), counts.tolist(), strict=True)):
                source.read(k, e, 0, rows[end - count : end])
            self._blocks.append(block)
            self._first.append(ends - counts)
        self._arrays = [np.asarray(block) for block in self._blocks]

    def read(self, field: int, episode: int, start: int, out: Array) -> None:
        """Fill ``out`` with rows of a field."""
        begin = int(self._first[field][episode]) + start
        out[...] = self._arrays[field][begin : begin + len(out)]

    def __getstate__(self) -> dict[str, Any]:
        """Return the blocks as they are: those in shared memory stay there."""
        return {k: v for k, v in vars(self).items() if k != "_arrays"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Look at the blocks again."""
        vars(self).update(state)
        self._arrays = [np.asarray(block) for block in self._blocks]


class _Descriptor:
    """An open file, closed with the object."""

    def __init__(self, path: os.PathLike[str]) -> None:
        try:
            self.number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise DatasetError(f"cannot open {path}: {error.strerror}") from error
        weakref.finalize(self, os.close, self.number)
