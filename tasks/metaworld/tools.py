"""Tasks with tools: hammer, stick-push, stick-pull.

Notation of the rewards: o observed position of the tool, s of the second object, t goal, d = |s - t|, c point between
the fingertips, h = |o - c|, G the caging reward, T and H are ``tolerance`` and ``hamacher``.
All rewards are the original's V2 rewards, in [0, 10].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from metasim.core.backend import Start
from metasim.core.reads import Reads
from metasim.core.rewards import distance, hamacher, norm, tolerance
from metasim.core.state import State
from metasim.core.task import Memory
from metasim.tasks.metaworld.caging import Caging
from metasim.tasks.metaworld.family import XYZW, MetaWorldTask, Source, tcp
from metasim.tasks.metaworld.table import BACK, REACHED, task

Array = Any


def along_handle(obj: Array, hand: Array, reach_m: float) -> Array:
    """Return where on a handle along x the hand may grasp ``(N, 3)``: at the hand's own x within ``reach_m``."""
    spot = obj.copy()
    spot[:, 0] = np.where(abs(obj[:, 0] - hand[:, 0]) < reach_m, hand[:, 0], obj[:, 0])
    return spot


def levelness(quat: Array, ideal: Array, tolerated: float) -> Array:
    """Return 1 for the ideal quaternion, falling to 0 at the tolerated distance; ``(N,)``, q and -q are told apart."""
    return np.maximum(1.0 - distance(quat, ideal) / tolerated, 0.0)


@task("hammer", "sawyer_hammer", "hammer the nail into the wall", (-0.1, 0.4, 0.0), (0.1, 0.5, 0.0), hand_init=BACK,
       position=Source(kind="body", name="hammer"), quaternion=Source(kind="body", name="hammer"),
       second=Source(kind="body", name="nail_link"), second_quaternion=Source(kind="body", name="nail_link"),
       reads=Reads(joints=("NailSlideJoint",), sites=("goal",)))  # fmt: skip
class Hammer(MetaWorldTask):
    """Success: the nail driven in by more than 9 cm."""

    caging = Caging(object_radius_m=0.015, pad_distance_m=0.02, xz_m=0.01)
    half_handle_m = 0.07
    head = np.array((0.16, 0.06, 0.0))
    level = np.array((1.0, 0.0, 0.0, 0.0))

    def start(self, sample: Mapping[str, Array]) -> Start:
        """Place the hammer; it keeps the slight turn that it settles with."""
        return Start(joints={"hammerbody": sample["rand_vec"]})

    def target(self, state: State, vector: Array) -> Array:
        """Return where the nail's head is when it is driven in."""
        return state.site("goal").pos

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return the caging constants."""
        return self.caging.constants(np.array(self.tcp_init), vector)

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return (2 G + 6 P) q; P: 0.1 while the head is off the table, and 0.9 T(|t - head|); q: kept level."""
        frame = memory["frame"]
        obj = frame[:, 4:7]
        head, spot = obj + self.head, along_handle(obj, frame[:, :3], self.half_handle_m)
        in_place = 0.1 * (head[:, 2] > 0.02) + 0.9 * tolerance(distance(memory["goal"], head), 0.02, 0.2)
        grasp = self.caging(state, memory, action, tcp(state), spot)
        reward = (2.0 * grasp + 6.0 * in_place) * levelness(frame[:, 7:11], self.level, 0.4)
        return np.where(self.success(state, memory) & (reward > 5.0), REACHED, reward)

    def success(self, state: State, memory: Memory) -> Array:
        """Compare how far the nail is in with 9 cm."""
        return state.joint("NailSlideJoint").pos[:, 0] > 0.09


class _Stick(MetaWorldTask):
    """A stick on the table and a thermos that slides in the plane."""

    thermos_q: ClassVar[tuple[float, float]]
    goal_height_m: ClassVar[float]
    thermos0 = np.array((0.2, 0.6, 0.0))  # the thermos's own frame, which does not slide with it
    goal_radius_m = 0.12
    stick_height_m = 0.02

    def start(self, sample: Mapping[str, Array]) -> Start:
        """Place stick, thermos, and the mark of the goal."""
        vector = sample["rand_vec"]
        slides = {
            joint: np.full((len(vector), 1), q)
            for joint, q in zip(("obj_slidex", "obj_slidey"), self.thermos_q, strict=True)
        }
        return Start(joints={"stick": self._stick0(vector), **slides}, sites={"goal": self._goal(vector)})

    def target(self, state: State, vector: Array) -> Array:
        """Return the drawn xy at the height the task asks for."""
        return self._goal(vector)

    def _goal(self, vector: Array) -> Array:
        return _at_height(vector[:, 3:5], self.goal_height_m)

    def _stick0(self, vector: Array) -> Array:
        return _at_height(vector[:, :2], self.stick_height_m)

    def _lifted(self, memory: Memory) -> Array:
        frame = memory["frame"]
        return (frame[:, 3] > 0) & (frame[:, 6] - 0.01 > self.stick_height_m)


def _at_height(xy: Array, z: float) -> Array:
    return np.concatenate([xy, np.full((len(xy), 1), z)], axis=1)


STICK: dict[str, Any] = {
    "position": Source(kind="body", name="stick"),
    "quaternion": Source(kind="body", name="stick", order=XYZW),
}
PADS = (("leftpad_geom", "objGeom"), ("rightpad_geom", "objGeom"))


