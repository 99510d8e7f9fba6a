"""Checks a file against the schema: every group, shape, type, label and digest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from metasim.core.errors import DatasetError
from metasim.datasets import hdf5
from metasim.datasets.digest import digest
from metasim.datasets.episode import EpisodeInfo, Key, TaskInfo
from metasim.datasets.schema import NO_ENGINE, Header, demo_names, header_digest, read_header, read_info
from metasim.datasets.statistics import Statistics

Array = Any
Visit = Callable[[EpisodeInfo, Mapping[str, Array]], None]
"""Is given a demo's attributes and its arrays by their paths."""
Found = tuple[h5py.h5d.DatasetID, Any]
"""A dataset, and its type where the schema says which."""
_ROWS: Mapping[str, tuple[type, int]] = {  # dtype, rows more than T
    "actions": (np.float32, 0),
    "rewards": (np.float64, 0),
    "dones": (np.uint8, 0),
    "terminated": (np.bool_, 0),
    "truncated": (np.bool_, 0),
    "success": (np.bool_, 0),
    "states": (np.float64, 1),
}
_GROUPS = ("obs", "final_obs", "initial")


_CHANGED = "the attributes of /data were changed since the file was written (its digest does not fit)"


class TamperedEpisode(DatasetError):
    """An episode whose arrays or attributes are not those that its digest was made of."""


def check(
    file: h5py.File,
    path: Path,
    *,
    values: bool = True,
    problems: dict[int, DatasetError] | None = None,
    faults: list[str] | None = None,
) -> tuple[Header, list[EpisodeInfo]]:
    """Check a whole file against the schema and return its header and the attributes of its demos.

    Args:
        file: The open file.
        path: Its path, for messages.
        values: Also read every array, for values that are not finite, contradict the labels, or are not those that
            the digest was made of.
        problems: Filled with what is wrong with single demos, by number, which then is not raised; what is returned
            are the others.
        faults: Filled with what is wrong with header and statistics, which then is not raised.

    Raises:
        DatasetError: For the first thing that is wrong, with file, demo and reason.
    """
    header = read_header(file, path)
    names = [f"{path}: {name}" for name in demo_names(file, path)]
    found = {name: Statistics(task) for name, task in header.tasks.items()}

    def visit(info: EpisodeInfo, arrays: Mapping[str, Array]) -> None:
        found[info.task].add(arrays)

    infos = check_demos(file, path, header.tasks, names, values=values, problems=problems, visit=visit)
    wrong = [] if header_digest(dict(file["data"].attrs)) == file["data"].attrs.get("sha256") else [_CHANGED]
    if values and not problems:
        wrong += _wrong_statistics(file, found)
    if wrong and faults is None:
        raise DatasetError(f"{path}: {wrong[0]}")
    (faults if faults is not None else []).extend(wrong)
    if not problems:
        _check_total(path, header, sum(info.num_samples for info in infos))
    _check_masks(file, path, len(names))
    return header, infos


def check_outline(file: h5py.File, path: Path) -> tuple[Header, int]:
    """Check header, names, number of steps and masks, and return the header and the number of demos.

    Raises:
        DatasetError: For the first thing that is wrong.
    """
    header, names = read_header(file, path), demo_names(file, path)
    data = _group(file.id, "data", str(path))
    steps = 0
    for name in names:
        count = hdf5.attribute(_group(data, name, str(path)), "num_samples", int)
        steps += _counted(count, f"{path}: {name}")
    _check_total(path, header, steps)
    _check_masks(file, path, len(names))
    return header, len(names)


def _counted(steps: object, where: str) -> int:
    if type(steps) is not int or steps < 1:
        raise DatasetError(f"{where}: num_samples must be at least 1, it is {steps!r}")
    return steps


def _wrong_statistics(file: h5py.File, found: Mapping[str, Statistics]) -> list[str]:
    """Return a sentence for every task whose statistics in the file are not those of its arrays, to the bit."""
    wrong = []
    for task, statistics in found.items():
        if not statistics.count:
            continue
        stored: Any = file.get(f"stats/{task.replace('/', '.')}")
        expected = {f"{name}/{kind}": a for name, kinds in statistics.result().items() for kind, a in kinds.items()}
        present = dict[str, Array]()
        if isinstance(stored, h5py.Group):

            def note(name: str, item: Any, into: dict[str, Array] = present) -> None:
                if isinstance(item, h5py.Dataset):
                    into[name] = item[()]

            stored.visititems(note)
        if {k: v.tobytes() for k, v in present.items()} != {k: v.tobytes() for k, v in expected.items()}:
            wrong.append(f"the statistics of {task} (/stats) are not those of its episodes")
    return wrong


