"""Tasks with objects pushed over the table: push-back, push-wall, soccer, sweep, sweep-into, and reach-wall.

Notation of the rewards: o observed object position, t goal, d = |o - t|, c point between the fingertips, h = |o - c|,
G the caging reward, T and H are ``tolerance`` and ``hamacher``; o0 and d0 are values at reset.
All rewards are the original's V2 rewards, in [0, 10].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from metasim.core.backend import Start
from metasim.core.rewards import distance, hamacher, norm, tolerance
from metasim.core.state import State
from metasim.core.task import Memory
from metasim.tasks.metaworld.blocks import Push, Reach
from metasim.tasks.metaworld.caging import Caging
from metasim.tasks.metaworld.family import XYZW, Source, tcp
from metasim.tasks.metaworld.table import PUCK, REACHED, puck_start, task

Array = Any
ALONG_X = np.array((3.0, 1.0, 1.0))  # what is off along x counts threefold
HOLE = (0.0, 0.84, 0.02)


def level_margin(square0: Array, obj: Array, memory: Memory) -> Array:
    """Return a distance at reset as the original measures it, from o0 to a point that rises and falls with o.

    Args:
        square0: ``(N,)`` the square of its horizontal part.
        obj: ``(N, 3)`` o.
        memory: The episode's, with o0.
    """
    return np.sqrt(square0 + (memory["object0"][:, 2] - obj[:, 2]) ** 2)


@task("reach-wall", "sawyer_reach_wall_v3", "reach the goal point behind the wall with the gripper",
      (-0.05, 0.6, 0.015, -0.05, 0.85, 0.05), (0.05, 0.65, 0.015, 0.05, 0.9, 0.3), **PUCK)  # fmt: skip
class ReachWall(Reach):
    """Reach, with a wall in the way."""


@task("push-back", "sawyer_push_back_v3", "pull the block back to the goal on the table",
      (-0.1, 0.8, 0.02, -0.1, 0.6, 0.0199), (0.1, 0.85, 0.02, 0.1, 0.7, 0.0201), **PUCK)  # fmt: skip
class PushBack(Push):
    """Success: d at most 7 cm."""

    caging = Caging(object_radius_m=0.007, xz_m=0.01, squeeze_m=0.003)
    success_m = 0.07
    rest_z = 0.019936046923271653

    def target(self, state: State, vector: Array) -> Array:
        """Return the drawn xy at the height where the original's block rests; elsewhere it may rest 0.03 mm higher."""
        return np.concatenate([vector[:, 3:5], np.full((len(vector), 1), self.rest_z)], axis=1)

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return H(G, T(d)), plus 1 + 5 T(d) while held and 1 cm nearer than at the start."""
        obj, opening, point = memory["frame"][:, 4:7], memory["frame"][:, 3], tcp(state)
        d = distance(obj, memory["goal"])
        in_place = tolerance(d, 0.05, memory["d0"])
        held = (distance(obj, point) < 0.01) & (opening > 0) & (opening < 0.55) & (memory["d0"] - d > 0.01)
        reward = hamacher(self.caging(state, memory, action, point, obj), in_place) + held * (1.0 + 5.0 * in_place)
        return np.where(d < 0.05, REACHED, reward)


@task("push-wall", "sawyer_push_wall_v3", "push the puck around the wall to the goal on the table",
      (-0.05, 0.6, 0.015, -0.05, 0.85, 0.01), (0.05, 0.65, 0.015, 0.05, 0.9, 0.02), **PUCK)  # fmt: skip
class PushWall(Push):
    """Success: d at most 7 cm. M: |3 dx, dy| from o to the wall's left end; its margin is level with o."""

    success_m = 0.07
    wall_end = (-0.05, 0.77)

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return Push's constants and the square of M at reset."""
        constants = super().constants(state, memory, vector)
        return {**constants, "square0": self._around(constants["object0"]) ** 2}

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 2 G; while holding 2 G + 1 + 4 T(M), and beyond the wall 2 G + 5 + 3 T(d)."""
        obj, point = memory["frame"][:, 4:7], tcp(state)
        d = distance(obj, memory["goal"])
        around = tolerance(self._around(obj), 0.05, level_margin(memory["square0"], obj, memory))
        beyond = tolerance(d, 0.05, memory["d0"])
        held = (distance(obj, point) < 0.02) & (memory["frame"][:, 3] > 0)
        way = np.where(obj[:, 1] > 0.75, 5.0 + 3.0 * beyond, 1.0 + 4.0 * around)
        return np.where(d < 0.05, REACHED, 2.0 * self.caging(state, memory, action, point, obj) + held * way)

    def _around(self, obj: Array) -> Array:
        return norm((obj[:, :2] - self.wall_end) * ALONG_X[:2])


@task("soccer", "sawyer_soccer", "push the ball into the goal", (-0.1, 0.6, 0.03, -0.1, 0.8, 0.0),
      (0.1, 0.7, 0.03, 0.1, 0.9, 0.0), apart_m=0.15, position=Source(kind="body", name="soccer_ball"),
      quaternion=Source(kind="body", name="soccer_ball", order=XYZW))  # fmt: skip
class Soccer(Push):
    """Success: d at most 7 cm. D = |3 dx, dy, dz|, and D0 is D to o0 from where the ball is now, as in the original."""

    caging = Caging(object_radius_m=0.013, xz_m=0.005, squeeze_m=0.01)
    success_m = 0.07

    def start(self, sample: Mapping[str, Array]) -> Start:
        """Place ball and goal."""
        vector = sample["rand_vec"]
        goal = vector[:, 3:]
        return Start(joints={"soccer_ball": vector[:, :3]}, bodies={"goal_whole": goal}, sites={"goal": goal})

    def target(self, state: State, vector: Array) -> Array:
        """Return the drawn point."""
        return vector[:, 3:]

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 3 G + 6.5 I; I: T(D) with the margin D0, less when past the goal's line beside the goal."""
        obj, goal = memory["frame"][:, 4:7], memory["goal"]
        off = (obj - goal) * ALONG_X
        far = norm(off)
        in_place = tolerance(far, 0.07, norm((obj - memory["object0"]) * ALONG_X))
        past = off[:, 1] + 0.1  # beyond the goal's line
        missed = (past > 0.0) & (abs(off[:, 0]) > 0.3)
        in_place = np.where(missed, np.maximum(in_place - 2.0 * past / (1.1 - goal[:, 1]), 0.0), in_place)
        reward = 3.0 * self.caging(state, memory, action, tcp(state), obj) + 6.5 * in_place
        return np.where(far < 0.07, REACHED, reward)


