"""What differs between two datasets: header, tasks, episodes, attributes, arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from metasim.datasets import hdf5
from metasim.datasets.episode import Key
from metasim.datasets.reader import Dataset, Demo
from metasim.datasets.states import FIRST, MOVING, STATES
from metasim.datasets.tools.masks import given_masks

Array = Any


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that is not the same.

    Attributes:
        kind: ``"header"``, ``"task"``, ``"mask"``, ``"order"``, ``"episode"``, ``"attribute"`` or ``"array"``.
        where: The task, mask or episode; empty for the header.
        what: Field, attribute or array.
        a: What the first file has, None for nothing.
        b: What the second file has.
        row: Of an array, the first row that differs.
        size: Of an array, the largest difference; infinite where only one is a number.
    """

    kind: str
    where: str
    what: str
    a: Any = None
    b: Any = None
    row: int | None = None
    size: float | None = None

    def __str__(self) -> str:
        if self.kind == "order":
            return "the episodes that both have stand in another order"
        place = ": ".join(filter(None, (self.where, self.what)))
        if self.row is not None:
            return f"{place} differs from row {self.row} on, by up to {self.size:.6g}"
        if self.a is None or self.b is None:
            return f"{place} is only in the {'second' if self.a is None else 'first'}"
        return f"{place}: {_short(self.a)} in the first, {_short(self.b)} in the second"


def differences(first: str | Path, second: str | Path) -> list[Difference]:
    """Return what differs between two datasets; episodes are the same if task, seed, engine, policy and so on are.

    Every array is compared, bit by bit. Statistics are not, which follow from the arrays.

    Raises:
        DatasetError: If a file cannot be read, or is no dataset.
    """
    with Dataset(first) as a, Dataset(second) as b:
        found = [*_header(a, b)]
        ours, theirs = _by_key(a), _by_key(b)
        found += _masks(a, b)
        for key in ours | theirs:
            if key not in ours or key not in theirs:
                demo = (ours | theirs)[key]
                found.append(_only("episode", _named(demo), "", str(demo.group.name), key in ours))
        common = [key for key in ours if key in theirs]
        if common != [key for key in theirs if key in ours]:
            found.append(Difference(kind="order", where="", what="order of the episodes", a="one", b="another"))
        for key in common:
            with hdf5.reading(a.path), hdf5.reading(b.path):
                found += _episode(ours[key], theirs[key])
        return found


def _header(a: Dataset, b: Dataset) -> Iterator[Difference]:
    pairs = {name: (getattr(a.header, name), getattr(b.header, name)) for name in ("total", "env_args", "collections")}
    for name in {**a.header.versions, **b.header.versions}:
        pairs[f"version of {name}"] = (a.header.versions.get(name), b.header.versions.get(name))
    for name, (ours, theirs) in pairs.items():
        if ours != theirs:
            yield Difference(kind="header", where="", what=name, a=_plain(ours), b=_plain(theirs))
    for name in {**a.header.tasks, **b.header.tasks}:
        ours, theirs = a.header.tasks.get(name), b.header.tasks.get(name)
        if ours is None or theirs is None:
            there: Any = theirs if ours is None else ours
            yield _only("task", name, "", asdict(there), ours is not None)
            continue
        for what, value in asdict(ours).items():
            if value != asdict(theirs)[what]:
                yield Difference(kind="task", where=name, what=what, a=value, b=asdict(theirs)[what])


def _by_key(data: Dataset) -> dict[Key, Demo]:
    return {demo.info.key: demo for demo in data}


def _masks(a: Dataset, b: Dataset) -> Iterator[Difference]:
    """Yield what differs in masks; those of the tasks follow from the episodes."""
    ours, theirs = _members(a), _members(b)
    for name in {**ours, **theirs}:
        mine, other = ours.get(name), theirs.get(name)
        if mine is None or other is None:
            listed = mine if mine is not None else other
            yield _only("mask", f"mask {name}", "", f"{len(listed or ())} episodes", mine is not None)
        elif mine != other:
            told = [f"{len(more)} episodes that the other has not in it" for more in (mine - other, other - mine)]
            yield Difference(kind="mask", where=f"mask {name}", what="", a=told[0], b=told[1])


def _only(kind: str, where: str, what: str, told: Any, first: bool) -> Difference:
    """Return that something is only in the first, or only in the second."""
    return Difference(kind=kind, where=where, what=what, a=told if first else None, b=None if first else told)


def _members(data: Dataset) -> dict[str, set[Key]]:
    infos = data.infos()
    return {name: {infos[i].key for i in members} for name, members in given_masks(data).items()}


def _episode(a: Demo, b: Demo) -> Iterator[Difference]:
    where = _named(a)
    theirs = vars(b.info)
    for name, value in vars(a.info).items():
        if name != "sha256" and value != theirs[name]:
            yield Difference(kind="attribute", where=where, what=name, a=value, b=theirs[name])
    ours, others = _arrays(a), _arrays(b)
    for path in {**ours, **others}:
        if path not in ours or path not in others:
            yield _only("array", where, path, _shape((ours | others)[path]), path in ours)
            continue
        mine, other = ours[path], others[path]
        if _shape(mine) != _shape(other):
            yield Difference(kind="array", where=where, what=path, a=_shape(mine), b=_shape(other))
            continue
        found = first_difference(mine[()], other[()])
        if found is not None:
            yield Difference(kind="array", where=where, what=path, a=1, b=1, row=found[0], size=found[1])


def first_difference(a: Array, b: Array) -> tuple[int, float] | None:
    """Return the first row that differs in any bit, and the largest difference; None if there is none."""
    a, b = np.ascontiguousarray(np.atleast_1d(a)), np.ascontiguousarray(np.atleast_1d(b))
    if a.tobytes() == b.tobytes():
        return None
    rows = (a.view(np.uint8).reshape(len(a), -1) != b.view(np.uint8).reshape(len(b), -1)).any(axis=1)
    if a.dtype.kind not in "fiub":
        return int(rows.argmax()), float("inf")
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(a.astype(np.float64) - b.astype(np.float64))
    both = (a != a) & (b != b)
    apart = np.where(both | (a == b), 0.0, np.nan_to_num(apart, nan=np.inf, posinf=np.inf))
    return int(rows.argmax()), float(apart.max(initial=0.0))


def _arrays(demo: Demo) -> dict[str, Any]:
    """Return arrays by path, not yet read; states are whole, whatever of them moves."""
    found: dict[str, Any] = {}
    demo.group.visititems(
        lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None  # type: ignore[arg-type]
    )
    stored = {STATES, FIRST, MOVING}
    return {**{path: item for path, item in found.items() if path not in stored}, STATES: demo.states}


def _shape(array: Any) -> str:
    return f"{array.shape} {array.dtype}"


def _named(demo: Demo) -> str:
    info = demo.info
    more = [f"{k} {v}" for k, v in (("variation", info.variation), ("goals", info.goals)) if v not in ("", "none")]
    words = [f"{info.task} episode {info.episode}", f"seed {info.seed}", info.split, info.backend, info.policy, *more]
    return ", ".join(words)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple | list) else value


def _short(value: Any, longest: int = 100) -> str:
    text = str(value)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
