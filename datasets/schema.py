"""The format ``metasim.dataset/2``: robomimic's HDF5 layout, with everything that a replay needs.

::

    /data                    attrs: schema, total (steps), env_args (JSON: env_name, type = 2, env_kwargs),
                             quaternion_order ("wxyz"), tasks (JSON: task -> what its episodes share),
                             versions (JSON: package -> version), collections (JSON: what was collected),
                             sha256 (of these attributes)
      /demo_<i>              attrs: num_samples (T), episode (JSON: the fields of EpisodeInfo); i from 0: tasks in
                             order, then episode index
        /obs/<name>          (T, D) float64, before each action; in the order of the flat observation
        /final_obs/<name>    (1, D) float64, after the last action
        /obs, /final_obs     also pictures, (T, H, W, ...) and (1, H, W, ...), compressed, a chunk for each picture
        actions              (T, A) float32 in [-1, 1]
        rewards              (T,) float64          dones      (T,) uint8, 1 in the last row only
        terminated           (T,) bool             truncated  (T,) bool: horizon, or end of the recording
        success              (T,) bool, after each action
        states               (T + 1, k) float64, the engine's own state before each action, and the final one (NaN if
                             the engine gave the world up: failure says why); the columns that move in this episode
        /initial/state       (K,) float64, the whole first state; columns that do not move have these values in all
        /initial/moving      (k,) int32, which columns move, in ascending order
        /initial/sample/<factor>  the value that this episode had
        /source/...          only in imported episodes: what the foreign file had besides
    /stats/<task>/<array>/{mean, std, min, max}  (D,) float64 over all rows of the task (std: of the population);
                             task with "." for "/", array is obs/<name>, actions or rewards; attribute count: rows
    /mask/<name>             (n,) bytes: names of demos; one for each task (with "." for "/"), and others

Pictures apart, arrays are contiguous and not compressed. A demo's sha256 is the digest of its arrays and of the other
fields (``digest.py``). Imported episodes, which no engine here can repeat, have backend "none" and states
of no columns. In a file of several tasks, engines or splits, ``env_name`` and the
values of ``env_kwargs`` list them with commas; each demo's attributes name its own. Nothing in a file depends
on clock, host, path, or the number of workers or worlds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from metasim.core.errors import DatasetError
from metasim.datasets import hdf5
from metasim.datasets.episode import EpisodeInfo, TaskInfo

SCHEMA = "metasim.dataset/2"
QUATERNIONS = "wxyz"
EPISODE = "episode"
"""The attribute of a demo that has the fields of :class:`.EpisodeInfo`."""
GYM_TYPE = 2  # robomimic's number for a gym environment

_FAMILY = "metasim.dataset/"
CHANGED = "the attributes of /data were changed since the file was written (its digest does not fit)"
NO_ENGINE = "none"
"""Backend of an imported episode."""
_FIELDS = {field.name: {"str": str, "int": int, "bool": bool}[str(field.type)] for field in fields(EpisodeInfo)}


_KINDS = {str: "str", int: "int of 64 bits", bool: "bool"}


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
    header: dict[str, str | int] = {
        "schema": SCHEMA,
        "total": sum(info.num_samples for info in infos),
        "env_args": json.dumps(env_args, sort_keys=True),
        "quaternion_order": QUATERNIONS,
        "tasks": json.dumps({name: asdict(task) for name, task in tasks.items()}),
        "versions": json.dumps(dict(versions), sort_keys=True),
        "collections": json.dumps(collections, sort_keys=True),
    }
    return {**header, "sha256": header_digest(header)}


def header_digest(attributes: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the attributes of ``/data`` in hexadecimal; ``sha256`` itself does not count."""
    said = {name: int(v) if isinstance(v, np.integer) else v for name, v in attributes.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=repr).encode()).hexdigest()


def is_sealed(file: h5py.File) -> bool:
    """Tell whether the attributes of ``/data`` are those that their digest was made of."""
    attributes: Any = dict(file["data"].attrs)
    return header_digest(attributes) == attributes.get("sha256")


