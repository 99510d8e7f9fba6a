"""The format ``metasim.dataset/1``: robomimic's HDF5 layout, with everything that a replay needs.

::

    /data                    attrs: schema, total (steps), env_args (JSON: env_name, type = 2, env_kwargs),
                             quaternion_order ("wxyz"), tasks (JSON: task -> what its episodes share),
                             versions (JSON: package -> version), collections (JSON: what was collected)
      /demo_<i>              attrs: the fields of EpisodeInfo; i from 0: tasks in order, then episode index
        /obs/<name>          (T, D) float64, before each action; in the order of the flat observation
        /final_obs/<name>    (1, D) float64, after the last action
        actions              (T, A) float32 in [-1, 1]
        rewards              (T,) float64          dones      (T,) uint8, 1 in the last row only
        terminated           (T,) bool             truncated  (T,) bool: horizon, or end of the recording
        success              (T,) bool, after each action
        states               (T + 1, K) float64, the engine's own state before each action, and the final one
                             (NaN if the engine gave the world up: attribute failure says why)
        /initial/sample/<factor>  the value drawn for this episode
    /mask/<name>             (n,) bytes: names of demos; one for each task (with "." for "/"), and others

Arrays are contiguous and not compressed. In a file of several tasks, engines or splits, ``env_name`` and the
values of ``env_kwargs`` list them with commas; each demo's attributes name its own. Nothing in a file depends
on clock, host, path, or the number of workers or worlds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from metasim.core.errors import DatasetError
from metasim.datasets import hdf5
from metasim.datasets.episode import EpisodeInfo, Key, TaskInfo

SCHEMA = "metasim.dataset/1"
QUATERNIONS = "wxyz"
GYM_TYPE = 2  # robomimic's number for a gym environment

_FAMILY = "metasim.dataset/"
_KINDS = {"str": str, "int": (int, np.integer), "bool": (bool, np.bool_)}
_ROWS: Mapping[str, tuple[type, int]] = {  # dtype, rows more than T
    "actions": (np.float32, 0),
    "rewards": (np.float64, 0),
    "dones": (np.uint8, 0),
    "terminated": (np.bool_, 0),
    "truncated": (np.bool_, 0),
    "success": (np.bool_, 0),
    "states": (np.float64, 1),
}


@dataclass(frozen=True, kw_only=True)
class Header:
    """What stands in the attributes of ``/data``, parsed.

    Attributes:
        total: Steps of all episodes.
        env_args: robomimic's description of the environment.
        tasks: Task to what its episodes share.
        versions: Package to version.
        collections: Arguments of each collection that is in the file.
    """

    total: int
    env_args: Mapping[str, Any]
    tasks: Mapping[str, TaskInfo]
    versions: Mapping[str, str]
    collections: tuple[Mapping[str, Any], ...]


def header_attributes(
    infos: list[EpisodeInfo],
    tasks: Mapping[str, TaskInfo],
    versions: Mapping[str, str],
    collections: list[Mapping[str, Any]],
) -> dict[str, str | int]:
    """Return the attributes of ``/data`` for episodes in file order."""

    def joined(name: str) -> str:
        return ",".join(dict.fromkeys(str(getattr(info, name)) for info in infos))

    horizons = sorted({info.horizon for info in infos})
    env_args = {
        "env_name": joined("task"),
        "type": GYM_TYPE,
        "env_kwargs": {
            "backend": joined("backend"),
            "horizon": horizons[0] if len(horizons) == 1 else None,
            "split": joined("split"),
        },
    }
    return {
        "schema": SCHEMA,
        "total": sum(info.num_samples for info in infos),
        "env_args": json.dumps(env_args, sort_keys=True),
        "quaternion_order": QUATERNIONS,
        "tasks": json.dumps({name: asdict(task) for name, task in tasks.items()}),
        "versions": json.dumps(dict(versions), sort_keys=True),
        "collections": json.dumps(collections, sort_keys=True),
    }


def read_header(file: h5py.File, path: Path) -> Header:
    """Return the parsed attributes of ``/data``.

    Raises:
        DatasetError: If this is no dataset of ours, or one of a newer version.
    """
    data = file.get("data")
    if not isinstance(data, h5py.Group):
        raise DatasetError(f"{path} has no group /data; it is not a dataset in robomimic's layout")
    attributes: Any = dict(data.attrs)
    check_schema(attributes.get("schema"), path)
    try:
        env_args = json.loads(attributes["env_args"])
        known = {"env_name", "type", "env_kwargs"} <= set(env_args)
        header = Header(
            total=int(attributes["total"]),
            env_args=env_args,
            tasks={name: parse_task(row) for name, row in json.loads(attributes["tasks"]).items()},
            versions=json.loads(attributes["versions"]),
            collections=tuple(json.loads(attributes["collections"])),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DatasetError(f"{path}: the attributes of /data are damaged or missing ({error})") from error
    if not known or attributes.get("quaternion_order") != QUATERNIONS:
        raise DatasetError(
            f"{path}: /data needs env_args with env_name, type and env_kwargs, and quaternion_order {QUATERNIONS!r}"
        )
    return header


def check_schema(schema: object, path: Path) -> None:
    """Raise DatasetError unless ``schema`` is ours."""
    if schema == SCHEMA:
        return
    if isinstance(schema, str) and schema.startswith(_FAMILY):
        raise DatasetError(
            f"{path} has schema {schema!r}, this metasim reads {SCHEMA!r}; "
            f"use the version that wrote it, or a newer one"
        )
    raise DatasetError(f"{path} has schema {schema!r}, expected {SCHEMA!r}; it was not written by metasim")


def parse_task(row: Mapping[str, Any]) -> TaskInfo:
    """Return a task's row of the header."""
    layout = tuple((str(name), int(size)) for name, size in row["observation"])
    return TaskInfo(**{**row, "observation": layout})


