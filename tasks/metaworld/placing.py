"""Tasks with objects carried to a place: pick-place-wall, pick-out-of-hole, shelf-place, hand-insert.

Notation of the rewards: o observed object position, o0 the same at reset, t goal, d = |o - t|, c point between the
fingertips, h = |o - c|, G caging reward, I = T(d), T and H are ``tolerance`` and ``hamacher``.
All rewards are the original's V2 rewards, in [0, 10]. Its condition that the gripper be open by more than nothing
always holds and is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from metasim.core.backend import Start
from metasim.core.rewards import distance, hamacher, norm, tolerance
from metasim.core.state import State
from metasim.core.task import Memory
from metasim.tasks.metaworld.caging import Caging
from metasim.tasks.metaworld.family import XYZW, MetaWorldTask, Source, funnel, tcp
from metasim.tasks.metaworld.table import REACHED, puck_start, task

Array = Any


class Carried(MetaWorldTask):
    """An object is gripped and brought to a place. Success: d at most ``within_m``."""

    caging: ClassVar[Caging]
    within_m: ClassVar[float] = 0.07

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return the caging constants and d at reset."""
        object0 = np.array(memory["frame"][:, 4:7])
        return {
            **self.caging.constants(np.array(self.tcp_init), object0),
            "d0": self.distance(object0, memory["goal"]),
        }

    def success(self, state: State, memory: Memory) -> Array:
        """Compare d with the bound."""
        return self.distance(memory["frame"][:, 4:7], memory["goal"]) <= self.within_m

    def distance(self, obj: Array, goal: Array) -> Array:
        """Return d ``(n,)``."""
        return distance(obj, goal)


@task("pick-place-wall", "sawyer_pick_place_wall_v3", "pick up the puck, lift it over the wall and hold it at the goal",
       (-0.05, 0.6, 0.015, -0.05, 0.85, 0.05), (0.05, 0.65, 0.015, 0.05, 0.9, 0.3), apart_m=0.15,
       position=Source(kind="geom", name="objGeom"),
       quaternion=Source(kind="geom", name="objGeom", order=XYZW))  # fmt: skip
class PickPlaceWall(Carried):
    """The reward leads over a point above the wall, heights weighing threefold."""

    start = puck_start(3)
    caging = Caging(object_radius_m=0.015, pad_distance_m=0.05, xz_m=0.005, density="low")
    scale = (1.0, 1.0, 3.0)

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return also the point above the wall and the distance to it at reset."""
        constants = super().constants(state, memory, vector)
        over = np.array(memory["goal"])
        over[:, 1:] = 0.77, 0.25
        return constants | {"over": over, "over0": norm((constants["object0"] - over) * self.scale)}

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return A = H(G, J) with J the closeness to the point above the wall.

        While lifted A + 1 + 4 J, and beyond y = 75 cm A + 5 + 3 I.
        """
        obj, point = memory["frame"][:, 4:7], tcp(state)
        d = distance(obj, memory["goal"])
        over = tolerance(norm((obj - memory["over"]) * self.scale), 0.05, memory["over0"])
        lifted = (distance(obj, point) < 0.02) & (obj[:, 2] - 0.015 > memory["object0"][:, 2])
        beyond = np.where(obj[:, 1] > 0.75, 5.0 + 3.0 * tolerance(d, 0.05, memory["d0"]), 1.0 + 4.0 * over)
        reward = hamacher(self.caging(state, memory, action, point, obj), over) + lifted * beyond
        return np.where(d < 0.05, REACHED, reward)


@task("pick-out-of-hole", "sawyer_pick_out_of_hole", "pick the puck out of the hole and hold it at the goal",
       (0.0, 0.75, 0.02, -0.1, 0.5, 0.15), (0.0, 0.75, 0.02, 0.1, 0.6, 0.3), hand_low=(-0.5, 0.4, -0.05),
       position=Source(kind="body", name="obj"), quaternion=Source(kind="body", name="obj"))  # fmt: skip
