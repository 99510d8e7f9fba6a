"""Checks a file against the schema: every group, shape, type, label and digest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5o  # pyright: ignore[reportAttributeAccessIssue]

from metasim.core.errors import DatasetError
from metasim.datasets import hdf5
from metasim.datasets.digest import digest
from metasim.datasets.episode import EpisodeInfo, Key, TaskInfo
from metasim.datasets.schema import CHANGED, NO_ENGINE, Header, demo_names, is_sealed, plain, read_header, read_info
from metasim.datasets.states import FIRST, MOVING, STATES, problem
from metasim.datasets.statistics import Statistics

Array = Any
Visit = Callable[[EpisodeInfo, Mapping[str, Array]], None]
"""Is given a demo's attributes and its arrays by their paths."""
Found = tuple[h5py.h5d.DatasetID, Any, Any]
"""A dataset, and its type and shape where the schema says which."""
_ROWS: Mapping[str, type] = {
    "actions": np.float32,
    "rewards": np.float64,
    "dones": np.uint8,
    "terminated": np.bool_,
    "truncated": np.bool_,
    "success": np.bool_,
}
_GROUPS = ("obs", "final_obs", "initial", "initial/sample")


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
    with hdf5.reading(path):
        header = read_header(file, path)
        names = [f"{path}: {name}" for name in demo_names(file, path)]
    found = {name: Statistics(task) for name, task in header.tasks.items()}

    def visit(info: EpisodeInfo, arrays: Mapping[str, Array]) -> None:
        found[info.task].add(arrays)

    infos = check_demos(file, path, header.tasks, names, values=values, problems=problems, visit=visit)
    with hdf5.reading(path):
        masks = _check_masks(file, path, len(names))
    if not problems:
        _check_total(path, header, sum(info.num_samples for info in infos))
        _check_task_masks(path, masks, infos)
    wrong = [] if is_sealed(file) else [CHANGED]
    if values and not problems:
        wrong += _wrong_statistics(file, found)
    if wrong and faults is None:
        raise DatasetError(f"{path}: {wrong[0]}")
    (faults if faults is not None else []).extend(wrong)
    return header, infos


def check_outline(file: h5py.File, path: Path) -> tuple[Header, int, dict[str, list[int]]]:
    """Check header, names, number of steps and masks, and return header, number of demos, and masks as numbers.

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
    if not is_sealed(file):
        raise DatasetError(f"{path}: {CHANGED}")
    return header, len(names), _check_masks(file, path, len(names))


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
        stored = _stored_statistics(file, plain(task))
        expected = {f"{name}/{kind}": a for name, kinds in statistics.result().items() for kind, a in kinds.items()}
        right = {"count": str(statistics.count).encode(), **{name: a.tobytes() for name, a in expected.items()}}
        if not all(stored.get(name) == data for name, data in right.items()):
            wrong.append(f"the statistics of {task} (/stats) are not those of its episodes")
    return wrong


def _stored_statistics(file: h5py.File, task: str) -> dict[str, bytes]:
    """Return the bytes of a task's statistics by their paths; nothing where they are damaged or missing."""
    try:
        with hdf5.reading(file.filename):
            group = hdf5.own_group(file.id, f"stats/{task}")
            opened = {path: hdf5.open_array(group, path) for path, own in hdf5.tree(group).items() if own}
            found = {path: hdf5.read(dataset).tobytes() for path, dataset in opened.items() if dataset is not None}
            return {**found, "count": str(hdf5.attribute(group, "count", int)).encode()}
    except hdf5.PassingError:
        raise
    except DatasetError:
        return {}


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
    data, descriptor = _group(file.id, "data", str(path)), hdf5.descriptor(file)
    for i, where in enumerate(names):
        try:
            with hdf5.reading(path):
                demo = h5py.Group(_group(data, f"demo_{i}", where))
                info = check_demo(demo, tasks, where, values=values, visit=visit, descriptor=descriptor)
            check_new(info, where, seen)
        except DatasetError as error:
            if problems is None:
                raise
            problems[i] = error
            continue
        infos.append(info)
    return infos


def check_new(info: EpisodeInfo, where: str, seen: dict[Key, str]) -> None:
    """Refuse an episode that is one of those seen, with DatasetError, and else count it among them."""
    if info.key in seen:
        raise DatasetError(f"{where} is the same episode as {seen[info.key]}: {info.key}; leave one out")
    seen[info.key] = where


