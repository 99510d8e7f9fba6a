"""Tasks of getting ahead: half-cheetah, hopper, walker2d.

Notation of the rewards: v forward velocity of a step, the way that x made in it over its duration [m/s]; a the action;
h whether the body is healthy. Reward: w v + b h - c |a|^2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from metasim.core.state import State
from metasim.core.task import Memory
from metasim.tasks.classic.family import ClassicTask, noise, task
from metasim.tasks.classic.scenes import HALF_CHEETAH, HOPPER, WALKER2D

Array = Any


@dataclass(frozen=True, kw_only=True)
class Healthy:
    """Where a body counts as healthy; elsewhere its episode ends.

    Attributes:
        height_m: Lower and upper bound of the torso's height.
        angle_rad: Of its pitch, for planar bodies.
        rest: Bound of every other position's and of every velocity's magnitude.
        closed: Whether the height may be at its bounds; elsewhere bounds are excluded.
    """

    height_m: tuple[float, float]
    angle_rad: tuple[float, float] = (-math.inf, math.inf)
    rest: float = math.inf
    closed: bool = False

    def __call__(self, state: State, column: int) -> Array:
        """Return ``(N,)`` bool; ``column`` of qpos is the height, the one after it the pitch."""
        height = state.qpos[:, column]
        low, high = self.height_m
        good = (low <= height) & (height <= high) if self.closed else (low < height) & (height < high)
        if self.angle_rad[1] < math.inf:
            angle = state.qpos[:, column + 1]
            good &= (self.angle_rad[0] < angle) & (angle < self.angle_rad[1])
        if self.rest < math.inf:
            good &= (np.abs(state.qpos[:, column + 1 :]) < self.rest).all(axis=1)
            good &= (np.abs(state.qvel) < self.rest).all(axis=1)
        return good


class Runner(ClassicTask):
    """Base of the bodies that get ahead.

    Attributes:
        forward_weight: w.
        healthy_reward: b.
        control_cost: c.
        healthy: When the body is healthy; None for always.
        largest_velocity: What observed velocities are clipped to [m/s or rad/s].
        fast_m_s: Success: healthy and at least so fast.
    """

    forward_weight: ClassVar[float] = 1.0
    healthy_reward: ClassVar[float] = 0.0
    control_cost: ClassVar[float] = 0.1
    healthy: ClassVar[Healthy | None] = None
    largest_velocity: ClassVar[float] = math.inf
    fast_m_s: ClassVar[float] = 1.0

    def place(self, state: State) -> Array:
        """Return ``(N,)`` what the way ahead is measured by [m]."""
        return state.qpos[:, 0]

    def begin(self, state: State, sample: Mapping[str, Array]) -> Memory:
        """Note where the body starts."""
        return {"x": self.place(state).copy(), "v": np.zeros(state.num_worlds), "h": self.is_healthy(state)}

    def advance(self, state: State, memory: Memory, action: Array) -> Memory:
        """Note how far it came."""
        x = self.place(state).copy()
        return {"x": x, "v": (x - memory["x"]) / self.body.period_s, "h": self.is_healthy(state)}

    def observe(self, state: State, memory: Memory) -> Mapping[str, Array]:
        """Return positions and clipped velocities."""
        top = self.largest_velocity
        velocity = state.qvel if top == math.inf else np.minimum(np.maximum(state.qvel, -top), top)
        return {"position": state.qpos[:, self.body.hidden :], "velocity": velocity}

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return w v + b h - c |a|^2."""
        effort = action.astype(np.float64)
        gain = self.forward_weight * memory["v"] + self.healthy_reward * memory["h"]
        return gain - self.control_cost * np.vecdot(effort, effort)

    def success(self, state: State, memory: Memory) -> Array:
        """Compare v with the speed that counts as fast."""
        return (memory["v"] >= self.fast_m_s) & memory["h"]

    def terminated(self, state: State, memory: Memory) -> Array | None:
        """Return where the body is not healthy."""
        return None if self.healthy is None else ~memory["h"]

    def is_healthy(self, state: State) -> Array:
        """Return ``(N,)`` bool."""
        return np.ones(state.num_worlds, bool) if self.healthy is None else self.healthy(state, self.body.hidden)


@task("half-cheetah", HALF_CHEETAH, "run forward as fast as possible", factors=noise(HALF_CHEETAH, 0.1, normal=True))
class HalfCheetah(Runner):
    """HalfCheetah-v5: nothing ends an episode early. Success: at least 4.8 m/s."""

    fast_m_s = 4.8


@task("hopper", HOPPER, "hop forward without falling", factors=noise(HOPPER, 5e-3))
class Hopper(Runner):
    """Hopper-v5. Success: upright and at least 2.8 m/s."""

    healthy_reward, control_cost = 1.0, 1e-3
    healthy = Healthy(height_m=(0.7, math.inf), angle_rad=(-0.2, 0.2), rest=100.0)
    largest_velocity = 10.0
    fast_m_s = 2.8


@task("walker2d", WALKER2D, "walk forward without falling", factors=noise(WALKER2D, 5e-3))
class Walker2d(Runner):
    """Walker2d-v5. Success: upright and at least 2.8 m/s."""

    healthy_reward, control_cost = 1.0, 1e-3
    healthy = Healthy(height_m=(0.8, 2.0), angle_rad=(-1.0, 1.0))
    largest_velocity = 10.0
    fast_m_s = 2.8