@task("sweep", "sawyer_sweep_v3", "sweep the block to the table's side", (-0.1, 0.6, 0.02), (0.1, 0.7, 0.02),
      position=Source(kind="body", name="obj"), quaternion=Source(kind="body", name="obj"))  # fmt: skip
class Sweep(Push):
    """Success: d at most 5 cm. The goal has the block's y."""

    caging = Caging(object_radius_m=0.02, xz_m=0.005, squeeze_m=0.01)

    def start(self, sample: Mapping[str, Array]) -> Start:
        """Place the block and the mark of the goal."""
        return Start(joints={"obj": sample["rand_vec"]}, sites={"goal": self._goal(sample["rand_vec"])})

    def target(self, state: State, vector: Array) -> Array:
        """Return the point at the table's side."""
        return self._goal(vector)

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 2 G + 6 H(G, T(d))."""
        obj = memory["frame"][:, 4:7]
        return self.swept(state, memory, action, distance(obj, memory["goal"]), memory["d0"])

    def swept(self, state: State, memory: Memory, action: Array, d: Array, margin: Array) -> Array:
        """Return the reward for d with its margin, both ``(N,)``."""
        grasp = self.caging(state, memory, action, tcp(state), memory["frame"][:, 4:7])
        return np.where(d < 0.05, REACHED, 2.0 * grasp + 6.0 * hamacher(grasp, tolerance(d, 0.05, margin)))

    def _goal(self, vector: Array) -> Array:
        return vector * (0.0, 1.0, 0.0) + (0.5, 0.0, 0.01)


@task("sweep-into", "sawyer_table_with_hole", "sweep the block into the hole",
      (-0.1, 0.6, 0.02, -0.001, 0.8399, 0.0199), (0.1, 0.7, 0.02, 0.001, 0.8401, 0.0201),
      **PUCK, apart_from=HOLE[:2])  # fmt: skip
class SweepInto(Sweep):
    """Success: d at most 5 cm; d is horizontal, its margin level with o, and the hole stays where it is."""

    start = puck_start(2)
    caging = Caging(object_radius_m=0.02, xz_m=0.01, squeeze_m=0.005)

    def target(self, state: State, vector: Array) -> Array:
        """Return the hole; the drawn goal is not used."""
        return np.tile(HOLE, (len(vector), 1))

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return Push's constants and the square of d at reset."""
        constants = super().constants(state, memory, vector)
        return {**constants, "square0": self._gap(memory) ** 2}

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 2 G + 6 H(G, T(d))."""
        margin = level_margin(memory["square0"], memory["frame"][:, 4:7], memory)
        return self.swept(state, memory, action, self._gap(memory), margin)

    def success(self, state: State, memory: Memory) -> Array:
        """Compare d with 5 cm."""
        return self._gap(memory) <= 0.05

    def _gap(self, memory: Memory) -> Array:
        return norm(memory["frame"][:, 4:6] - memory["goal"][:, :2])
