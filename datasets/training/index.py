"""Which episodes are read, and at which byte of which file each of their arrays begins.

Looked up once, through h5py; the result is a few numbers for each episode, small enough to be handed to every worker.
A finished file never changes, so that an array's place in it is as good as the array.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5z  # pyright: ignore[reportAttributeAccessIssue]

from metasim.core.errors import DatasetError, InvalidConfig, UnknownName
from metasim.datasets import hdf5
from metasim.datasets.episode import EpisodeInfo, TaskInfo
from metasim.datasets.reader import Dataset
from metasim.datasets.states import FIRST, MOVING, STATES, problem_of_columns
from metasim.datasets.tools.condition import Condition, facts

Array = Any
ELSEWHERE = -1
"""In place of an offset: the array is stored in pieces, and read through h5py."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """An array that windows are cut from.

    Attributes:
        key: Its name in a sample.
        parts: For each task, the paths in a demo whose columns it is made of, with their number of columns.
        shape: Of one row.
        dtype: As it is stored.
        rows: Rows in a demo of T steps: ``"T"``, ``"T + 1"`` or ``"1"``.
        spread: Only the columns that move are stored; see :mod:`metasim.datasets.states`.
    """

    key: str
    parts: tuple[tuple[tuple[str, int], ...], ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    rows: str = "T"
    spread: bool = False

    def count(self, steps: Any) -> Any:
        """Return the rows in demos of so many steps."""
        return steps * 0 + 1 if self.rows == "1" else steps + (self.rows == "T + 1")

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a field stands.

    Attributes:
        offsets: ``(episodes, parts)`` byte in the file, or :data:`ELSEWHERE`.
        first: ``(episodes,)`` number of the first picture below, or :data:`ELSEWHERE`; None if rows are no pictures.
        chunk_offsets: ``(pictures,)`` byte in the file.
        chunk_sizes: ``(pictures,)`` bytes, compressed.
        columns: Of a field that is :attr:`Field.spread`, each episode's first row ``(K,)``, and which columns of it the
            stored rows are ``(k,)``.
    """

    offsets: Array
    first: Array | None = None
    chunk_offsets: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    chunk_sizes: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    columns: tuple[tuple[Array, Array], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Episodes:
    """The episodes that are read.

    Attributes:
        paths: The files.
        stamps: Size and time of change of each, to notice another file in its place.
        tasks: Task id to what its episodes share, over all files.
        statistics: For each file, task to ``Dataset.stats``, if they were read.
        infos: Attributes of each episode.
        file: ``(episodes,)`` number of its file.
        demo: ``(episodes,)`` its number there.
        task: ``(episodes,)`` number of its task.
        length: ``(episodes,)`` steps.
        masks: Mask to ``(episodes,)`` bool.
    """

    paths: tuple[Path, ...]
    stamps: tuple[tuple[int, int], ...]
    tasks: dict[str, TaskInfo]
    statistics: tuple[dict[str, dict[str, Any]], ...]
    infos: tuple[EpisodeInfo, ...]
    file: Array
    demo: Array
    task: Array
    length: Array
    masks: dict[str, Array]

    def __len__(self) -> int:
        """Return the number of episodes."""
        return len(self.infos)


def stamp(path: Path) -> tuple[int, int]:
    """Return what tells a file from another that takes its place."""
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def choose(
    paths: Sequence[Path],
    *,
    mask: str | None = None,
    tasks: Sequence[str] | None = None,
    where: str = "",
    statistics: bool = False,
) -> Episodes:
    """Return the episodes of some files that are in a mask, of one of some tasks, and meet a condition.

    Args:
        paths: The files.
        mask: Name of the mask; None for all episodes.
        tasks: Ids of the tasks; None for all.
        where: The condition; empty for none.
        statistics: Whether those of the tasks are read as well.

    Raises:
        InvalidConfig: If no file is given, or one twice, or no episode is left.
        UnknownName: For a task that is in no file.
        DatasetError: If a file cannot be read, lacks the mask, or contradicts another about a task.
    """
    if not paths or len({path.resolve() for path in paths}) < len(paths):
        raise InvalidConfig(f"expected datasets, each once, got {[str(path) for path in paths]}")
    condition = Condition(where) if where else None
    known: dict[str, tuple[TaskInfo, Path]] = {}
    rows, infos, spreads, masks = list[tuple[int, int]](), list[EpisodeInfo](), [], dict[str, list[int]]()
    for number, path in enumerate(paths):
        with Dataset(path) as data:
            for name, task in data.header.tasks.items():
                _agree(known.setdefault(name, (task, path)), task, name, path)
            named: Any = data.file.get("mask", {})
            members = {name: set(data.mask(name)) for name in named}
            kept = set(range(len(data))) if mask is None else set(data.mask(mask))
            for i in sorted(kept):
                demo = data.episode(i)
                if (tasks is None or demo.info.task in tasks) and (condition is None or condition.holds(facts(demo))):
                    for name in (name for name, listed in members.items() if i in listed):
                        masks.setdefault(name, []).append(len(infos))
                    rows.append((number, i))
                    infos.append(demo.info)
            read = {info.task for (file, _), info in zip(rows, infos, strict=True) if file == number and statistics}
            spreads.append({name: data.stats(name) for name in data.header.tasks if name in read})
    for name in tasks or ():
        if name not in known:
            raise UnknownName("task in these datasets", name, known)
    if not infos:
        asked = {"mask": mask, "tasks": tasks, "where": where or None}
        raise InvalidConfig(f"no episode is left by { ({k: v for k, v in asked.items() if v is not None}) }")
    order = list(dict.fromkeys(info.task for info in infos))
    table = np.array(rows, np.int64)
    return Episodes(
        paths=tuple(paths),
        stamps=tuple(stamp(path) for path in paths),
        tasks={name: known[name][0] for name in order},
        statistics=tuple(spreads),
        infos=tuple(infos),
        file=table[:, 0],
        demo=table[:, 1],
        task=np.array([order.index(info.task) for info in infos]),
        length=np.array([info.num_samples for info in infos], np.int64),
        masks={name: np.isin(np.arange(len(infos)), listed) for name, listed in masks.items()},
    )


def locate(episodes: Episodes, fields: Sequence[Field]) -> list[Place]:
    """Return where the fields stand in the files.

    Raises:
        DatasetError: If an array is missing, or has another shape or type than the file says.
    """
    parts = [max(len(part) for part in f.parts) for f in fields]
    offsets = [np.full((len(episodes), n), ELSEWHERE, np.int64) for n in parts]
    first = [np.full(len(episodes), ELSEWHERE, np.int64) for _ in fields]
    chunks: list[list[Array]] = [[] for _ in fields]
    counts = [0] * len(fields)
    moving = [dict[int, tuple[Array, Array]]() for _ in fields]
    for number, path in enumerate(episodes.paths):
        with hdf5.opened(path) as file:
            for e in np.flatnonzero(episodes.file == number):
                open_part = _Opener(file, f"demo_{episodes.demo[e]}", path)
                for k, f in enumerate(fields):
                    if f.spread:
                        offsets[k][e, 0], moving[k][int(e)] = _spread(open_part, f, int(f.count(episodes.length[e])))
                        continue
                    rows = int(f.count(episodes.length[e]))
                    for j, (name, columns) in enumerate(f.parts[episodes.task[e]]):
                        shape = (rows, *f.shape) if len(f.parts[episodes.task[e]]) == 1 else (rows, columns)
                        dataset = open_part(name, shape, f.dtype)
                        found = dataset.get_offset()
                        offsets[k][e, j] = ELSEWHERE if found is None else found
                        table = _pictures(dataset, shape) if found is None and len(shape) > 2 else None
                        if table is not None:
                            first[k][e], counts[k] = counts[k], counts[k] + rows
                            chunks[k].append(table)
    places = []
    for k, f in enumerate(fields):
        table = np.concatenate(chunks[k]) if chunks[k] else np.zeros((0, 2), np.int64)
        pictures = {"first": first[k], "chunk_offsets": table[:, 0].copy(), "chunk_sizes": table[:, 1].copy()}
        spread = {"columns": tuple(moving[k][e] for e in range(len(episodes)))} if f.spread else {}
        places.append(Place(offsets=offsets[k], **(pictures if len(f.shape) > 1 else {}), **spread))
    return places


def factor_values(episodes: Episodes, factor: str) -> Array:
    """Return what a factor was in each episode, ``(episodes, ...)``.

    Raises:
        DatasetError: If an episode has no such factor, or it has another shape there.
    """
    values: list[Any] = [None] * len(episodes)
    for number, path in enumerate(episodes.paths):
        with Dataset(path) as data:
            for e in np.flatnonzero(episodes.file == number):
                demo = data.episode(int(episodes.demo[e]))
                group: Any = demo.group["initial/sample"]
                if factor not in group:
                    raise DatasetError(f"{path}: demo_{episodes.demo[e]} has no factor {factor!r}; it has {[*group]}")
                values[e] = group[factor][()]
    shapes = {np.shape(value) for value in values}
    if len(shapes) > 1:
        raise DatasetError(f"factor {factor!r} has different shapes, {sorted(shapes)}; read the tasks one at a time")
    return np.stack(values)


def _spread(open_part: _Opener, f: Field, rows: int) -> tuple[int, tuple[Array, Array]]:
    """Return where the rows of states stand, and the first state and the columns that those rows are."""
    first = hdf5.read(open_part(FIRST, f.shape, np.dtype(np.float64)))
    moving = hdf5.read(open_part(MOVING, None, np.dtype(np.int32)))
    wrong = problem_of_columns(moving, len(first))
    if wrong:
        raise DatasetError(f"{open_part.where}: {wrong}; `metasim verify` it")
    offset = open_part(STATES, (rows, len(moving)), f.dtype).get_offset()
    return ELSEWHERE if offset is None else offset, (first, moving)


class _Opener:
    """Opens arrays of one demo, checked."""

    def __init__(self, file: h5py.File, demo: str, path: Path) -> None:
        self.where = f"{path}: {demo}"
        group = hdf5.member(file["data"].id, demo)  # type: ignore[union-attr]
        self._groups: dict[str, Any] = {"": group}

    def __call__(self, name: str, shape: tuple[int, ...] | None, dtype: Any) -> h5py.h5d.DatasetID:
        """Return an array of a shape, or with None a list of any length."""
        folder, _, last = name.rpartition("/")
        if folder not in self._groups:
            self._groups[folder] = hdf5.member(self._groups[""], folder)
        group = self._groups[folder]
        found: Any = hdf5.member(group, last) if isinstance(group, h5py.h5g.GroupID) else None
        is_array = isinstance(found, h5py.h5d.DatasetID)
        fits = is_array and (len(found.shape or ()) == 1 if shape is None else found.shape == shape)
        if not fits or not hdf5.is_of(found, dtype):
            there = f"{found.shape} {found.dtype}" if is_array else "missing"
            wanted = "a list of" if shape is None else shape
            raise DatasetError(f"{self.where}: {name!r} must be {wanted} {dtype}, it is {there}; `metasim verify` it")
        return found


def _pictures(dataset: h5py.h5d.DatasetID, shape: tuple[int, ...]) -> Array | None:
    """Return byte and size of each picture ``(rows, 2)``; None if they are not stored as the format says."""
    creation = dataset.get_create_plist()
    if creation.get_layout() != h5py.h5d.CHUNKED or creation.get_chunk() != (1, *shape[1:]):
        return None
    if creation.get_nfilters() != 1 or creation.get_filter(0)[0] != h5z.FILTER_DEFLATE:
        return None
    table = np.full((shape[0], 2), ELSEWHERE, np.int64)
    plain: list[bool] = []

    def note(chunk: Any) -> None:
        table[chunk.chunk_offset[0]] = chunk.byte_offset, chunk.size
        plain.append(chunk.filter_mask == 0)

    visit: Callable[[Callable[[Any], None]], None] = dataset.chunk_iter
    visit(note)
    return table if all(plain) and (table >= 0).all() else None


def _agree(seen: tuple[TaskInfo, Path], task: TaskInfo, name: str, path: Path) -> None:
    for what in ("action_size", "observation", "pictures"):
        if getattr(seen[0], what) != getattr(task, what):
            raise DatasetError(
                f"{path}: {name} has {what} {getattr(task, what)}, in {seen[1]} it is {getattr(seen[0], what)}; "
                f"they cannot be read together"
            )
