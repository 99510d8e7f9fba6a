"""Observations as gymnasium spaces: flat, by name, pixels or both; copies, so that a user may keep and edit them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from metasim.core.backend import Images
from metasim.core.errors import InvalidConfig, UnknownName
from metasim.core.rendering import check_request
from metasim.core.task import Task

Array = Any
MODES = ("state", "dict", "pixels", "state+pixels")
_RANGES: Mapping[str, tuple[float, float, Any]] = {
    "rgb": (0, 255, np.uint8),
    "depth": (0.0, np.inf, np.float32),
    "segmentation": (-1, np.iinfo(np.int32).max, np.int32),
}


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

    def pictures(
        self,
        camera: str,
        height: int,
        width: int,
        worlds: Array | None = None,
        modes: Sequence[str] = ("rgb",),
        renderer: str = "",
    ) -> Images:
        """Return pictures ``(n, H, W, ...)``."""
        ...


@dataclass(frozen=True, kw_only=True)
class Shots:
    """Which pictures are observed.

    Args:
        cameras: Their cameras; ``"pixels"`` takes the first.
        height: Pixels.
        width: Pixels.
        modes: Some of ``"rgb"``, ``"depth"`` and ``"segmentation"``; rgb goes by the name of its camera, others by
            ``<camera>_<mode>``.
        renderer: Name of the renderer; empty for MuJoCo's.
    """

    cameras: tuple[str, ...]
    height: int
    width: int
    modes: tuple[str, ...] = ("rgb",)
    renderer: str = ""

    def check(self, available: Sequence[str]) -> None:
        """Refuse what cannot be drawn."""
        for camera in self.cameras:
            if camera not in available:
                raise UnknownName("camera", camera, available)
        if not self.cameras or len(set(self.cameras)) < len(self.cameras):
            raise InvalidConfig(f"cameras must be different names of cameras, at least one, got {self.cameras!r}")
        check_request(self.modes, self.width, self.height)

    def spaces(self) -> dict[str, gym.spaces.Box]:
        """Return a space for each picture of one world, by name."""
        return {
            self.key(camera, mode): gym.spaces.Box(
                _RANGES[mode][0],
                _RANGES[mode][1],
                (self.height, self.width, *((3,) if mode == "rgb" else ())),
                _RANGES[mode][2],
            )
            for camera in self.cameras
            for mode in self.modes
        }

    def take(self, source: Source, worlds: Array | None) -> dict[str, Array]:
        """Return the pictures ``(n, H, W, ...)`` by name."""
        found: dict[str, Array] = {}
        for camera in self.cameras:
            images = source.pictures(camera, self.height, self.width, worlds, self.modes, self.renderer)
            found |= {self.key(camera, mode): getattr(images, mode) for mode in self.modes}
        return found

    @staticmethod
    def key(camera: str, mode: str) -> str:
        """Return the name of a picture."""
        return camera if mode == "rgb" else f"{camera}_{mode}"


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
        source: The episodes observed; they draw the pictures, too.
        example: One observation of them, name to ``(n, K)``.
        mode: ``"state"`` (a flat float64 Box), ``"dict"``, ``"pixels"`` (uint8 ``(H, W, 3)``) or ``"state+pixels"``
            (``"state"`` and each picture by name).
        shots: The pictures.
    """

    def __init__(self, source: Source, example: Mapping[str, Array], mode: str, shots: Shots) -> None:
        if mode not in MODES:
            raise InvalidConfig(f"obs_mode must be one of {list(MODES)}, got {mode!r}")
        self.mode, self._source, self._shots = mode, source, shots
        self.layout = _layout(source.classes, example)
        low = np.concatenate([c.low for c in self.layout])
        high = np.concatenate([c.high for c in self.layout])
        if mode == "state":
            self.space: gym.Space[Any] = gym.spaces.Box(low, high, dtype=np.float64)
        elif mode == "dict":
            boxes = {c.name: gym.spaces.Box(np.array(c.low), np.array(c.high), dtype=np.float64) for c in self.layout}
            self.space = gym.spaces.Dict(OrderedDict(boxes))  # a plain dict would be sorted by name
        else:
            shots.check(source.cameras)
            pictures = shots.spaces()
            if mode == "pixels":
                if len(pictures) > 1:
                    raise InvalidConfig(f"obs_mode='pixels' is one picture, not {[*pictures]}; use 'state+pixels'")
                self.space = next(iter(pictures.values()))
            else:
                flat = gym.spaces.Box(low, high, dtype=np.float64)
                self.space = gym.spaces.Dict(OrderedDict({"state": flat, **pictures}))

    def __call__(self, observation: Mapping[str, Array], worlds: Array | None = None) -> Any:
        """Return fresh arrays with a leading batch axis; ``worlds`` are the rows the observation is of."""
        if self.mode == "state":
            return np.concatenate([*observation.values()], axis=1)
        if self.mode == "dict":
            return {name: np.array(value, dtype=np.float64) for name, value in observation.items()}
        drawn = self._shots.take(self._source, worlds)
        if self.mode == "pixels":
            return next(iter(drawn.values()))
        return {"state": np.concatenate([*observation.values()], axis=1), **drawn}

    def empty(self, num_worlds: int) -> Any:
        """Return zeros of the batched observation."""
        if isinstance(self.space, gym.spaces.Dict):
            return {
                name: np.zeros((num_worlds, *box.shape), box.dtype)  # type: ignore[misc]
                for name, box in self.space.items()
            }
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
