"""Statistics that stand in the files, joined over files and tasks, and the scaling made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from metasim.core.array import namespace
from metasim.core.errors import InvalidConfig, UnknownName
from metasim.datasets.training.index import Episodes, Field

Array = Any
Kind = Literal["none", "standard", "range"]
"""``"standard"``: mean 0 and deviation 1; ``"range"``: from -1 to 1; ``"none"``: as it is."""
KINDS: tuple[str, ...] = get_args(Kind)
LEAST = 1e-6
"""A column that varies by less is shifted, not scaled."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """What some rows are like, ``(D,)`` each; deviations are those of the population."""

    count: int
    mean: Array
    std: Array
    min: Array
    max: Array


def joined(parts: Iterable[Spread]) -> Spread:
    """Return what the rows of several parts are like together."""
    listed = list(parts)
    counts = np.array([part.count for part in listed], np.float64)
    shares = (counts / counts.sum())[:, None]
    means = np.stack([part.mean for part in listed])
    mean = (shares * means).sum(axis=0)
    squares = np.stack([part.std for part in listed]) ** 2 + (means - mean) ** 2
    return Spread(
        count=int(counts.sum()),
        mean=mean,
        std=np.sqrt((shares * squares).sum(axis=0)),
        min=np.min([part.min for part in listed], axis=0),
        max=np.max([part.max for part in listed], axis=0),
    )


def spread(episodes: Episodes, about: Field) -> Spread:
    """Return what a field's rows are like in all episodes of the chosen tasks, also in those that are left out.

    Raises:
        InvalidConfig: If no statistics are kept of the field.
    """
    parts = []
    for by_task in episodes.statistics:
        for k, task in enumerate(episodes.tasks):
            if task in by_task:
                parts.append(_columns(by_task[task], about, k))
    return joined(parts)


def _columns(statistics: Mapping[str, Any], about: Field, task: int) -> Spread:
    rows = []
    for path, _ in about.parts[task]:
        folder, _, name = path.rpartition("/")
        known = statistics["obs"].get(name) if folder in ("obs", "final_obs") else statistics.get(name)
        if known is None:
            raise InvalidConfig(f"no statistics are kept of {path!r}; there are obs, actions and rewards")
        rows.append(known)
    joined_columns = {kind: np.concatenate([row[kind] for row in rows]) for kind in ("mean", "std", "min", "max")}
    return Spread(count=int(statistics["count"]), **joined_columns)


@dataclass(frozen=True, kw_only=True)
class Normaliser:
    """Shifts and scales the columns of named arrays: ``(x - shift) / scale``.

    Attributes:
        shift: Name to ``(D,)`` float64.
        scale: Name to ``(D,)`` float64.
    """

    shift: Mapping[str, Array] = field(default_factory=dict[str, Array])
    scale: Mapping[str, Array] = field(default_factory=dict[str, Array])

    def apply(self, name: str, x: Array) -> Array:
        """Return normalised rows ``(..., D)``, of numpy or torch; as they are if the name is not normalised."""
        if name not in self.shift:
            return x
        shift, scale = self._like(name, x)
        return (x - shift) / scale

    def invert(self, name: str, x: Array) -> Array:
        """Return rows as they were before :meth:`apply`."""
        if name not in self.shift:
            return x
        shift, scale = self._like(name, x)
        return x * scale + shift

    def _like(self, name: str, x: Array) -> tuple[Array, Array]:
        xp = namespace(x)
        options = {"dtype": x.dtype, "device": getattr(x, "device", None)}
        return xp.asarray(self.shift[name], **options), xp.asarray(self.scale[name], **options)


def normaliser(kinds: Mapping[str, str], spreads: Mapping[str, Spread]) -> Normaliser:
    """Return the scaling of some kinds.

    Args:
        kinds: Name of an array to one of :data:`KINDS`.
        spreads: Name to what its rows are like.
    """
    shift, scale = dict[str, Array](), dict[str, Array]()
    for name, kind in kinds.items():
        if kind not in KINDS:
            raise UnknownName("normalisation", kind, KINDS)
        if kind == "none":
            continue
        known = spreads[name]
        middle, width = (known.mean, known.std) if kind == "standard" else _range(known)
        shift[name], scale[name] = middle, np.where(width < LEAST, 1.0, width)
    return Normaliser(shift=shift, scale=scale)


def _range(known: Spread) -> tuple[Array, Array]:
    return (known.min + known.max) / 2, (known.max - known.min) / 2