class PickOutOfHole(Carried):
    """The reward asks the fingertips to stay above a funnel around the hole. No two points drawn can be too close."""

    start = puck_start(3)
    caging = Caging(object_radius_m=0.015, pad_distance_m=0.02, xz_m=0.03, effort=0.1)

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return H(G, I), plus 1 + 5 H(I, above the funnel) while lifted."""
        frame, point, object0 = memory["frame"], tcp(state), memory["object0"]
        obj = frame[:, 4:7]
        d = distance(obj, memory["goal"])
        in_place = tolerance(d, 0.02, memory["d0"])
        floor = funnel(norm(point[:, :2] - object0[:, :2]), mouth=0.03, slope=0.015, height=0.15)
        above = tolerance(floor - point[:, 2], 0.01, 0.02)
        lifted = (distance(obj, point) < 0.04) & (obj[:, 2] - 0.02 > object0[:, 2]) & (frame[:, 3] >= 0.33)
        reward = hamacher(self.caging(state, memory, action, point, obj), in_place)
        return np.where(d < 0.05, REACHED, reward + lifted * (1.0 + 5.0 * hamacher(in_place, above)))


@task("shelf-place", "sawyer_shelf_placing", "pick up the block and place it on the shelf",
       (-0.1, 0.5, 0.019, -0.1, 0.8, 0.299), (0.1, 0.6, 0.021, 0.1, 0.9, 0.301), apart_m=0.1,
       position=Source(kind="body", name="obj"),
       quaternion=Source(kind="geom", name="objGeom", order=XYZW))  # fmt: skip
class ShelfPlace(Carried):
    """The block starts at the height it rests at, whatever the random vector says."""

    caging = Caging(object_radius_m=0.02, pad_distance_m=0.05, xz_m=0.01, density="low")

    def start(self, sample: Mapping[str, Array]) -> Start:
        """Place block and shelf; the goal is 30 cm above the shelf's foot."""
        vector = sample["rand_vec"]
        return Start(joints={"objjoint": vector[:, :2]}, bodies={"shelf": vector[:, 3:] - (0.0, 0.0, 0.3)})

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return H(G, I), plus 1 + 5 I' while lifted.

        I' is I less what being in front of the shelf and below its board costs, and 0 behind it.
        """
        obj, point, goal = memory["frame"][:, 4:7], tcp(state), memory["goal"]
        d = distance(obj, goal)
        in_place = tolerance(d, 0.05, memory["d0"])
        under = (0.24 - obj[:, 2]) / 0.24
        towards = (obj[:, 1] - goal[:, 1]) / 0.15 + 1.0
        low = (under > 0.0) & (under < 1.0) & (abs(obj[:, 0] - goal[:, 0]) < 0.15)
        loss = np.where(towards > 1.0, 1.0, hamacher(np.maximum(towards, 0.0), under))
        kept = np.maximum(in_place - low * loss, 0.0)
        lifted = (distance(obj, point) < 0.025) & (obj[:, 2] - 0.01 > memory["object0"][:, 2])
        reward = hamacher(self.caging(state, memory, action, point, obj), in_place) + lifted * (1.0 + 5.0 * kept)
        return np.where(d < 0.05, REACHED, reward)


@task("hand-insert", "sawyer_table_with_hole", "pick up the block and bring it into the hole in the table",
       (-0.1, 0.6, 0.05, -0.04, 0.8, -0.0201), (0.1, 0.7, 0.05, 0.04, 0.88, -0.0199), hand_low=(-0.5, 0.4, -0.15),
       apart_m=0.15, position=Source(kind="body", name="obj"),
       quaternion=Source(kind="body", name="obj"))  # fmt: skip
class HandInsert(Carried):
    """Success: d at most 5 cm. The block starts 2 cm deep in the table, which throws it up by as much."""

    start = puck_start(3)
    caging = Caging(object_radius_m=0.015, pad_distance_m=0.05, xz_m=0.005)
    within_m = 0.05

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return H(G, I), plus 1 + 7 I while the fingers are around the block."""
        obj, point = memory["frame"][:, 4:7], tcp(state)
        d = distance(obj, memory["goal"])
        in_place = tolerance(d, 0.05, memory["d0"])
        around = distance(obj, point) < 0.02
        reward = hamacher(self.caging(state, memory, action, point, obj), in_place) + around * (1.0 + 7.0 * in_place)
        return np.where(d < 0.05, REACHED, reward)
