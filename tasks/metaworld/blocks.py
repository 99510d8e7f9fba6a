"""Tasks with a loose object: reach, push, pick-place, peg-insert-side.

Notation of the rewards: o observed object position, t goal, d = |o - t|, c point between the fingertips, h = |o - c|,
T and H are ``tolerance`` and ``hamacher``; a margin named ``..._margin`` is the value at reset less the bound.
All rewards are the original's V2 rewards, in [0, 10].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from metasim.core.backend import Start
from metasim.core.reads import Reads
from metasim.core.rewards import distance, hamacher, norm, rect_prism, tolerance
from metasim.core.state import State
from metasim.core.task import Memory
from metasim.tasks.metaworld.caging import Caging
from metasim.tasks.metaworld.family import XYZW, MetaWorldTask, Source, tcp
from metasim.tasks.metaworld.table import PUCK, REACHED, puck_start, task

Array = Any


@task("reach", "sawyer_reach_v3", "reach the goal point with the gripper", (-0.1, 0.6, 0.02, -0.1, 0.8, 0.05),
       (0.1, 0.7, 0.02, 0.1, 0.9, 0.3), **PUCK)  # fmt: skip
class Reach(MetaWorldTask):
    """Success: c within 5 cm of t. The puck is a distractor."""

    start = puck_start(3)

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return the distance the hand starts from."""
        return {"start_distance": distance(np.array(self.hand_init), memory["goal"])}

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 10 T(|c - t|)."""
        return REACHED * tolerance(distance(tcp(state), memory["goal"]), 0.05, memory["start_distance"])

    def success(self, state: State, memory: Memory) -> Array:
        """Compare |c - t| with 5 cm."""
        return distance(tcp(state), memory["goal"]) <= 0.05


@task("push", "sawyer_push_v3", "push the puck to the goal on the table", (-0.1, 0.6, 0.02, -0.1, 0.8, 0.01),
       (0.1, 0.7, 0.02, 0.1, 0.9, 0.02), **PUCK)  # fmt: skip
class Push(MetaWorldTask):
    """Success: d at most 5 cm; the goal lies at the height the puck rests at."""

    start = puck_start(2)
    caging = Caging(object_radius_m=0.015, pad_distance_m=0.05, xz_m=0.005)
    success_m: ClassVar[float] = 0.05

    def target(self, state: State, vector: Array) -> Array:
        """Return the drawn xy at the puck's height."""
        return np.concatenate([vector[:, 3:5], state.body("obj").pos[:, 2:]], axis=1)

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return the caging constants and d at reset."""
        object0 = memory["frame"][:, 4:7].copy()
        return {**self.caging.constants(np.array(self.tcp_init), object0), "d0": distance(object0, memory["goal"])}

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 2 G, and 4 G + 1 + 5 T(d) while holding."""
        obj, point = memory["frame"][:, 4:7], tcp(state)
        d = distance(obj, memory["goal"])
        grasp = 2.0 * self.caging(state, memory, action, point, obj)
        held = (distance(obj, point) < 0.02) & (memory["frame"][:, 3] > 0)
        reward = np.where(held, 2.0 * grasp + 1.0 + 5.0 * tolerance(d, 0.05, memory["d0"]), grasp)
        return np.where(d < 0.05, REACHED, reward)

    def success(self, state: State, memory: Memory) -> Array:
        """Compare d with the task's bound."""
        return distance(memory["frame"][:, 4:7], memory["goal"]) <= self.success_m


@task("pick-place", "sawyer_pick_place_v3", "pick up the puck and hold it at the goal",
       (-0.1, 0.6, 0.02, -0.1, 0.8, 0.05), (0.1, 0.7, 0.02, 0.1, 0.9, 0.3), **PUCK)  # fmt: skip