def read_header(file: h5py.File, path: Path) -> Header:
    """Return the parsed attributes of ``/data``.

    Raises:
        DatasetError: If this is no dataset of ours, or one of a newer version.
    """
    data = hdf5.member(file.id, "data")
    if not isinstance(data, h5py.h5g.GroupID):
        raise DatasetError(f"{path} has no group /data of its own; it is not a dataset in robomimic's layout")
    attributes: Any = dict(h5py.Group(data).attrs)
    check_schema(attributes.get("schema"), path)
    try:
        env_args = json.loads(attributes["env_args"])
        known = {"env_name", "type", "env_kwargs"} <= set(env_args)
        header = Header(
            total=int(attributes["total"]),
            env_args=env_args,
            tasks={name: parse_task(row) for name, row in json.loads(attributes["tasks"]).items()},
            versions=_mapping(json.loads(attributes["versions"]), str),
            collections=tuple(_mapping(row, object) for row in json.loads(attributes["collections"])),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
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
    pictures = tuple((str(name), tuple(map(int, shape)), str(kind)) for name, shape, kind in row["pictures"])
    sizes, assets, period = (
        _mapping(row["state_size"], int),
        _mapping(row["assets"], str),
        float(row["control_period_s"]),
    )
    if not 0 <= period < float("inf") or int(row["action_size"]) < 0:
        raise ValueError(f"control_period_s {period} and action_size {row['action_size']} make no sense")
    checked = {"observation": layout, "pictures": pictures, "state_size": sizes, "assets": assets}
    return TaskInfo(**{**row, **checked})


def _mapping(value: Any, kind: type) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(item, kind) for item in value.values()):
        raise TypeError(f"expected names with {kind.__name__} values, got {value!r:.80}")
    return value


def plain(task: str) -> str:
    """Return a task id as the name of one group or mask."""
    return task.replace("/", ".")


def read_info(group: h5py.Group, where: str) -> EpisodeInfo:
    """Return what the attributes of a demo say.

    Raises:
        DatasetError: If something is missing or has the wrong type.
    """
    text, steps = hdf5.text(group.id, EPISODE), hdf5.attribute(group.id, "num_samples", int)
    try:
        values = json.loads(text or "")
    except ValueError as error:
        found = "missing" if text is None else f"{text:.80}"
        raise DatasetError(f"{where}: attribute {EPISODE!r} must be JSON, it is {found}") from error
    if not isinstance(values, dict) or values.keys() != _FIELDS.keys():
        odd = sorted(values.keys() ^ _FIELDS.keys()) if isinstance(values, dict) else [f"{values!r:.80}"]
        raise DatasetError(f"{where}: attribute {EPISODE!r} must have the fields of an episode; missing or odd: {odd}")
    for name, kind in _FIELDS.items():
        if type(values[name]) is not kind or not _storable(values[name]):
            raise DatasetError(f"{where}: {name!r} must be {_KINDS[kind]}, it is {ascii(values[name]):.80}")
    info = EpisodeInfo(**values)
    if steps != info.num_samples:
        raise DatasetError(f"{where}: attribute 'num_samples' is {steps!r}, the episode has {info.num_samples} steps")
    try:
        _ = info.varied
    except ValueError as error:
        raise DatasetError(f"{where}: 'variation' is no JSON: {info.variation:.80}") from error
    return info


def _storable(value: str | int | bool) -> bool:
    """Tell whether a value fits 64 bits, or is text that has bytes: JSON knows others."""
    if isinstance(value, str):
        return not any("\ud800" <= letter <= "\udfff" for letter in value)
    return -(2**63) <= value < 2**63


def put_info(group: h5py.h5g.GroupID, info: EpisodeInfo) -> None:
    """Write the attributes of a demo.

    Raises:
        DatasetError: If one is nothing that can be read again.
    """
    for name, value in vars(info).items():
        if not _storable(value):
            raise DatasetError(f"{name!r} of an episode must be {_KINDS[type(value)]}, got {ascii(value):.80}")
    hdf5.put_attributes(group, {"num_samples": info.num_samples})
    hdf5.put_text(group, EPISODE, json.dumps(vars(info)))


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