def _check_total(path: Path, header: Header, steps: int) -> None:
    if steps != header.total:
        raise DatasetError(f"{path}: attribute total is {header.total}, the demos have {steps} steps")


def check_demos(
    file: h5py.File,
    path: Path,
    tasks: Mapping[str, TaskInfo],
    names: Sequence[str],
    *,
    values: bool = True,
    problems: dict[int, DatasetError] | None = None,
    visit: Visit | None = None,
) -> list[EpisodeInfo]:
    """Check demos 0 to n - 1, and that no two are the same episode, and return their attributes.

    Args:
        file: The open file.
        path: Its path, for messages.
        tasks: What the episodes of each task share.
        names: What messages call each of the n demos.
        values: As for :func:`check`.
        problems: As for :func:`check`.
        visit: Called with each demo's attributes and arrays; needs ``values``.

    Raises:
        DatasetError: For the first thing that is wrong, with the demo's name and the reason.
    """
    infos, seen = list[EpisodeInfo](), dict[Key, str]()
    data = _group(file.id, "data", str(path))
    for i, where in enumerate(names):
        try:
            with hdf5.reading(path):
                demo = h5py.Group(_group(data, f"demo_{i}", where))
                info = check_demo(demo, tasks, where, values=values, visit=visit)
            if info.key in seen:
                raise DatasetError(f"{where} is the same episode as {seen[info.key]}: {info.key}; leave one out")
        except DatasetError as error:
            if problems is None:
                raise
            problems[i] = error
            continue
        seen[info.key] = where
        infos.append(info)
    return infos


def check_demo(
    group: h5py.Group,
    tasks: Mapping[str, TaskInfo],
    where: str,
    *,
    values: bool = True,
    visit: Visit | None = None,
) -> EpisodeInfo:
    """Check one demo and return its attributes.

    Raises:
        TamperedEpisode: If only the digest does not fit.
        DatasetError: For the first thing that is wrong.
    """
    info = read_info(group, where)
    task = tasks.get(info.task)
    if task is None:
        raise DatasetError(f"{where}: task {info.task!r} is not in the attribute tasks of /data: {list(tasks)}")
    if info.model_digest != task.model_digest:
        raise DatasetError(f"{where}: model digest {info.model_digest!r} differs from the task's {task.model_digest!r}")
    _counted(info.num_samples, where)
    arrays = _arrays(group.id, info, task, where)
    if values:
        loaded = {name: hdf5.read(dataset, kind) for name, (dataset, kind) in arrays.items()}
        _check_values(info, loaded, where)
        if digest(info, loaded) != info.sha256:
            raise TamperedEpisode(f"{where}: its content is not what its digest (attribute sha256) was made of")
        if visit is not None:
            visit(info, loaded)
    return info


def _arrays(demo: h5py.h5g.GroupID, info: EpisodeInfo, task: TaskInfo, where: str) -> dict[str, Found]:
    """Return every array of a demo by its path, with types and shapes checked."""
    steps, arrays = info.num_samples, dict[str, Found]()
    columns = {"actions": task.action_size, "states": task.state_size.get(info.backend, -1)}
    for name, (dtype, extra) in _ROWS.items():
        shape = (steps + extra, columns[name]) if name in columns else (steps + extra,)
        arrays[name] = _array(demo, name, dtype, shape, where)
    layout = _layout(task)
    for folder, rows in (("obs", steps), ("final_obs", 1)):
        named, inside = _group(demo, folder, where), f"{where}: {folder}"
        if len(named) != len(layout):
            raise DatasetError(f"{inside} holds {sorted(_names(named))}, expected {list(layout)}")
        for name, (dtype, shape) in layout.items():
            arrays[f"{folder}/{name}"] = _array(named, name, dtype, (rows, *shape), inside)
    sample = _group(_group(demo, "initial", where), "sample", f"{where}: initial")
    for name in _names(sample):
        arrays[f"initial/sample/{name}"] = _dataset(sample, name, f"{where}: initial/sample"), None
    known = len(_ROWS) + len(_GROUPS)
    if len(demo) > known and b"source" in demo:
        if info.backend != NO_ENGINE:
            raise DatasetError(f"{where}: only an imported episode (backend {NO_ENGINE!r}) has a group source")
        arrays |= _tree(_group(demo, "source", where), "source", where)
        known += 1
    if len(demo) > known:
        stray = sorted({*_names(demo)} - {*_ROWS, *_GROUPS, "source"})
        raise DatasetError(f"{where} holds {stray}, which the schema does not know")
    return arrays


