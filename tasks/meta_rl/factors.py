"""What differs between the tasks of a family, and between the episodes of a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from metasim.core.errors import InvalidState
from metasim.core.factors import Factor

Array = Any


@dataclass(frozen=True)
class Sign(Factor):
    """A direction along a line: 1 or -1, each as likely."""

    name: str

    def sample(self, rng: np.random.Generator, split: str) -> Array:
        """Draw ``(1,)``."""
        return np.array([1.0 if rng.random() < 0.5 else -1.0])

    def check(self, value: Array) -> None:
        """Refuse values ``(n, 1)`` other than 1 and -1."""
        if (np.abs(value) != 1.0).any():
            raise InvalidState(f"{self.name} must be 1 or -1, got {value.tolist()}")


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """One property of several bodies, joints or geoms that is multiplied by powers of ``base``.

    Args:
        parameter: Of :data:`metasim.core.backend.PARAMETERS`.
        names: What it belongs to.
        base: What is raised to the drawn powers.
        width: Numbers per name; 3 for ``"inertia"``.
    """

    parameter: str
    names: tuple[str, ...]
    base: float
    width: int = 1


@dataclass(frozen=True)
class LogScales(Factor):
    """Powers by which properties of the model are scaled: each is multiplied by ``base ** power``.

    Args:
        name: The factor's name.
        parts: What is scaled; a value holds one power per number, in this order.
        limit: Powers are drawn uniformly from -limit to limit.
    """

    name: str
    parts: tuple[Scaled, ...]
    limit: float = 3.0

    @property
    def size(self) -> int:
        """Number of powers K."""
        return sum(len(part.names) * part.width for part in self.parts)

    def sample(self, rng: np.random.Generator, split: str) -> Array:
        """Draw powers ``(K,)``."""
        return rng.uniform(-self.limit, self.limit, self.size)

    def place(self, value: Array, home: Mapping[str, Array]) -> Mapping[str, Mapping[Any, Array]]:
        """Return the scales of a start for powers ``(n, K)``."""
        scales: dict[tuple[str, str], Array] = {}
        column = 0
        for part in self.parts:
            for name in part.names:
                powers = value[:, column : column + part.width]
                column += part.width
                scales[part.parameter, name] = part.base ** (powers if part.width > 1 else powers[:, 0])
        return {"scales": scales}


@dataclass(frozen=True)
class Noise(Factor):
    """What is added to the home position and to rest at an episode's start.

    Args:
        name: The factor's name.
        positions: Number of positions.
        velocities: Number of velocities.
        scale: Positions are uniform within +-scale; so are velocities, unless ``normal``.
        normal: Whether velocities are normal with deviation ``scale`` instead.
    """

    name: str
    positions: int
    velocities: int
    scale: float
    normal: bool = False

    def sample(self, rng: np.random.Generator, split: str) -> Array:
        """Draw positions, then velocities ``(nq + nv,)``."""
        qpos = rng.uniform(-self.scale, self.scale, self.positions)
        if self.normal:
            return np.concatenate([qpos, self.scale * rng.standard_normal(self.velocities)])
        return np.concatenate([qpos, rng.uniform(-self.scale, self.scale, self.velocities)])
