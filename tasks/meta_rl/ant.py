"""Ants that run in a hidden direction.

Observation (27): height, orientation wxyz and joints (13), velocities (14).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from metasim.core.factors import Uniform
from metasim.core.state import State
from metasim.core.task import Memory, register
from metasim.tasks.classic.scenes import ANT
from metasim.tasks.meta_rl.family import Runner, effort, noise

Array = Any
EFFORT_COST = 0.5
ALIVE = 1.0


@register("meta_rl/ant-dir-v0", horizon=200, instruction="run in the hidden direction")
class AntDir(Runner):
    """Reward: velocity along the hidden direction, plus 1, minus half the squared action.

    The published reward has a contact cost besides; with the engine it was made for, that is always zero.
    """

    scene = ANT.scene
    body = ANT
    substeps = ANT.substeps
    camera = ANT.camera
    step_s = ANT.period_s
    varied = "angle"
    factors = (Uniform("angle", (0.0,), (2.0 * np.pi,)), noise(ANT, 0.1, normal=True))

    def observe(self, state: State, memory: Memory) -> Mapping[str, Array]:
        """Return the 27 numbers by name."""
        return {"position": state.qpos[:, 2:], "velocity": state.qvel}

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return ``(N,)``."""
        angle = memory["task"][:, 0]
        along = memory["velocity"][:, 0] * np.cos(angle) + memory["velocity"][:, 1] * np.sin(angle)
        return along + ALIVE - EFFORT_COST * effort(action)
