"""Reads the files of robomimic and its relatives: ``/data/demo_<i>`` with actions, and whatever else they have."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from metasim.core.errors import DatasetError, MetasimError

Array = Any
_NAME = re.compile(r"demo_(\d+)")
_ROWS = ("rewards", "dones", "terminated", "truncated", "success")
_OBSERVED = ("obs", "next_obs")
ATTRIBUTES = "attributes"
_ELSEWHERE = {
    "observations": "D4RL's",
    "episode_0": "Minari's",
    "traj_0": "ManiSkill's",
}


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """A demo of a foreign file, in memory.

    Attributes:
        where: File and demo, for messages.
        actions: As in the file, ``(n, A)``.
        obs: Name to array; names of nested groups are joined by ".".
        next_obs: The same after each action; empty if the file has none.
        rows: Those of rewards, dones, terminated, truncated and success that are there, ``(n,)``.
        rest: All other arrays by path, and attributes as arrays under ``attributes/``.
        attributes: The demo's own attributes.
    """

    where: str
    actions: Array
    obs: Mapping[str, Array]
    next_obs: Mapping[str, Array]
    rows: Mapping[str, Array]
    rest: dict[str, Array] = field(default_factory=dict[str, Array])
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])


def demo_names(file: h5py.File, path: Path) -> dict[int, str]:
    """Return number to name of the demos, in the order of their numbers.

    Raises:
        DatasetError: If there are none, or one has another name.
    """
    data = file.get("data")
    if not isinstance(data, h5py.Group):
        whose = [name for key, name in _ELSEWHERE.items() if key in file]
        known = f"; it looks like {whose[0]}, which is not read" if whose else ""
        raise DatasetError(f"{path} has no group /data with demos: it holds {sorted(file)[:6]}{known}")
    found = dict[int, str]()
    for name in map(str, data):
        match = _NAME.fullmatch(name)
        if match is None or int(match[1]) in found:
            raise DatasetError(f"{path}: /data holds {name!r}; demos must be named demo_0, demo_1, ..., each once")
        found[int(match[1])] = name
    if not found:
        raise DatasetError(f"{path}: /data holds no demos")
    return dict(sorted(found.items()))


def masks(file: h5py.File, path: Path) -> dict[str, list[int]]:
    """Return name to numbers of demos of the filter keys.

    Raises:
        DatasetError: If one is no list of demos.
    """
    found = dict[str, list[int]]()
    with reading(str(path)):
        group: Any = file.get("mask", {})
        for name, mask in group.items():
            words = [m.decode() if isinstance(m, bytes) else str(m) for m in mask[()].ravel().tolist()]
            matches = [_NAME.fullmatch(word) for word in words]
            if None in matches:
                raise DatasetError(f"{path}: mask {name!r} must list names of demos, it has {words[:3]}")
            found[name] = [int(match[1]) for match in matches if match]
    return found


def plain_attributes(group: Any) -> dict[str, Any]:
    """Return attributes as JSON holds them, and gives them back: text that is JSON is left as text.

    Numbers that are none become text, ``"nan"`` or ``"inf"``; arrays of text become lists of it.
    """
    return {name: _plain(value) for name, value in group.attrs.items()}


def read_json(attributes: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return an attribute that is a JSON object; an empty one if it is not."""
    try:
        value = json.loads(attributes.get(name, ""))
    except (TypeError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def read(group: h5py.Group, where: str, leave_out: tuple[str, ...] = ()) -> Foreign:
    """Return a demo.

    Args:
        group: The demo.
        where: File and demo, for messages.
        leave_out: Observations, or paths of other arrays and groups, that are not taken.

    Raises:
        DatasetError: If it has no actions, rows are missing, or something cannot be stored.
    """
    with reading(where):
        arrays = dict[str, Array]()
        rest = dict[str, Array]()
        _walk(group, "", leave_out, arrays, rest, where)
        attributes = plain_attributes(group)
    if "actions" not in arrays:
        raise DatasetError(f"{where} has no actions; it holds {sorted(group)}")
    actions = arrays.pop("actions")
    steps = len(actions) if actions.ndim else 0
    if steps != attributes.get("num_samples", steps) or not steps:
        said = attributes.get("num_samples")
        raise DatasetError(f"{where}: attribute num_samples is {said}, actions have {steps} rows")
    rows = {name: arrays.pop(name) for name in _ROWS if name in arrays}
    for name, array in rows.items():
        if array.size != steps or array.dtype.kind not in "fiub":
            raise DatasetError(f"{where}: {name!r} must have a number for each of {steps} actions, it is {array.shape}")
    observed = {kind: dict[str, Array]() for kind in _OBSERVED}
    for path in [path for path in arrays if path.partition("/")[0] in _OBSERVED]:
        kind, _, name = path.partition("/")
        observed[kind][name.replace("/", ".")] = arrays.pop(path)
    return Foreign(
        where=where,
        actions=actions,
        **observed,
        rows={name: array.reshape(-1) for name, array in rows.items()},
        rest={**arrays, **rest},
        attributes=attributes,
    )


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turn what HDF5 says about a damaged demo into one sentence.

    Raises:
        DatasetError: In place of any OSError or HDF5 error.
    """
    try:
        yield
    except MetasimError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise DatasetError(f"{where} cannot be read: it is damaged ({error})") from error


def _walk(
    group: Any, prefix: str, leave_out: tuple[str, ...], arrays: dict[str, Array], rest: dict[str, Array], where: str
) -> None:
    """Read everything below a group into ``arrays``, and the attributes of all that into ``rest``."""
    _attributes(group, prefix, rest, where)
    for name in group:
        path = f"{prefix}{name}"
        if left_out(path, leave_out):
            continue
        item = group[name]
        if isinstance(item, h5py.Group):
            _walk(item, f"{path}/", leave_out, arrays, rest, where)
        elif isinstance(item, h5py.Dataset):
            arrays[path] = storable(item[()], f"{where}: {path!r}")
            _attributes(item, f"{path}/", rest, where)


def left_out(path: str, leave_out: tuple[str, ...]) -> bool:
    """Tell whether a path of a demo, or the observation that it is of, is named."""
    kind, _, name = path.partition("/")
    return path in leave_out or (kind in _OBSERVED and name.replace("/", ".") in leave_out)


def _attributes(item: Any, prefix: str, rest: dict[str, Array], where: str) -> None:
    for name, value in item.attrs.items():
        path = f"{ATTRIBUTES}/{prefix}{name.replace('/', '.')}"
        if path in rest or any(other.startswith(f"{path}/") or path.startswith(f"{other}/") for other in rest):
            raise DatasetError(f"{where}: attribute {name!r} has the name of something else there; rename it")
        rest[path] = storable(value, f"{where}: attribute {name!r}")


def storable(value: Any, what: str) -> Array:
    """Return numbers as they are, in this machine's byte order, and text as bytes.

    Raises:
        DatasetError: If it is neither.
    """
    if isinstance(value, h5py.Empty):
        return np.zeros(0, value.dtype if value.dtype.kind in "fiub" else np.float64)
    array = np.asarray(value)
    if array.dtype.kind in "OU" and all(isinstance(item, (str, bytes)) for item in array.ravel().tolist()):
        words = [item.encode() if isinstance(item, str) else item for item in array.ravel().tolist()]
        return np.array(words, dtype=f"S{max([1, *map(len, words)])}").reshape(array.shape)
    if array.dtype.kind not in "fiubS" or array.dtype.itemsize > 8 and array.dtype.kind != "S":
        raise DatasetError(f"{what} holds {array.dtype}, which cannot be kept; leave it out (--leave-out NAME)")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _plain(value: Any) -> Any:
    if isinstance(value, h5py.Empty):
        return None
    value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    kept = isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
    return value if kept else str(value)