def check_demo(
    group: h5py.Group,
    tasks: Mapping[str, TaskInfo],
    where: str,
    *,
    values: bool = True,
    visit: Visit | None = None,
    descriptor: int | None = None,
) -> EpisodeInfo:
    """Check one demo and return its attributes.

    Args:
        group: The demo.
        tasks: What the episodes of each task share.
        where: What messages call it.
        values: As for :func:`check`.
        visit: Called with its attributes and arrays, which may be read-only; needs ``values``.
        descriptor: See :func:`metasim.datasets.hdf5.descriptor`.

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
        loaded = {name: hdf5.read(dataset, kind, shape, descriptor) for name, (dataset, kind, shape) in arrays.items()}
        check_values(info, loaded, where)
        if digest(info, loaded) != info.sha256:
            raise TamperedEpisode(f"{where}: its content is not what its digest (attribute sha256) was made of")
        if visit is not None:
            visit(info, loaded)
    return info


def _arrays(demo: h5py.h5g.GroupID, info: EpisodeInfo, task: TaskInfo, where: str) -> dict[str, Found]:
    """Return every array of a demo by its path, with types and shapes checked."""
    stored = hdf5.tree(demo)
    elsewhere = [path for path, own in stored.items() if not own]
    if elsewhere:
        raise DatasetError(f"{where}: {elsewhere[0]!r} is a link elsewhere; a demo must hold its own data")
    missing = [group for group in _GROUPS if group not in stored]
    if missing:
        raise DatasetError(f"{where}: no group {missing[0]!r}; it has {sorted(stored)}")
    arrays, left = dict[str, Found](), set(stored)
    listed = _dataset(demo, MOVING, stored, where).shape or ()
    for path, (dtype, shape) in _expected(info, task, listed[0] if len(listed) == 1 else 0).items():
        found = _dataset(demo, path, stored, where)
        if not hdf5.is_of(found, dtype) or found.shape != shape:
            raise DatasetError(
                f"{where}: {path!r} must be {shape} {np.dtype(dtype)}, it is {found.shape} {found.dtype}"
            )
        arrays[path] = found, dtype, shape
        left.discard(path)
    for path in stored:
        folder = path.startswith("source/") and _is_folder(demo, path)
        if path.startswith(("initial/sample/", "source/")) and not folder:
            arrays[path] = _dataset(demo, path, stored, where), None, None
        if folder or path in arrays:
            left.discard(path)
    if "source" in stored and info.backend != NO_ENGINE:
        raise DatasetError(f"{where}: only an imported episode (backend {NO_ENGINE!r}) has a group source")
    stray = sorted(left - {*_GROUPS, "source"})
    if stray:
        raise DatasetError(f"{where} holds {stray}, which the schema does not know")
    return arrays


def _expected(info: EpisodeInfo, task: TaskInfo, moving: int) -> dict[str, tuple[Any, tuple[int, ...]]]:
    """Return type and shape of each array that the schema says a demo has, by its path.

    So many columns of its states are ``moving``.
    """
    steps, state = info.num_samples, task.state_size.get(info.backend, -1)
    found: dict[str, tuple[Any, tuple[int, ...]]] = {name: (dtype, (steps,)) for name, dtype in _ROWS.items()}
    found["actions"] = np.float32, (steps, task.action_size)
    found |= {MOVING: (np.int32, (moving,)), FIRST: (np.float64, (state,)), STATES: (np.float64, (steps + 1, moving))}
    numbers = {name: (np.float64, (size,)) for name, size in task.observation}
    layout = {**numbers, **{name: (kind, shape) for name, shape, kind in task.pictures}}
    for folder, rows in (("obs", steps), ("final_obs", 1)):
        found |= {f"{folder}/{name}": (dtype, (rows, *shape)) for name, (dtype, shape) in layout.items()}
    return found


def _is_folder(demo: h5py.h5g.GroupID, path: str) -> bool:
    return isinstance(h5o.open(demo, path.encode()), h5py.h5g.GroupID)


def _group(parent: h5py.h5g.GroupID, name: str, where: str) -> h5py.h5g.GroupID:
    found = hdf5.member(parent, name)
    if not isinstance(found, h5py.h5g.GroupID):
        raise DatasetError(f"{where}: no group {name!r} of its own; it has {_names(parent)}")
    return found


def _dataset(demo: h5py.h5g.GroupID, path: str, stored: Collection[str], where: str) -> h5py.h5d.DatasetID:
    found = hdf5.open_array(demo, path) if path in stored else None
    if found is None:
        folder = path.rpartition("/")[0]
        has = sorted(other for other in stored if other.rpartition("/")[0] == folder)
        raise DatasetError(f"{where}: no dataset {path!r} of its own; it has {has}")
    return found


def _names(parent: h5py.h5g.GroupID) -> list[str]:
    return [name.decode() for name in parent]


def check_values(info: EpisodeInfo, arrays: Mapping[str, Any], where: str) -> None:
    """Raise DatasetError if arrays by their paths in a demo hold what none may, or contradict its labels."""
    for name, array in arrays.items():
        if name.startswith(("initial/sample/", "source/")):
            continue
        if info.failure and name == STATES:
            array = array[:-1]
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            row = int(np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))[0])
            raise DatasetError(f"{where}: {name!r} has NaN or infinity in row {row}")
    wrong = problem(arrays)
    if wrong:
        raise DatasetError(f"{where}: {wrong}")
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


def _check_masks(file: h5py.File, path: Path, demos: int) -> dict[str, list[int]]:
    """Return each mask as numbers of demos, checked."""
    found = dict[str, list[int]]()
    if "mask" not in file:
        return found
    numbers = {f"demo_{i}".encode(): i for i in range(demos)}
    masks = _group(file.id, "mask", str(path))
    for name in _names(masks):
        where = f"{path}: mask {name!r}"
        mask: Any = hdf5.member(masks, name)
        if not isinstance(mask, h5py.h5d.DatasetID):
            raise DatasetError(f"{where} is no dataset of its own")
        listed = hdf5.read(mask).tolist() if mask.dtype.kind == "S" and len(mask.shape) == 1 else [mask.dtype]
        stray = sorted(str(item) for item in set(listed) - set(numbers))[:3]
        if stray:
            raise DatasetError(f"{where} must list names of demos as bytes, it has {stray}")
        if len(set(listed)) < len(listed):
            raise DatasetError(f"{where} lists a demo twice")
        found[name] = [numbers[item] for item in listed]
    return found


def _check_task_masks(path: Path, masks: Mapping[str, list[int]], infos: Sequence[EpisodeInfo]) -> None:
    """Check that each task has a mask of its demos."""
    wanted = dict[str, list[int]]()
    for i, info in enumerate(infos):
        wanted.setdefault(plain(info.task), []).append(i)
    for name, demos in wanted.items():
        if masks.get(name) != demos:
            raise DatasetError(f"{path}: mask {name!r} must list the demos of its task")
