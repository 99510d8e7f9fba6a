"""Splits a dataset into parts such as train and valid: as files, or as masks in one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from metasim.core.errors import InvalidConfig, UnknownName
from metasim.datasets.episode import EpisodeInfo
from metasim.datasets.reader import Dataset
from metasim.datasets.tools.subset import write_subset

By = Literal["episode", "task"]


def split(
    path: str | Path, folder: str | Path, fractions: Mapping[str, float], *, by: By = "episode", seed: int = 0
) -> dict[str, Path]:
    """Write each part of a dataset into ``folder/<part>.h5`` and return part to file; see :func:`parts`.

    Raises:
        InvalidConfig: For fractions that are none, or a part without episodes.
        DatasetError: If the dataset fails its check, or a file is something else already.
    """
    chosen = _parts_of(path, fractions, by, seed)
    return {name: write_subset(path, demos, Path(folder) / f"{name}.h5") for name, demos in chosen.items()}


def mark(
    path: str | Path, out: str | Path, fractions: Mapping[str, float], *, by: By = "episode", seed: int = 0
) -> Path:
    """Write a dataset with a mask for each part, as robomimic has ``train`` and ``valid``, into ``out`` and return it.

    Raises:
        InvalidConfig: For fractions that are none, a part without episodes, or one that has the name of a mask.
        DatasetError: If the dataset fails its check, or ``out`` is something else already.
    """
    chosen = _parts_of(path, fractions, by, seed)
    everything = sorted(demo for demos in chosen.values() for demo in demos)
    return write_subset(path, everything, out, chosen)


def parts(
    infos: Sequence[EpisodeInfo], fractions: Mapping[str, float], *, by: By = "episode", seed: int = 0
) -> dict[str, list[int]]:
    """Deal episodes out, and return part to their numbers, in order.

    By episode, each task, engine, policy and split is dealt out in these fractions, as nearly as whole episodes can be,
    and so is the whole. By task, all episodes of a task go to one part. Who goes where depends on what an episode is
    and on the seed, not on its number in the file.

    Raises:
        InvalidConfig: For fractions that are no fractions of one whole, or a part without episodes.
    """
    _check(fractions)
    if by not in get_args(By):
        raise UnknownName("way to split", by, get_args(By))
    units: dict[tuple[str, ...], dict[str, list[int]]] = {}
    for i, info in enumerate(infos):
        kind = (info.task, info.backend, info.policy, info.split) if by == "episode" else ()
        unit = repr(info.key) if by == "episode" else info.task
        units.setdefault(kind, {}).setdefault(unit, []).append(i)
    shares = np.array(list(fractions.values())) / sum(fractions.values())
    dealt, seen = np.zeros(len(shares), np.int64), 0
    found: dict[str, list[int]] = {name: [] for name in fractions}
    for kind in sorted(units):
        order = sorted(units[kind], key=lambda unit: hashlib.sha256(f"{seed} {unit}".encode()).digest())
        seen += len(order)
        counts = _apportion(shares * seen - dealt, len(order))
        dealt += counts
        ends = np.cumsum(counts)
        for name, begin, end in zip(fractions, ends - counts, ends, strict=True):
            found[name] += [i for unit in order[begin:end] for i in units[kind][unit]]
    for name, demos in found.items():
        if not demos:
            what = "episodes" if by == "episode" else "tasks"
            raise InvalidConfig(f"part {name!r} would be empty: {seen} {what} in parts of {dict(fractions)}")
    return {name: sorted(demos) for name, demos in found.items()}


def _parts_of(path: str | Path, fractions: Mapping[str, float], by: By, seed: int) -> dict[str, list[int]]:
    _check(fractions)
    with Dataset(path) as data:
        return parts(data.infos(), fractions, by=by, seed=seed)


def _apportion(wanted: np.ndarray, total: int) -> np.ndarray:
    """Return whole numbers of that sum, none negative, near to what is wanted: largest remainders first."""
    positive = np.maximum(wanted, 0.0)
    positive *= total / positive.sum()
    counts = np.floor(positive + 1e-9).astype(np.int64)
    rest = np.argsort(counts - positive, kind="stable")[: total - int(counts.sum())]
    counts[rest] += 1
    return counts


def _check(fractions: Mapping[str, float]) -> None:
    odd = [name for name in fractions if not re.fullmatch(r"[\w-][\w.-]*", name)]
    if len(fractions) < 2 or odd:
        raise InvalidConfig(
            f"expected at least two parts with plain names, such as train and valid, got {[*fractions]}"
        )
    if any(not 0.0 < share < 1.0 for share in fractions.values()) or abs(sum(fractions.values()) - 1.0) > 1e-6:
        raise InvalidConfig(f"fractions must be positive with a sum of 1, got {dict(fractions)}")