class PickPlace(MetaWorldTask):
    """Success: d at most 7 cm."""

    start = puck_start(3)
    caging = Caging(object_radius_m=0.015, pad_distance_m=0.05, xz_m=0.005, signed=True)

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return the caging constants and d at reset."""
        return {
            **self.caging.constants(np.array(self.tcp_init), vector[:, :3]),
            "d0": distance(vector[:, :3], memory["goal"]),
        }

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return H(G, T(d)), plus 1 + 5 T(d) while lifted."""
        frame, point = memory["frame"], tcp(state)
        obj = frame[:, 4:7]
        d = distance(obj, memory["goal"])
        in_place = tolerance(d, 0.05, memory["d0"])
        reward = hamacher(self.caging(state, memory, action, point, obj), in_place)
        lifted = (distance(obj, point) < 0.02) & (frame[:, 3] > 0) & (obj[:, 2] - 0.01 > memory["object0"][:, 2])
        return np.where(d < 0.05, REACHED, reward + lifted * (1.0 + 5.0 * in_place))

    def success(self, state: State, memory: Memory) -> Array:
        """Compare d with 7 cm."""
        return distance(memory["frame"][:, 4:7], memory["goal"]) <= 0.07


# The peg's head where the peg rests before it is placed: the original notes it there, and d0 is measured from it.
PEG_HEAD_INIT = (-0.1, 0.6, 0.01478468)
CORNERS = tuple(f"{corner}_collision_box_{k}" for k in (1, 2) for corner in ("top_left_corner", "bottom_right_corner"))


@task("peg-insert-side", "sawyer_peg_insertion_side", "insert the peg into the hole in the box's side",
       (0.0, 0.5, 0.02, -0.35, 0.4, -0.001), (0.2, 0.7, 0.02, -0.25, 0.7, 0.001), apart_m=0.1,
       position=Source(kind="site", name="pegGrasp"), quaternion=Source(kind="site", name="pegGrasp", order=XYZW),
       reads=Reads(sites=("pegHead", *CORNERS)))  # fmt: skip
class PegInsertSide(MetaWorldTask):
    """Success: the peg's head within 7 cm of the goal, y and z weighing double."""

    caging = Caging(object_radius_m=0.0075, pad_distance_m=0.03, xz_m=0.005)
    scale = (1.0, 2.0, 2.0)

    def start(self, sample: Mapping[str, Array]) -> Start:
        """Place peg and box."""
        vector = sample["rand_vec"]
        return Start(joints={"peg": vector[:, :3]}, bodies={"box": vector[:, 3:]})

    def target(self, state: State, vector: Array) -> Array:
        """Return the end of the hole."""
        return vector[:, 3:] + (0.03, 0.0, 0.13)

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return the caging constants, the margin of d, and corners of the box's two walls ``(n, 2, 3)``."""
        one_1, zero_1, one_2, zero_2 = (state.site(name).pos for name in CORNERS)
        return {
            **self.caging.constants(np.array(self.tcp_init), vector[:, :3]),
            "d0": norm((np.array(PEG_HEAD_INIT) - memory["goal"]) * self.scale),
            "walls_zero": np.stack([zero_1, zero_2], axis=1),
            "walls_one": np.stack([one_1, one_2], axis=1),
        }

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return H(G, I), plus 1 + 5 I while lifted; I: close to the goal and clear of the box's walls."""
        frame, point = memory["frame"], tcp(state)
        obj, head, d = frame[:, 4:7], state.site("pegHead").pos, self._distance(state, memory)
        walls = rect_prism(head[:, None, :], memory["walls_zero"], memory["walls_one"])
        in_place = hamacher(tolerance(d, 0.07, memory["d0"]), hamacher(walls[:, 1], walls[:, 0]))
        lifted = (distance(obj, point) < 0.08) & (frame[:, 3] > 0) & (obj[:, 2] - 0.01 > memory["object0"][:, 2])
        grasp = np.where(lifted, 1.0, self.caging(state, memory, action, point, obj))
        reward = hamacher(grasp, in_place) + lifted * (1.0 + 5.0 * in_place)
        return np.where(d <= 0.07, REACHED, reward)

    def success(self, state: State, memory: Memory) -> Array:
        """Compare the scaled distance with 7 cm."""
        return self._distance(state, memory) <= 0.07

    def _distance(self, state: State, memory: Memory) -> Array:
        return norm((state.site("pegHead").pos - memory["goal"]) * self.scale)
