"""Observations as gymnasium spaces: flat, by name, or pixels; copies, so that a user may keep and edit them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from metasim.core.errors import InvalidConfig, UnknownName
from metasim.core.task import Task

Array = Any
MODES = ("state", "dict", "pixels")


class Source(Protocol):
    """What an observer needs of episodes."""

    @property
    def classes(self) -> Mapping[str, type[Task]]:
        """The tasks by id."""
        ...

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras."""
        ...

    def render(self, camera: str, height: int, width: int, worlds: Array | None = None) -> Array:
        """Return pictures ``(n, H, W, 3)``."""
        ...


@dataclass(frozen=True, kw_only=True)
class Column:
    """One row of the public layout of the flat observation."""

    name: str
    start: int
    size: int
    low: tuple[float, ...]
    high: tuple[float, ...]


class Observer:
    """Turns named observations into what ``obs_mode`` asks for.

    Args:
        source: The episodes observed; they draw the pixels, too.
        example: One observation of them, name to ``(n, K)``.
        mode: ``"state"`` (a flat float64 Box), ``"dict"`` or ``"pixels"`` (uint8 ``(H, W, 3)``).
        camera: Camera of the pixels.
        size: Height and width of the pixels.
    """

    def __init__(
        self, source: Source, example: Mapping[str, Array], mode: str, camera: str, size: tuple[int, int]
    ) -> None:
        if mode not in MODES:
            raise InvalidConfig(f"obs_mode must be one of {list(MODES)}, got {mode!r}")
        self.mode, self._source, self._camera, self._size = mode, source, camera, size
        self.layout = _layout(source.classes, example)
        low = np.concatenate([c.low for c in self.layout])
        high = np.concatenate([c.high for c in self.layout])
        if mode == "state":
            self.space: gym.Space[Any] = gym.spaces.Box(low, high, dtype=np.float64)
        elif mode == "dict":
            boxes = {c.name: gym.spaces.Box(np.array(c.low), np.array(c.high), dtype=np.float64) for c in self.layout}
            self.space = gym.spaces.Dict(OrderedDict(boxes))  # a plain dict would be sorted by name
        else:
            if camera not in source.cameras:
                raise UnknownName("camera", camera, source.cameras)
            self.space = gym.spaces.Box(0, 255, (*size, 3), np.uint8)

    def __call__(self, observation: Mapping[str, Array], worlds: Array | None = None) -> Any:
        """Return fresh arrays with a leading batch axis; ``worlds`` are the rows the observation is of."""
        if self.mode == "state":
            return np.concatenate([*observation.values()], axis=1)
        if self.mode == "dict":
            return {name: np.array(value, dtype=np.float64) for name, value in observation.items()}
        height, width = self._size
        return self._source.render(self._camera, height, width, worlds)

    def empty(self, num_worlds: int) -> Any:
        """Return zeros of the batched observation."""
        if isinstance(self.space, gym.spaces.Dict):
            return {name: np.zeros((num_worlds, *box.shape)) for name, box in self.space.items()}  # type: ignore[misc]
        return np.zeros((num_worlds, *self.space.shape), self.space.dtype)  # type: ignore[misc]


def put_rows(batch: Any, rows: Array, values: Any) -> None:
    """Write rows of a batched observation in place."""
    if isinstance(batch, dict):
        for name, value in values.items():
            batch[name][rows] = value
    else:
        batch[rows] = values


def take_row(batch: Any, row: int) -> Any:
    """Return one row of a batched observation."""
    return {name: value[row] for name, value in batch.items()} if isinstance(batch, dict) else batch[row]


def _layout(classes: Mapping[str, type[Task]], example: Mapping[str, Array]) -> tuple[Column, ...]:
    """Return the columns; bounds are as wide as the widest of the tasks'."""
    every = [cls().bounds() for cls in classes.values()]
    columns, start = [], 0
    for name, value in example.items():
        if np.ndim(value) != 2:
            raise InvalidConfig(
                f"observation {name!r} of task {next(iter(classes))!r} must be (N, K), got shape {np.shape(value)}"
            )
        size = value.shape[1]
        infinite = np.full(size, np.inf)
        bounds = [b.get(name, (-infinite, infinite)) for b in every]
        low = np.min([np.broadcast_to(np.asarray(b[0], float), (size,)) for b in bounds], axis=0)
        high = np.max([np.broadcast_to(np.asarray(b[1], float), (size,)) for b in bounds], axis=0)
        columns.append(Column(name=name, start=start, size=size, low=tuple(low), high=tuple(high)))
        start += size
    return tuple(columns)
