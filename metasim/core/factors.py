"""What varies between episodes: named factors with train and test ranges, each drawn from a stream of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from metasim.core.errors import InvalidConfig
from metasim.core.seeding import EpisodeSeed

Array = Any
Range = tuple[tuple[float, ...], tuple[float, ...]]
PLACES = ("joints", "bodies", "sites", "parameters", "scales")
"""Fields of a start that a factor may set."""


class Factor(ABC):
    """One thing that varies: ``name``, how one episode's value is drawn, and what it does to a start."""

    name: str

    @abstractmethod
    def sample(self, rng: np.random.Generator, split: str) -> Array:
        """Draw one episode's value."""

    def check(self, value: Array) -> None:  # noqa: B027
        """Refuse given values ``(n, ...)`` that make no sense here, with InvalidState; by default none."""

    def place(self, value: Array, home: Mapping[str, Array]) -> Mapping[str, Mapping[Any, Array]]:
        """Return fields of a start, of those in :data:`PLACES`, for values ``(n, ...)``; none by default.

        ``home`` maps object and goal names to their pose in the scene ``(7,)``.
        """
        return {}


@dataclass(frozen=True)
class Uniform(Factor):
    """A vector drawn uniformly from a box; it places nothing by itself.

    Args:
        name: The factor's name.
        low: Lower corner, train split.
        high: Upper corner, train split.
        test: Lower and upper corner of the test split; None for the same box.
    """

    name: str
    low: tuple[float, ...]
    high: tuple[float, ...]
    test: Range | None = None

    def __post_init__(self) -> None:
        """Check that the box is one."""
        for low, high in ((self.low, self.high), self.test or (self.low, self.high)):
            if len(low) != len(high) or any(a > b for a, b in zip(low, high, strict=True)):
                raise InvalidConfig(f"factor {self.name!r}: low {low} and high {high} are not the corners of a box")

    def bounds(self, split: str) -> tuple[Array, Array]:
        """Return lower and upper corner of a split."""
        if split not in ("train", "test"):
            raise InvalidConfig(f"split must be 'train' or 'test', got {split!r}")
        low, high = self.test if split == "test" and self.test else (self.low, self.high)
        return np.array(low, float), np.array(high, float)

    def sample(self, rng: np.random.Generator, split: str) -> Array:
        """Draw one vector ``(K,)``."""
        low, high = self.bounds(split)
        return low + (high - low) * rng.random(len(low))


@dataclass(frozen=True)
class Place(Uniform):
    """Position of an object or goal of the scene, drawn from a box; with two numbers z stays as in the scene."""

    def place(self, value: Array, home: Mapping[str, Array]) -> Mapping[str, Mapping[str, Array]]:
        """Return the pose of the named object (free joint, or fixed body) or the position of the named goal."""
        kind = home[f"kind:{self.name}"]
        pose = np.tile(home[self.name], (len(value), 1))
        pose[:, : value.shape[1]] = value
        return {str(kind): {self.name: pose[:, :3] if kind == "sites" else pose}}


def draw(factors: tuple[Factor, ...], seed: EpisodeSeed) -> dict[str, Array]:
    """Return one episode's values by factor name; factor ``f`` draws from the stream named after it."""
    return {f.name: f.sample(seed.rng(f.name), seed.split) for f in factors}
