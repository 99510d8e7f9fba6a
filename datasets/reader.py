"""Reads a dataset: lazily, one episode or one array at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import h5py

from metasim.core.errors import DatasetError
from metasim.datasets import hdf5, schema
from metasim.datasets.episode import Episode, EpisodeInfo, TaskInfo, flat
from metasim.datasets.states import FIRST, MOVING, STATES, problem, whole
from metasim.datasets.statistics import KINDS, columns

Array = Any


class Demo:
    """One episode of an open dataset; nothing is read until it is asked for.

    Args:
        group: Its HDF5 group: ``demo.group["actions"][10:20]`` reads ten rows.
        info: Its attributes.
        task: What it shares with the other episodes of its task.
    """

    def __init__(self, group: h5py.Group, info: EpisodeInfo, task: TaskInfo) -> None:
        self.group, self.info, self.task, self._id = group, info, task, group.id

    def __len__(self) -> int:
        """Return the number of steps."""
        return self.info.num_samples

    def array(self, name: str) -> Array:
        """Return a whole array by its path, for example ``"rewards"`` or ``"obs/hand"``.

        Raises:
            DatasetError: If there is none, or it is damaged.
        """
        with self._reading():
            return hdf5.own_array(self._id, name)

    @property
    def observation(self) -> Array:
        """The flat observation ``(T, D)``, without pictures."""
        return flat({name: self.array(f"obs/{name}") for name, _ in self.task.observation}, len(self))

    @property
    def final_observation(self) -> Array:
        """The flat observation after the last action ``(1, D)``."""
        return flat({name: self.array(f"final_obs/{name}") for name, _ in self.task.observation}, 1)

    @property
    def states(self) -> Array:
        """The engine's states ``(T + 1, K)``, put together from what is stored of them (see :mod:`.states`)."""
        stored = {name: self.array(name) for name in (STATES, FIRST, MOVING)}
        rows, size, k = len(self) + 1, self.task.state_size.get(self.info.backend, -1), stored[MOVING].shape
        fits = len(k) == 1 and (stored[STATES].shape, stored[FIRST].shape) == ((rows, *k), (size,))
        kinds = [stored[name].dtype.str for name in (STATES, FIRST, MOVING)] == ["<f8", "<f8", "<i4"]
        with self._reading():
            wrong = (
                problem(stored) if fits and kinds else "the states and their columns do not have the shapes they say"
            )
            if wrong:
                raise ValueError(wrong)
            return whole(stored, failed=bool(self.info.failure))

    @property
    def sample(self) -> dict[str, Array]:
        """Factor name to the value that this episode had."""
        with self._reading():
            names = hdf5.own_group(self._id, "initial/sample")
            return {name.decode(): hdf5.own_array(names, name.decode()) for name in names}

    @property
    def source(self) -> dict[str, Array]:
        """What an imported file had besides: path to array; empty for recorded episodes."""
        with self._reading():
            if "source" not in self.group:
                return {}
            group = hdf5.own_group(self._id, "source")
            opened = {path: hdf5.open_array(group, path) for path, own in hdf5.tree(group).items() if own}
            return {path: hdf5.read(dataset)[()] for path, dataset in opened.items() if dataset is not None}

    def _reading(self) -> AbstractContextManager[None]:
        return hdf5.reading(f"{self.group.file.filename}: {str(self.group.name).rpartition('/')[2]}")

    def load(self) -> Episode:
        """Return the whole episode in memory."""
        names = [name for name, *_ in (*self.task.observation, *self.task.pictures)]
        plain = ("actions", "rewards", "terminated", "truncated", "success")
        return Episode(
            info=self.info,
            obs={name: self.array(f"obs/{name}") for name in names},
            final_obs={name: self.array(f"final_obs/{name}") for name in names},
            states=self.states,
            sample=self.sample,
            source=self.source,
            **{name: self.array(name) for name in plain},
        )


class Dataset:
    """A dataset open for reading; close it, or use it in a ``with`` statement.

    Args:
        path: The file. Its header is checked; ``verify`` checks everything.

    Attributes:
        header: Attributes of ``/data``.

    Raises:
        DatasetError: If the file is missing, damaged, or no dataset of ours.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.file: h5py.File = hdf5.open_file(self.path)
        try:
            with hdf5.reading(self.path):
                self.header = schema.read_header(self.file, self.path)
                self._names = schema.demo_names(self.file, self.path)
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        """Return the number of episodes."""
        return len(self._names)

    def __iter__(self) -> Iterator[Demo]:
        """Iterate over the episodes in file order."""
        return (self.episode(i) for i in range(len(self)))

    def episode(self, index: int) -> Demo:
        """Return episode ``index``, counted from 0; negative ones from the end.

        Raises:
            DatasetError: If there is no such episode, or its attributes are damaged.
        """
        if not -len(self) <= index < len(self):
            raise DatasetError(f"{self.path} has episodes 0 to {len(self) - 1}, no episode {index}")
        name = self._names[index]
        with hdf5.reading(self.path):
            group = h5py.Group(hdf5.own_group(self.file.id, f"data/{name}"))
            info = schema.read_info(group, f"{self.path}: {name}")
        if info.task not in self.header.tasks:
            raise DatasetError(f"{self.path}: {name}: task {info.task!r} is not in the attribute tasks of /data")
        return Demo(group, info, self.header.tasks[info.task])

    def infos(self) -> list[EpisodeInfo]:
        """Return the attributes of all episodes."""
        return [demo.info for demo in self]

    @property
    def masks(self) -> tuple[str, ...]:
        """Names of the masks."""
        with hdf5.reading(f"{self.path}: masks"):
            if "mask" not in self.file:
                return ()
            return tuple(name.decode() for name in hdf5.own_group(self.file.id, "mask"))

    def mask(self, name: str) -> list[int]:
        """Return the numbers of the episodes in a mask; a task's mask is its id with "." for "/"."""
        if name not in self.masks:
            raise DatasetError(f"{self.path} has no mask {name!r}; it has {list(self.masks)}")
        with hdf5.reading(f"{self.path}: mask {name!r}"):
            numbers = {demo.encode(): i for i, demo in enumerate(self._names)}
            return [numbers[item] for item in hdf5.own_array(self.file.id, f"mask/{name}").tolist()]

    def stats(self, task: str) -> dict[str, Any]:
        """Return mean, std, min and max ``(D,)`` of a task's arrays, over all its episodes in the file.

        Returns:
            ``{"obs": {name: {"mean": ..., "std": ..., "min": ..., "max": ...}}, "actions": {...}, "rewards": {...}}``,
            and ``"count"``, the number of rows.

        Raises:
            DatasetError: If the task is not in the file, or its statistics are damaged.
        """
        if task not in self.header.tasks:
            raise DatasetError(f"{self.path} has no task {task!r}; it has {list(self.header.tasks)}")
        with hdf5.reading(self.path):
            group = hdf5.own_group(self.file.id, f"stats/{schema.plain(task)}")
            rows = {
                name: {kind: hdf5.own_array(group, f"{name}/{kind}") for kind in KINDS}
                for name in columns(self.header.tasks[task])
            }
            observed = {name.removeprefix("obs/"): rows[name] for name in rows if name.startswith("obs/")}
            return {
                "obs": observed,
                "actions": rows["actions"],
                "rewards": rows["rewards"],
                "count": int(hdf5.attribute(group, "count", int)),
            }

    def close(self) -> None:
        """Close the file; may be called twice."""
        self.file.close()

    def __enter__(self) -> Dataset:
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()
