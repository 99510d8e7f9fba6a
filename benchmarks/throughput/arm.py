"""A joint-controlled arm: the model that the PyBullet comparison has besides Meta-World's weld-driven ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from metasim.control import JointPosition
from metasim.core.reads import Reads
from metasim.core.rewards import distance
from metasim.core.scene import Drive, Robot, Scene
from metasim.core.state import State
from metasim.core.task import Memory, Task

Array = Any
GOAL_M = (0.5, 0.2, 0.4)
HAND = "panda_grasptarget"


class Arm(Task):
    """Bring a Panda's hand to a point by position drives on its joints; random actions keep it near its home."""

    id = "benchmark/panda-joints"
    scene = Scene(robot=Robot(model="panda", drive=Drive(kind="position", stiffness=2000.0, damping=100.0)))
    control = JointPosition(delta=0.02)
    reads = Reads(bodies=(HAND,))
    substeps = 10

    def observe(self, state: State, memory: Memory) -> Mapping[str, Array]:
        """Return joint positions, velocities and the hand's position."""
        return {
            "qpos": np.array(state.qpos),
            "qvel": np.array(state.qvel),
            "hand": np.array(state.body(HAND).pos),
        }

    def success(self, state: State, memory: Memory) -> Array:
        """Compare the distance from hand to goal with 5 cm."""
        return distance(state.body(HAND).pos, np.array(GOAL_M)) < 0.05
