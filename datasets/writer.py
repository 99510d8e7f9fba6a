"""Episodes to files: one small file each while a collection runs, copied into one dataset at its end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from metasim.core.errors import DatasetError
from metasim.datasets import hdf5, schema
from metasim.datasets.episode import Episode, EpisodeInfo, TaskInfo
from metasim.work import draft

PART = "episode"
"""Name of the demo in a file of one episode."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A demo that is to be copied into a dataset.

    Attributes:
        path: File that it stands in.
        group: Its group there.
        info: Its attributes.
    """

    path: Path
    group: str
    info: EpisodeInfo


def part_bytes(episode: Episode, task: TaskInfo) -> bytes:
    """Return a file of one episode: ``/episode``; schema and the task's row are attributes of the file."""
    return hdf5.image(partial(_fill, episode=episode, task=task))


def read_part(path: Path) -> tuple[EpisodeInfo, TaskInfo]:
    """Return what a file of one episode says of it and of its task; arrays are checked when merged.

    Raises:
        DatasetError: If it is damaged, or something else.
    """
    with hdf5.opened(path) as opened:
        file: Any = opened
        schema.check_schema(file.attrs.get("schema"), path)
        try:
            task = schema.parse_task(json.loads(file.attrs["task"]))
            group = file[PART]
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(f"{path} is not the file of one episode ({error})") from error
        return schema.read_info(group, str(path)), task


def write_dataset(
    out: Path,
    sources: Sequence[Source],
    tasks: Mapping[str, TaskInfo],
    versions: Mapping[str, str],
    collections: Sequence[Mapping[str, Any]],
    masks: Mapping[str, Sequence[int]] | None = None,
) -> None:
    """Copy demos into the dataset ``out``, check it, and only then give it its name.

    Args:
        out: The dataset.
        sources: The demos, in the order of the new file.
        tasks: What the episodes of each task share.
        versions: Package to version.
        collections: Arguments of each collection that the demos come from.
        masks: Name to numbers of demos, besides the mask of each task.

    Raises:
        DatasetError: If the disk is full, the folder cannot be written to, or the result fails its check.
    """
    infos = [source.info for source in sources]
    named = {task.replace("/", "."): [i for i, info in enumerate(infos) if info.task == task] for task in tasks}
    header = schema.header_attributes(infos, tasks, versions, list(collections))
    with hdf5.writing(out), draft(out) as path:
        with hdf5.created(path) as file:
            _copy(file, sources)
            hdf5.put_attributes(file["data"].id, header)
            _put_masks(file, {**(masks or {}), **named})
        with hdf5.opened(path) as file:
            schema.check(file, out)


def _fill(root: h5py.h5g.GroupID, episode: Episode, task: TaskInfo) -> None:
    hdf5.put_attributes(root, {"schema": schema.SCHEMA, "task": json.dumps(asdict(task))})
    demo = hdf5.put_group(root, PART)
    hdf5.put_attributes(demo, asdict(episode.info))
    for folder, named in (("obs", episode.obs), ("final_obs", episode.final_obs)):
        group = hdf5.put_group(demo, folder)
        for name, array in named.items():
            hdf5.put_array(group, name, array)
    for name in ("actions", "rewards", "dones", "terminated", "truncated", "success", "states"):
        hdf5.put_array(demo, name, getattr(episode, name))
    sample = hdf5.put_group(hdf5.put_group(demo, "initial"), "sample")
    for name, array in episode.sample.items():
        hdf5.put_array(sample, name, array)


def _copy(file: h5py.File, sources: Sequence[Source]) -> None:
    data = h5py.Group(hdf5.put_group(file.id, "data"))
    with ExitStack() as stack:
        path, source = None, None
        for i, item in enumerate(sources):
            if item.path != path:
                stack.close()
                path, source = item.path, stack.enter_context(hdf5.opened(item.path))
            assert source is not None
            source.copy(item.group, data, f"demo_{i}")


def _put_masks(file: h5py.File, masks: Mapping[str, Sequence[int]]) -> None:
    group = hdf5.put_group(file.id, "mask")
    for name, demos in masks.items():
        hdf5.put_array(group, name, np.array([f"demo_{i}".encode() for i in demos], dtype=np.bytes_))
