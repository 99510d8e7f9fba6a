"""Tasks with containers: bin-picking, basketball, box-close.

Notation of the rewards: o observed object position, o0 the same at reset, t goal, d = |o - t|, c point between the
fingertips, h = |o - c|, G caging reward, I = T(d), T and H are ``tolerance`` and ``hamacher``.
All rewards are the original's V2 rewards, in [0, 10]. Its condition that the gripper be open by more than nothing
always holds and is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from metasim.core.backend import Start
from metasim.core.rewards import distance, hamacher, norm, tolerance
from metasim.core.state import State
from metasim.core.task import Memory
from metasim.tasks.metaworld.caging import Caging
from metasim.tasks.metaworld.family import MetaWorldTask, Source, funnel, tcp
from metasim.tasks.metaworld.placing import Carried
from metasim.tasks.metaworld.table import REACHED, task

Array = Any
BIN_GOAL = (0.12, 0.7, 0.0)


@task("bin-picking", "sawyer_bin_picking", "move the cube from one bin to the other",
       (-0.21, 0.65, 0.02, 0.1199, 0.699, -0.001), (-0.03, 0.75, 0.02, 0.1201, 0.701, 0.001),
       hand_low=(-0.5, 0.4, 0.07), position=Source(kind="body", name="obj"),
       quaternion=Source(kind="body", name="obj"))  # fmt: skip
class BinPicking(Carried):
    """Success: d at most 5 cm. The goal is the second bin's middle, whatever the random vector says.

    The margin of I is d after the first step, by which a cube placed into its bin's wall has been thrown out of it.
    """

    caging = Caging(object_radius_m=0.015, pad_distance_m=0.05, xz_m=0.01, effort=0.7)
    within_m = 0.05

    def start(self, sample: Mapping[str, Array]) -> Start:
        """Place the cube at the height it rests at."""
        return Start(joints={"obj": sample["rand_vec"][:, :2]})

    def target(self, state: State, vector: Array) -> Array:
        """Return the second bin's middle."""
        return np.tile(BIN_GOAL, (len(vector), 1))

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return the caging constants, d, and no margin yet."""
        constants = super().constants(state, memory, vector)
        return constants | {"d": np.array(constants["d0"]), "d_margin": np.full(len(vector), np.nan)}

    def advance(self, state: State, memory: Memory, action: Array) -> Memory:
        """Note d, and at an episode's first step its margin."""
        memory = super().advance(state, memory, action)
        margin = memory["d_margin"]
        memory["d"] = d = distance(memory["frame"][:, 4:7], memory["goal"])
        memory["d_margin"] = np.where(np.isnan(margin), d, margin)
        return memory

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return H(G, I), plus 1 + 5 H(hand above funnels around start and goal, I) while lifted."""
        frame, object0, d = memory["frame"], memory["object0"], memory["d"]
        hand, obj = frame[:, :3], frame[:, 4:7]
        in_place = tolerance(d, 0.05, memory["d_margin"])
        xy = hand[:, :2]
        nearest = np.minimum(norm(xy - object0[:, :2]), norm(xy - memory["goal"][:, :2]))
        above = tolerance(funnel(nearest, mouth=0.03, slope=0.02, height=0.2) - hand[:, 2], 0.01, 0.05)
        lifted = (distance(obj, hand) < 0.04) & (obj[:, 2] - 0.02 > object0[:, 2]) & (frame[:, 3] >= 0.43)
        reward = hamacher(self.caging(state, memory, action, tcp(state), obj), in_place)
        return np.where(d < 0.05, REACHED, reward + lifted * (1.0 + 5.0 * hamacher(above, in_place)))

    def success(self, state: State, memory: Memory) -> Array:
        """Compare d with 5 cm."""
        return memory["d"] <= self.within_m


@task("basketball", "sawyer_basketball", "dunk the ball into the basket", (-0.1, 0.6, 0.0299, -0.1, 0.85, 0.0),
       (0.1, 0.7, 0.0301, 0.1, 0.9 + 1e-7, 0.0), apart_m=0.15, position=Source(kind="body", name="bsktball"),
       quaternion=Source(kind="body", name="bsktball"))  # fmt: skip
class Basketball(Carried):
    """Success: d at most 8 cm, where d leads 30 cm above the table rather than into the ring, heights weighing double.

    The ball starts at the height of its radius, whatever the random vector says.
    """

    caging = Caging(object_radius_m=0.025, pad_distance_m=0.06, xz_m=0.005)
    within_m = 0.08
    ball_radius_m = 0.03
    scale = (1.0, 1.0, 2.0)
    raise_m = (0.0, 0.0, 0.05)

    def start(self, sample: Mapping[str, Array]) -> Start:
        """Place ball and basket."""
        vector = sample["rand_vec"]
        ball = np.array(vector[:, :3])
        ball[:, 2] = self.ball_radius_m
        return Start(joints={"bsktball": ball}, bodies={"basket_goal": vector[:, 3:]})

    def target(self, state: State, vector: Array) -> Array:
        """Return the middle of the ring."""
        return vector[:, 3:] + (0.0, -0.083, 0.25)

    def distance(self, obj: Array, goal: Array) -> Array:
        """Return the scaled distance to 5 cm above the ring's middle."""
        return norm((obj - goal - self.raise_m) * self.scale)

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return H(G, I), and I + 1 + 5 I while lifted."""
        obj, point = memory["frame"][:, 4:7], tcp(state)
        d = self.distance(obj, memory["goal"])
        in_place = tolerance(d, 0.08, memory["d0"])
        lifted = (distance(obj, point) < 0.035) & (obj[:, 2] - 0.01 > memory["object0"][:, 2])
        grasped = hamacher(self.caging(state, memory, action, point, obj), in_place)
        return np.where(d < 0.08, REACHED, np.where(lifted, 1.0 + 6.0 * in_place, grasped))


@task("box-close", "sawyer_box", "put the lid on the box", (-0.05, 0.5, 0.02, -0.1, 0.7, 0.133),
       (0.05, 0.55, 0.02, 0.1, 0.8, 0.133), apart_m=0.25, position=Source(kind="body", name="top_link"),
       quaternion=Source(kind="body", name="top_link"))  # fmt: skip
class BoxClose(MetaWorldTask):
    """Success: d below 8 cm, o being the lid. It starts upright."""

    upright = (0.707, 0.0, 0.0, 0.707)
    above_lid_m = (0.0, 0.0, 0.02)

    def start(self, sample: Mapping[str, Array]) -> Start:
        """Place lid and box."""
        vector = sample["rand_vec"]
        box = np.array(vector[:, 3:])
        box[:, 2] = 0.0
        return Start(joints={"boxbodytop": vector[:, :3]}, bodies={"boxbody": box}, sites={"goal": vector[:, 3:]})

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 2 H(closing, ready) + 8 lifted, weakened by the lid's tilt.

        Ready: the hand near the lid's handle and above a funnel around it; lifted: the lid off the table, and near t.
        """
        hand, obj, goal = memory["frame"][:, :3], memory["frame"][:, 4:7], memory["goal"]
        lid = obj + self.above_lid_m
        floor = funnel(norm(hand[:, :2] - lid[:, :2]), mouth=0.02, slope=0.04, height=0.4)
        above = tolerance(floor - hand[:, 2], 0.01, floor * 0.5)
        ready = hamacher(above, tolerance(distance(hand, lid), 0.02, 0.5))
        lifted = 0.2 * (lid[:, 2] > 0.04) + 0.8 * tolerance(norm((goal - lid) * (1.0, 1.0, 3.0)), 0.05, 0.25)
        reward = 2.0 * hamacher((action[:, 3] + 1.0) * 0.5, ready) + 8.0 * lifted
        upright = 1.0 - norm(memory["frame"][:, 7:11] - self.upright) / 0.2
        return np.where(self.success(state, memory), REACHED, reward) * np.maximum(upright, 0.0)

    def success(self, state: State, memory: Memory) -> Array:
        """Compare d with 8 cm."""
        return distance(memory["frame"][:, 4:7], memory["goal"]) < 0.08
