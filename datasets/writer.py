"""Episodes to files: one small file each while a collection runs, copied into one dataset at its end."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5o  # pyright: ignore[reportAttributeAccessIssue]

from metasim.core.errors import DatasetError
from metasim.datasets import checking, hdf5, schema
from metasim.datasets.digest import arrays_of, digest
from metasim.datasets.episode import Episode, EpisodeInfo, Key, TaskInfo
from metasim.datasets.receipts import Receipt, task_text
from metasim.datasets.statistics import Statistics, Summary
from metasim.work import draft

PART = "episode"
"""Name of the demo in a file of one episode."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A demo that is to be copied into a dataset.

    Attributes:
        path: File that it stands in.
        group: Its group there.
        receipt: For a file of one episode that was checked already.
    """

    path: Path
    group: str
    receipt: Receipt | None = None


def part(episode: Episode, task: TaskInfo) -> tuple[bytes, Receipt]:
    """Return a file of one episode: ``/episode``; schema and the task's row are attributes of the file.

    Raises:
        DatasetError: If the episode holds what none may, such as a reward that is no number.
    """
    arrays = arrays_of(episode)
    checking.check_values(episode.info, arrays, f"{episode.info.task}, episode {episode.info.episode}")
    info = replace(episode.info, sha256=digest(episode.info, arrays))
    text = task_text(task)
    data = hdf5.image(partial(_fill, info=info, arrays=arrays, task=text))
    return data, Receipt.of(data, info, Summary.of(arrays, task), text)


def part_bytes(episode: Episode, task: TaskInfo) -> bytes:
    """Return the bytes of :func:`part`."""
    return part(episode, task)[0]


def read_part(path: Path) -> tuple[EpisodeInfo, TaskInfo]:
    """Return what a file of one episode says of it and of its task; arrays are checked when merged.

    Raises:
        DatasetError: If it is damaged, or something else.
    """
    with hdf5.opened(path) as file:
        return _said(file, path)


def check_part(path: Path) -> Receipt:
    """Check a file of one episode to the last bit.

    Raises:
        DatasetError: If it is damaged, or something else.
    """
    with hdf5.reading(path):
        data, found = path.read_bytes(), dict[str, Any]()
    with hdf5.opened_image(data, path) as file:
        info, task = _said(file, path)
        group: Any = file[PART]
        checking.check_demo(group, {info.task: task}, str(path), visit=lambda _, arrays: found.update(arrays))
        return Receipt.of(data, info, Summary.of(found, task), task_text(task))


def _said(file: Any, path: Path) -> tuple[EpisodeInfo, TaskInfo]:
    schema.check_schema(hdf5.text(file.id, "schema"), path)
    try:
        task = schema.parse_task(json.loads(hdf5.text(file.id, "task") or ""))
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
    with hdf5.writing(out), draft(out) as path:
        with hdf5.created(path) as file:
            found = {name: Statistics(task) for name, task in tasks.items()}
            infos = _copy(file, sources, tasks, found)
            header = schema.header_attributes(infos, tasks, versions, list(collections))
            hdf5.put_attributes(file["data"].id, header)
            named = {name: [i for i, info in enumerate(infos) if info.task == name] for name in tasks}
            _put_masks(file, {**(masks or {}), **{schema.plain(name): members for name, members in named.items()}})
            _put_statistics(file, found)
        with hdf5.opened(path) as file:  # what was written can be opened
            schema.read_header(file, out)


def _fill(root: h5py.h5g.GroupID, info: EpisodeInfo, arrays: Mapping[str, Any], task: str) -> None:
    hdf5.put_text(root, "schema", schema.SCHEMA)
    hdf5.put_text(root, "task", task)
    demo = hdf5.put_group(root, PART)
    schema.put_info(demo, info)
    groups = {"": demo, "initial": hdf5.put_group(demo, "initial")}
    for folder in ("obs", "final_obs", "initial/sample"):
        parent, _, name = folder.rpartition("/")
        groups[folder] = hdf5.put_group(groups[parent], name)
    for path, array in arrays.items():
        folder, _, name = path.rpartition("/")
        hdf5.put_array(_folder(groups, folder), name, array)


def _folder(groups: dict[str, h5py.h5g.GroupID], path: str) -> h5py.h5g.GroupID:
    """Return a group of a demo, made with those above it if it is not there."""
    if path not in groups:
        parent, _, name = path.rpartition("/")
        groups[path] = hdf5.put_group(_folder(groups, parent), name)
    return groups[path]


def _copy(
    file: h5py.File, sources: Sequence[Source], tasks: Mapping[str, TaskInfo], found: Mapping[str, Statistics]
) -> list[EpisodeInfo]:
    """Copy demos, each after its check: where a file is damaged, HDF5's reading says so and its copying may crash."""
    data, infos, seen = hdf5.put_group(file.id, "data"), list[EpisodeInfo](), dict[Key, str]()
    texts = {name: task_text(task) for name, task in tasks.items()}

    def copy(opened: h5py.File, group: str, info: EpisodeInfo, where: str) -> None:
        checking.check_new(info, where, seen)
        h5o.copy(opened.id, group.encode(), data, f"demo_{len(infos)}".encode())
        infos.append(info)

    for path, items in itertools.groupby(sources, lambda source: source.path):
        listed = list(items)
        receipt = listed[0].receipt
        if receipt is not None:
            with hdf5.reading(path):
                image = receipt.checked(path, texts[receipt.info.task])
            with hdf5.opened_image(image, path) as opened:
                found[receipt.info.task].join(receipt.summary)
                copy(opened, PART, receipt.info, str(path))
            continue
        with hdf5.opened(path) as opened:
            descriptor = hdf5.descriptor(opened)
            for item in listed:
                where = f"{path}: {item.group.rpartition('/')[2]}"
                info = checking.check_demo(
                    h5py.Group(hdf5.own_group(opened.id, item.group)),
                    tasks,
                    where,
                    visit=lambda info, arrays: found[info.task].add(arrays),
                    descriptor=descriptor,
                )
                copy(opened, item.group, info, where)
    return infos


def _put_masks(file: h5py.File, masks: Mapping[str, Sequence[int]]) -> None:
    group = hdf5.put_group(file.id, "mask")
    for name, demos in masks.items():
        hdf5.put_array(group, name, np.array([f"demo_{i}".encode() for i in demos], dtype=np.bytes_))


def _put_statistics(file: h5py.File, found: Mapping[str, Statistics]) -> None:
    group = hdf5.put_group(file.id, "stats")
    for task, statistics in found.items():
        if not statistics.count:
            continue
        inside = hdf5.put_group(group, schema.plain(task))
        hdf5.put_attributes(inside, {"count": statistics.count})
        groups = {"": inside}
        for path, values in statistics.result().items():
            for kind, array in values.items():
                hdf5.put_array(_folder(groups, path), kind, array)
