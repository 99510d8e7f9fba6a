"""Tasks of a body that stays where it is: cart-pole and reacher.

Notation of the rewards: q the pole's angle [rad], d the distance between fingertip and target [m], a the action.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from metasim.core.backend import Start
from metasim.core.factors import Factor, Uniform
from metasim.core.reads import Reads
from metasim.core.rewards import norm
from metasim.core.state import State
from metasim.core.task import Memory
from metasim.tasks.classic.family import ClassicTask, noise, start, task
from metasim.tasks.classic.scenes import CART_POLE, REACHER

Array = Any


@task("cart-pole", CART_POLE, "keep the pole upright by pushing the cart", factors=noise(CART_POLE, 0.01))
class CartPole(ClassicTask):
    """InvertedPendulum-v5: an episode ends where q leaves [-0.2, 0.2]. Success: the pole is upright."""

    largest_rad: ClassVar[float] = 0.2

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 1 while the pole is upright."""
        return np.where(self.success(state, memory), 1.0, 0.0)

    def success(self, state: State, memory: Memory) -> Array:
        """Compare |q| with the largest angle."""
        return np.abs(state.qpos[:, 1]) <= self.largest_rad

    def terminated(self, state: State, memory: Memory) -> Array:
        """Return where the pole has fallen."""
        return ~self.success(state, memory)


@dataclass(frozen=True)
class Disc(Factor):
    """A point drawn uniformly from a disc about the origin ``(2,)`` [m]."""

    name: str
    radius_m: float

    def sample(self, rng: np.random.Generator, split: str) -> Array:
        """Draw points of the square around the disc until one is inside."""
        while True:
            point = rng.uniform(-self.radius_m, self.radius_m, 2)
            if point @ point < self.radius_m**2:
                return point


@task(
    "reacher",
    REACHER,
    "move the fingertip to the target",
    horizon=50,
    reads=Reads(fields=("xpos",)),
    factors=(
        Uniform("position_noise", (-0.1, -0.1), (0.1, 0.1)),
        Uniform("velocity_noise", (-0.005, -0.005), (0.005, 0.005)),
        Disc("target", 0.2),
    ),
)
class Reacher(ClassicTask):
    """Reacher-v5: nothing ends an episode early. Success: d at most 1 cm."""

    near_m: ClassVar[float] = 0.01

    def start(self, sample: Mapping[str, Array]) -> Start:
        """Bend the arm a little and place the target."""
        target = sample["target"] - np.concatenate([REACHER.joints["target_x"], REACHER.joints["target_y"]])
        still = np.zeros_like(target)
        position = np.concatenate([sample["position_noise"], target], axis=1)
        return start(REACHER, position, np.concatenate([sample["velocity_noise"], still], axis=1))

    def observe(self, state: State, memory: Memory) -> Mapping[str, Array]:
        """Return the ten numbers by name."""
        angle = state.qpos[:, :2]
        return {
            "cosine": np.cos(angle),
            "sine": np.sin(angle),
            "target": state.qpos[:, 2:],
            "velocity": state.qvel[:, :2],
            "to_target": self._to_target(state)[:, :2],
        }

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return -d - |a|^2."""
        effort = action.astype(np.float64)
        return -norm(self._to_target(state)) - np.vecdot(effort, effort)

    def success(self, state: State, memory: Memory) -> Array:
        """Compare d with 1 cm."""
        return norm(self._to_target(state)) <= self.near_m

    def _to_target(self, state: State) -> Array:
        return state.field("xpos", "fingertip") - state.field("xpos", "target")