def read_info(group: h5py.Group, where: str) -> EpisodeInfo:
    """Return the attributes of a demo.

    Raises:
        DatasetError: If one is missing or has the wrong type.
    """
    attributes, values = dict(group.attrs), {}
    for field in fields(EpisodeInfo):
        value = attributes.get(field.name)
        kind = str(field.type)
        if not isinstance(value, _KINDS[kind]):
            found = "missing" if value is None else f"{type(value).__name__} {value!r}"
            raise DatasetError(f"{where}: attribute {field.name!r} must be {kind}, it is {found}")
        values[field.name] = value.item() if isinstance(value, np.generic) else value
    return EpisodeInfo(**values)


def demo_names(file: h5py.File, path: Path) -> list[str]:
    """Return the names of the demos in order, checked to be ``demo_0`` ... ``demo_<n - 1>``."""
    present = set(file["data"])  # type: ignore[arg-type]
    names = [f"demo_{i}" for i in range(len(present))]
    stray = sorted(present - set(names))
    if stray:
        raise DatasetError(
            f"{path}: /data holds {stray[:3]}; its {len(present)} demos must be named demo_0, demo_1, ..."
        )
    return names


def check(file: h5py.File, path: Path, *, values: bool = True) -> tuple[Header, list[EpisodeInfo]]:
    """Check a whole file against the schema and return its header and the attributes of its demos.

    Args:
        file: The open file.
        path: Its path, for messages.
        values: Also read every array, for values that are not finite or contradict the labels.

    Raises:
        DatasetError: For the first thing that is wrong, with file, demo and reason.
    """
    header = read_header(file, path)
    infos, seen, data = [], dict[Key, str](), _group(file.id, "data", str(path))
    for name in demo_names(file, path):
        where = f"{path}: {name}"
        demo = h5py.Group(_group(data, name, str(path)))
        info = check_demo(demo, header.tasks, where, values=values)
        if info.key in seen:
            raise DatasetError(f"{where} is the same episode as {seen[info.key]}: {info.key}")
        seen[info.key] = name
        infos.append(info)
    total = sum(info.num_samples for info in infos)
    if total != header.total:
        raise DatasetError(f"{path}: attribute total is {header.total}, the demos have {total} steps")
    _check_masks(file, path, len(infos))
    return header, infos


def check_demo(group: h5py.Group, tasks: Mapping[str, TaskInfo], where: str, *, values: bool = True) -> EpisodeInfo:
    """Check one demo and return its attributes.

    Raises:
        DatasetError: For the first thing that is wrong.
    """
    info = read_info(group, where)
    task = tasks.get(info.task)
    if task is None:
        raise DatasetError(f"{where}: task {info.task!r} is not in the attribute tasks of /data: {list(tasks)}")
    if info.model_digest != task.model_digest:
        raise DatasetError(f"{where}: model digest {info.model_digest!r} differs from the task's {task.model_digest!r}")
    steps, columns = (
        info.num_samples,
        {"actions": task.action_size, "states": task.state_size.get(info.backend, -1)},
    )
    if steps < 1:
        raise DatasetError(f"{where}: num_samples must be at least 1, it is {steps}")
    demo, arrays = group.id, dict[str, h5py.h5d.DatasetID]()
    for name, (dtype, extra) in _ROWS.items():
        shape = (steps + extra, columns[name]) if name in columns else (steps + extra,)
        arrays[name] = _array(demo, name, dtype, shape, where)
    for folder, rows in (("obs", steps), ("final_obs", 1)):
        named, inside = _group(demo, folder, where), f"{where}: {folder}"
        expected = [name for name, _ in task.observation]
        if {name.decode() for name in named} != set(expected):
            raise DatasetError(f"{inside} holds {sorted(map(bytes.decode, named))}, expected {expected}")
        for name, size in task.observation:
            arrays[f"{folder}/{name}"] = _array(named, name, np.float64, (rows, size), inside)
    _group(_group(demo, "initial", where), "sample", f"{where}: initial")
    if values:
        _check_values(info, {name: hdf5.read(dataset) for name, dataset in arrays.items()}, where)
    return info


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


def _array(parent: h5py.h5g.GroupID, name: str, dtype: type, shape: tuple[int, ...], where: str) -> h5py.h5d.DatasetID:
    found = _dataset(parent, name, where)
    if found.dtype != dtype or found.shape != shape:
        raise DatasetError(f"{where}: {name!r} must be {shape} {np.dtype(dtype)}, it is {found.shape} {found.dtype}")
    return found


def _check_values(info: EpisodeInfo, arrays: Mapping[str, Any], where: str) -> None:
    for name, array in arrays.items():
        if info.failure and name == "states":
            array = array[:-1]
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            row = int(np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))[0])
            raise DatasetError(f"{where}: {name!r} has NaN or infinity in row {row}")
    if np.abs(arrays["actions"]).max(initial=0.0) > 1.0:
        raise DatasetError(f"{where}: actions must lie in [-1, 1]")
    success, dones = arrays["success"], arrays["dones"]
    first = int(success.argmax()) + 1 if success.any() else -1
    labels = (bool(success.any()), bool(success[-1]), first)
    if labels != (info.success, info.success_last, info.first_success_step):
        raise DatasetError(f"{where}: the labels of success contradict the array; it says {labels}")
    if dones[:-1].any() or dones[-1] != 1 or not (arrays["terminated"] | arrays["truncated"])[-1]:
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
