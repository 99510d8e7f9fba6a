"""Tasks with the plate: plate-slide, plate-slide-side, plate-slide-back, plate-slide-back-side.

The plate slides along x and y on two joints; the cabinet is open towards it. The original notes the plate's start o0
as the random vector gives it, wherever the plate begins.

Notation of the rewards: o observed plate position, t goal, d = |o - t|, c point between the fingertips, c0 the same at
reset, h = |o - c|, T and H are ``tolerance`` and ``hamacher``. All rewards are the original's V2 rewards, in [0, 10].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from metasim.core.backend import Start
from metasim.core.rewards import distance, hamacher, tolerance
from metasim.core.state import State
from metasim.core.task import Memory
from metasim.tasks.metaworld.family import XYZW, MetaWorldTask, Source, tcp
from metasim.tasks.metaworld.table import REACHED, task

Array = Any
RADIUS_M = 0.05  # plate at the goal, fingertips at the plate
AXES = ("goal_slidex", "goal_slidey")
PLATE: dict[str, Any] = {
    "position": Source(kind="geom", name="puck"),
    "quaternion": Source(kind="geom", name="puck", order=XYZW),
}


class _Plate(MetaWorldTask):
    """Success: d at most 7 cm.

    Attributes:
        slid_m: Where the plate begins on its two joints [m].
        cabinet: Which columns of the random vector place the cabinet, None to leave it where the scene has it.
    """

    slid_m: ClassVar[tuple[float, float]] = (0.0, 0.0)
    cabinet: ClassVar[slice | None] = None

    def start(self, sample: Mapping[str, Array]) -> Start:
        """Place plate, cabinet and the mark of the goal."""
        vector = sample["rand_vec"]
        return Start(
            joints={name: np.full((len(vector), 1), at) for name, at in zip(AXES, self.slid_m, strict=True)},
            bodies={} if self.cabinet is None else {"puck_goal": vector[:, self.cabinet]},
            sites={"goal": vector[:, 3:]},
        )

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return |o0 - t| and |o0 - c0| less the radius, the margins of d and h."""
        plate0 = vector[:, :3]
        return {
            "d_margin": distance(plate0, memory["goal"]) - RADIUS_M,
            "h_margin": distance(plate0, np.array(self.tcp_init)) - RADIUS_M,
        }

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 1.5 T(h), and 2 + 7 T(d) while c is low and near."""
        obj, point = memory["frame"][:, 4:7], tcp(state)
        d, h = distance(obj, memory["goal"]), distance(obj, point)
        reached = 1.5 * tolerance(h, RADIUS_M, memory["h_margin"])
        near = (point[:, 2] <= 0.03) & (h < 0.07)
        reward = np.where(near, 2.0 + 7.0 * tolerance(d, RADIUS_M, memory["d_margin"]), reached)
        return np.where(d < RADIUS_M, REACHED, reward)

    def success(self, state: State, memory: Memory) -> Array:
        """Compare d with 7 cm."""
        return distance(memory["frame"][:, 4:7], memory["goal"]) <= 0.07


@task("plate-slide", "sawyer_plate_slide", "slide the plate into the cabinet", (0.0, 0.6, 0.0, -0.1, 0.85, 0.0),
      (0.0, 0.6, 0.0, 0.1, 0.9, 0.0), **PLATE)  # fmt: skip
class PlateSlide(_Plate):
    """Along +y, into the cabinet at the goal."""

    cabinet = slice(3, 6)

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return |o0 - t| and |o0 - c0|, which are the margins here."""
        margins = super().constants(state, memory, vector)
        return {name: margin + RADIUS_M for name, margin in margins.items()}

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 8 H(T(h), T(d))."""
        obj = memory["frame"][:, 4:7]
        d = distance(obj, memory["goal"])
        near = tolerance(distance(obj, tcp(state)), RADIUS_M, memory["h_margin"])
        reward = 8.0 * hamacher(near, tolerance(d, RADIUS_M, memory["d_margin"]))
        return np.where(d < RADIUS_M, REACHED, reward)


@task("plate-slide-side", "sawyer_plate_slide_sideway", "slide the plate sideways into the cabinet",
      (0.0, 0.6, 0.0, -0.3, 0.54, 0.0), (0.0, 0.6, 0.0, -0.25, 0.66, 0.0), **PLATE)  # fmt: skip
class PlateSlideSide(_Plate):
    """Along -x; the cabinet stays in place, and up to 10 cm of the way are beyond the joint's range of 20 cm."""


@task("plate-slide-back", "sawyer_plate_slide", "slide the plate out of the cabinet",
      (0.0, 0.85, 0.0, -0.1, 0.6, 0.015), (0.0, 0.85, 0.0, 0.1, 0.6, 0.015), **PLATE)  # fmt: skip
class PlateSlideBack(_Plate):
    """Along -y, out of the cabinet; the plate begins 10 cm nearer than the original notes."""

    slid_m = (0.0, 0.15)


@task("plate-slide-back-side", "sawyer_plate_slide_sideway", "slide the plate sideways out of the cabinet",
      (-0.25, 0.6, 0.0, -0.05, 0.6, 0.015), (-0.25, 0.6, 0.0, 0.15, 0.6, 0.015), **PLATE)  # fmt: skip
class PlateSlideBackSide(_Plate):
    """Along +x, out of the cabinet; the plate begins 10 cm nearer than the original notes."""

    slid_m = (-0.15, 0.0)
    cabinet = slice(0, 3)
