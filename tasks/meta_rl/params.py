"""Hoppers and walkers with hidden masses, inertias, frictions and dampings.

Observation: positions without x, velocities clipped to +-10 (11 for the hopper, 17 for the walker).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from metasim.core.state import State
from metasim.core.task import Memory, register
from metasim.tasks.classic.scenes import HOPPER, WALKER2D
from metasim.tasks.meta_rl.factors import LogScales, Scaled
from metasim.tasks.meta_rl.family import Runner, effort, noise

Array = Any
EFFORT_COST = 1e-3
FASTEST = 10.0
NOISE_SCALE = 0.005
LEG = ("thigh", "leg", "foot")
LEFT = tuple(f"{part}_left" for part in LEG)


def log_scales(limbs: tuple[str, ...]) -> LogScales:
    """Return the factor of a body: powers for its masses, inertias, frictions and dampings, in this order.

    The bodies are the torso and the limbs; geoms are theirs and the floor's; joints are the damped ones.
    """
    bodies = ("torso", *limbs)
    return LogScales(
        "log_scales",
        (
            Scaled(parameter="mass", names=bodies, base=1.5),
            Scaled(parameter="inertia", names=bodies, base=1.5, width=3),
            Scaled(parameter="friction", names=("floor", *(f"{name}_geom" for name in bodies)), base=1.5),
            Scaled(parameter="damping", names=tuple(f"{name}_joint" for name in limbs), base=1.3),
        ),
    )


class Changed(Runner):
    """A body whose engine parameters differ between tasks. Reward: velocity, plus ``alive``, minus a small effort.

    Attributes:
        alive: Reward of every step.
    """

    varied = "log_scales"
    alive: ClassVar[float] = 0.0

    def observe(self, state: State, memory: Memory) -> Mapping[str, Array]:
        """Return positions and clipped velocities by name."""
        return {"position": state.qpos[:, 1:], "velocity": np.clip(state.qvel, -FASTEST, FASTEST)}

    def bounds(self) -> Mapping[str, tuple[Array, Array]]:
        """Return where the velocities are clipped."""
        return {"velocity": (np.array(-FASTEST), np.array(FASTEST))}

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return ``(N,)``."""
        return memory["velocity"][:, 0] + self.alive - EFFORT_COST * effort(action)


@register("meta_rl/hopper-param-v0", horizon=200, instruction="hop forward as fast as possible")
class HopperParam(Changed):
    """The hopper."""

    scene = HOPPER.scene
    body = HOPPER
    substeps = HOPPER.substeps
    camera = HOPPER.camera
    step_s = HOPPER.period_s
    factors = (log_scales(LEG), noise(HOPPER, NOISE_SCALE))


@register("meta_rl/walker-param-v0", horizon=200, instruction="walk forward as fast as possible")
class WalkerParam(Changed):
    """The walker; an action lasts five physics steps, one more than in the classic suite."""

    scene = WALKER2D.scene
    body = WALKER2D
    substeps = 5
    camera = WALKER2D.camera
    step_s = 5 * WALKER2D.timestep_s
    alive = 1.0
    factors = (log_scales((*LEG, *LEFT)), noise(WALKER2D, NOISE_SCALE))