@task("stick-push", "sawyer_stick_obj", "grasp the stick and push the thermos to the goal with it",
       (-0.08, 0.58, 0.0, 0.399, 0.55, 0.1319), (-0.03, 0.62, 0.001, 0.401, 0.6, 0.1321), apart_m=0.1, **STICK,
       second=Source(kind="site", name="insertion", offset=(0.0, 0.09, 0.0)), reads=Reads(contacts=PADS))  # fmt: skip
class StickPush(_Stick):
    """Success: d at most 12 cm, the stick in the air and pressed by both fingers."""

    thermos_q = (0.0, 0.0)
    goal_height_m = 0.132
    caging = Caging(object_radius_m=0.04, pad_distance_m=0.05, xz_m=0.01)
    grip = np.array((0.015, 0.0, 0.0))

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return the caging constants and the margins of stick and thermos."""
        stick0, goal = self._stick0(vector), memory["goal"]
        return {
            **self.caging.constants(np.array(self.tcp_init), stick0),
            "stick_margin": distance(stick0, goal) - self.goal_radius_m,
            "d_margin": distance(self.thermos0, goal) - self.goal_radius_m,
        }

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return G, and 2 + 5 T(|o - t|) + 3 T(d) while lifted."""
        frame, goal, point = memory["frame"], memory["goal"], tcp(state)
        spot, d = frame[:, 4:7] + self.grip, distance(frame[:, 11:14], goal)
        stick = tolerance(distance(spot, goal), self.goal_radius_m, memory["stick_margin"])
        thermos = tolerance(d, self.goal_radius_m, memory["d_margin"])
        held = np.where(d <= self.goal_radius_m, REACHED, 2.0 + 5.0 * stick + 3.0 * thermos)
        lifted = (distance(spot, point) < 0.02) & self._lifted(memory)
        return np.where(lifted, held, self.caging(state, memory, action, point, spot))

    def success(self, state: State, memory: Memory) -> Array:
        """Compare d with 12 cm, and ask both pads whether they press on the stick."""
        near = distance(memory["frame"][:, 11:14], memory["goal"]) <= self.goal_radius_m
        left, right = (state.contact(*pair).force for pair in PADS)
        return near & self._lifted(memory) & (left != 0).any(axis=1) & (right != 0).any(axis=1)


@task("stick-pull", "sawyer_stick_obj", "put the stick through the thermos's handle and pull it to the goal",
       (-0.1, 0.55, 0.0, 0.35, 0.45, 0.0199), (0.0, 0.65, 0.001, 0.45, 0.55, 0.0201), apart_m=0.1, **STICK,
       hand_low=(-0.5, 0.35, 0.05), second=Source(kind="site", name="insertion"),
       reads=Reads(sites=("stick_end",)))  # fmt: skip
class StickPull(_Stick):
    """Success: d at most 12 cm, the stick's end through the handle."""

    thermos_q = (0.0, 0.09)
    goal_height_m = 0.02
    caging = Caging(object_radius_m=0.014, pad_distance_m=0.05, xz_m=0.01)
    scale = np.array((1.0, 1.0, 2.0))
    inside = np.array((0.05, 0.0, 0.0))  # from the handle into the thermos

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return the caging constants, measured from the thermos, and the margins of stick and thermos."""
        stick0, goal, thermos0 = self._stick0(vector), memory["goal"], np.broadcast_to(self.thermos0, (len(vector), 3))
        return {
            **self.caging.constants(np.array(self.tcp_init), thermos0.copy()),
            "insert_margin": norm((stick0 - (thermos0 + self.inside)) * self.scale),
            "stick_margin": distance(stick0, goal),
            "thermos_margin": distance(thermos0, goal),
        }

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return A = H(G, I); while lifted 1 + A + 5 I, and 6 + A + 2 T(|o - t|) + T(|s' - t|) while inserted.

        s' is 5 cm from s in the thermos, I = T(scaled |o - s'|).
        """
        frame, goal, point = memory["frame"], memory["goal"], tcp(state)
        obj, thermos = frame[:, 4:7], frame[:, 11:14] + self.inside
        insert = tolerance(norm((obj - thermos) * self.scale), 0.05, memory["insert_margin"])
        lifted = (distance(obj, point) < 0.02) & self._lifted(memory)
        reward = hamacher(np.where(lifted, 1.0, self.caging(state, memory, action, point, obj)), insert)
        pulled = 2.0 * tolerance(distance(obj, goal), 0.05, memory["stick_margin"])
        pulled += tolerance(distance(thermos, goal), 0.05, memory["thermos_margin"])
        inserted = self._inserted(state, memory)
        more = np.where(inserted, 6.0 + pulled, 1.0 + 5.0 * insert)
        return np.where(lifted & inserted & self._near(memory), REACHED, reward + lifted * more)

    def success(self, state: State, memory: Memory) -> Array:
        """Compare d with 12 cm, and where the stick's end is with the handle."""
        return self._near(memory) & self._inserted(state, memory)

    def _near(self, memory: Memory) -> Array:
        return distance(memory["frame"][:, 11:14], memory["goal"]) <= self.goal_radius_m

    def _inserted(self, state: State, memory: Memory) -> Array:
        through = state.site("stick_end").pos - memory["frame"][:, 11:14]
        return (through[:, 0] >= 0.0) & (abs(through[:, 1]) <= 0.04) & (abs(through[:, 2]) <= 0.06)
