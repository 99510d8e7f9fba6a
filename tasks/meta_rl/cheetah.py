"""Half-cheetahs that run at a hidden velocity, or in a hidden direction.

Observation (20): positions without x (8), velocities (9), position of the torso (3) [m].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from metasim.core.factors import Uniform
from metasim.core.reads import Reads
from metasim.core.state import State
from metasim.core.task import Memory, register
from metasim.tasks.classic.scenes import HALF_CHEETAH
from metasim.tasks.meta_rl.factors import Sign
from metasim.tasks.meta_rl.family import Runner, effort, noise

Array = Any
EFFORT_COST = 0.05
NOISE_SCALE = 0.1


class Cheetah(Runner):
    """The body; velocities are along x."""

    scene = HALF_CHEETAH.scene
    body = HALF_CHEETAH
    substeps = HALF_CHEETAH.substeps
    camera = HALF_CHEETAH.camera
    step_s = HALF_CHEETAH.period_s
    reads = Reads(bodies=("torso",))

    def observe(self, state: State, memory: Memory) -> Mapping[str, Array]:
        """Return the 20 numbers by name."""
        return {"position": state.qpos[:, 1:], "velocity": state.qvel, "torso": state.body("torso").pos}


@register("meta_rl/cheetah-vel-v0", horizon=200, instruction="run at the hidden velocity")
class CheetahVel(Cheetah):
    """Reward: minus the distance to the hidden velocity [m/s], minus 0.05 of the squared action."""

    varied = "velocity"
    factors = (Uniform("velocity", (0.0,), (3.0,)), noise(HALF_CHEETAH, NOISE_SCALE, normal=True))

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return ``(N,)``."""
        return -np.abs(memory["velocity"][:, 0] - memory["task"][:, 0]) - EFFORT_COST * effort(action)


@register("meta_rl/cheetah-dir-v0", horizon=200, instruction="run in the hidden direction")
class CheetahDir(Cheetah):
    """Reward: velocity in the hidden direction (1 forward, -1 backward), minus 0.05 of the squared action."""

    varied = "direction"
    factors = (Sign("direction"), noise(HALF_CHEETAH, NOISE_SCALE, normal=True))

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return ``(N,)``."""
        return memory["task"][:, 0] * memory["velocity"][:, 0] - EFFORT_COST * effort(action)