def _layout(task: TaskInfo) -> dict[str, tuple[Any, tuple[int, ...]]]:
    numbers = {name: (np.float64, (size,)) for name, size in task.observation}
    return {**numbers, **{name: (kind, shape) for name, shape, kind in task.pictures}}


def _tree(group: h5py.h5g.GroupID, prefix: str, where: str) -> dict[str, Found]:
    found = dict[str, Found]()
    for name in _names(group):
        member = hdf5.member(group, name)
        if isinstance(member, h5py.h5g.GroupID):
            found |= _tree(member, f"{prefix}/{name}", where)
        else:
            found[f"{prefix}/{name}"] = _dataset(group, name, f"{where}: {prefix}"), None
    return found


def _group(parent: h5py.h5g.GroupID, name: str, where: str) -> h5py.h5g.GroupID:
    found = hdf5.member(parent, name)
    if not isinstance(found, h5py.h5g.GroupID):
        raise DatasetError(f"{where}: no group {name!r} of its own; it has {_names(parent)}")
    return found


def _dataset(parent: h5py.h5g.GroupID, name: str, where: str) -> h5py.h5d.DatasetID:
    found = hdf5.member(parent, name)
    if not isinstance(found, h5py.h5d.DatasetID):
        raise DatasetError(f"{where}: no dataset {name!r} of its own; it has {_names(parent)}")
    return found


def _names(parent: h5py.h5g.GroupID) -> list[str]:
    return [name.decode() for name in parent]


def _array(parent: h5py.h5g.GroupID, name: str, dtype: Any, shape: tuple[int, ...], where: str) -> Found:
    found = _dataset(parent, name, where)
    if not hdf5.is_of(found, dtype) or found.shape != shape:
        raise DatasetError(f"{where}: {name!r} must be {shape} {np.dtype(dtype)}, it is {found.shape} {found.dtype}")
    return found, dtype


def _check_values(info: EpisodeInfo, arrays: Mapping[str, Any], where: str) -> None:
    for name, array in arrays.items():
        if name.startswith(("initial/", "source/")):
            continue
        if info.failure and name == "states":
            array = array[:-1]
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            row = int(np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))[0])
            raise DatasetError(f"{where}: {name!r} has NaN or infinity in row {row}")
    actions = arrays["actions"]
    if actions.size and (actions.max() > 1.0 or actions.min() < -1.0):
        raise DatasetError(f"{where}: actions must lie in [-1, 1]")
    success, dones = arrays["success"], arrays["dones"]
    first = int(success.argmax()) + 1 if success.any() else -1
    labels = (first > 0, bool(success[-1]), first)
    if labels != (info.success, info.success_last, info.first_success_step):
        raise DatasetError(f"{where}: the labels of success contradict the array; it says {labels}")
    ended = arrays["terminated"] | arrays["truncated"]
    if dones[:-1].any() or dones[-1] != 1 or ended[:-1].any() or not ended[-1]:
        raise DatasetError(
            f"{where}: dones must be 1 in the last row only, where the episode was terminated or truncated"
        )


def _check_masks(file: h5py.File, path: Path, demos: int) -> None:
    if "mask" not in file:
        return
    valid = {f"demo_{i}".encode() for i in range(demos)}
    masks = _group(file.id, "mask", str(path))
    for name in _names(masks):
        mask = _dataset(masks, name, f"{path}: mask")
        listed = mask.dtype.kind == "S" and len(mask.shape) == 1
        stray = set(hdf5.read(mask).tolist()) - valid if listed else {mask.dtype}
        if stray:
            given = sorted(map(str, stray))[:3]
            raise DatasetError(f"{path}: mask {name!r} must list names of demos as bytes, it has {given}")
