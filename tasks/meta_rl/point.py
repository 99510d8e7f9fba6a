"""A point on a plane that looks for a hidden goal.

Observation (2): position [m]. Action (2): displacement, 0.1 m at 1 on each axis; the point goes exactly there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metasim.core.backend import Backend
from metasim.core.control import BoundControl, Control
from metasim.core.factors import Place
from metasim.core.reads import Reads
from metasim.core.scene import Asset, Camera, Goal, Light, Scene
from metasim.core.state import State
from metasim.core.task import Memory, register
from metasim.tasks.meta_rl.family import Hidden

Array = Any
POINT, GOAL = "point", "goal"
STEP_M = 0.1
NEAR_M = 0.01


@dataclass(frozen=True, kw_only=True)
class Displace(Control):
    """Actions move a mocap body on the plane.

    Args:
        mocap: Its name.
        step_m: Displacement at 1, per axis.
    """

    mocap: str
    step_m: float

    def bind(self, backend: Backend) -> BoundControl:
        """Resolve the name."""
        return _BoundDisplace(self, backend)


class _BoundDisplace(BoundControl):
    size = 2

    def __init__(self, control: Displace, backend: Backend) -> None:
        self.targets = backend.targets
        self._at = backend.targets.mocap_pos[:, backend.info.index("mocap", control.mocap), :2]
        self._step = control.step_m

    def reset(self, state: State, worlds: Array) -> None:
        """Stay where the start put it."""

    def apply(self, action: Array, state: State) -> None:
        """Move by the action."""
        self._at += self._step * np.asarray(action, np.float64)


@register("meta_rl/point-robot-v0", horizon=20, instruction="go to the hidden goal")
class PointRobot(Hidden):
    """Reward: minus the distance to the hidden goal after the step [m]. Success: within 1 cm of it on both axes."""

    scene = Scene(
        base=Asset(path=Path(__file__).parent / "point.xml"),
        goals={GOAL: Goal(radius_m=0.05)},
        cameras={"above": Camera(pos=(0.0, -0.01, 3.0))},
        lights={"light": Light()},
    )
    control = Displace(mocap=POINT, step_m=STEP_M)
    reads = Reads(bodies=(POINT,))
    substeps = 1
    camera = "above"
    varied = GOAL
    factors = (Place(GOAL, (-1.0, -1.0), (1.0, 1.0)),)

    def begin(self, state: State, sample: Mapping[str, Array]) -> Memory:
        """Return the hidden goal."""
        return {"task": np.array(sample[GOAL])}

    def observe(self, state: State, memory: Memory) -> Mapping[str, Array]:
        """Return the position."""
        return {"position": state.body(POINT).pos[:, :2]}

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return ``(N,)``."""
        return -np.hypot(*self._apart(state, memory).T)

    def success(self, state: State, memory: Memory) -> Array:
        """Return ``(N,)`` bool."""
        return (np.abs(self._apart(state, memory)) < NEAR_M).all(axis=1)

    @staticmethod
    def _apart(state: State, memory: Memory) -> Array:
        return state.body(POINT).pos[:, :2] - memory["task"]
