"""Tasks with doors and locks: door-open, door-close, door-lock, door-unlock.

Notation of the rewards: o observed object position, t goal, d = |o - t|, c point between the fingertips, h = |o - c|,
T, N and H are ``tolerance``, the same with a gaussian, and ``hamacher``; a margin named ``..._margin`` is the value at
reset less the bound. All rewards are the original's V2 rewards, in [0, 10].
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from metasim.core.backend import Start
from metasim.core.reads import Reads
from metasim.core.rewards import distance, hamacher, norm, tolerance
from metasim.core.state import State
from metasim.core.task import Memory
from metasim.tasks.metaworld.family import XYZW, MetaWorldTask, Source, funnel, tcp
from metasim.tasks.metaworld.table import LEFT, REACHED, body_start, task

Array = Any
PLACES = ((0.0, 0.85, 0.15), (0.1, 0.95, 0.15))
LOCK_PLACES = ((-0.1, 0.8, 0.15), (0.1, 0.85, 0.15))
HANDLE: dict[str, Any] = {
    "position": Source(kind="geom", name="handle"),
    "quaternion": Source(kind="geom", name="handle", order=XYZW),
}
LOCK_HAND_LOW_M = (-0.5, 0.4, -0.15)
LOCK_AXIS = np.array((0.0, -0.118, 0.061))  # from where the door is placed to the axis that its lock turns on [m]
LOCK_LENGTH_M = 0.1
LOCK_WEIGHTS = np.array((0.25, 1.0, 0.5))
SHOULDER = np.array((0.0, 0.055, 0.07))  # from the hand to the gripper's housing, which is what may push a lock [m]
SUBSTEP_S = 0.0025


@task("door-open", "sawyer_door_pull", "open the door by its handle", *PLACES, **HANDLE,
      reads=Reads(joints=("doorjoint",)))  # fmt: skip
class DoorOpen(MetaWorldTask):
    """Success: the handle's x within 8 cm of the goal's."""

    start = body_start("door", "doorjoint", 0.0)

    def target(self, state: State, vector: Array) -> Array:
        """Return the point the handle should reach."""
        return vector + (-0.3, -0.45, 0.0)

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 2 H(ready, closing) + 8 open; ready: above a funnel around the handle, and near it."""
        hand, door = memory["frame"][:, :3], memory["frame"][:, 4:7] - (0.05, 0.0, 0.0)
        rho = norm(hand[:, :2] - door[:, :2])
        floor = funnel(rho, 0.12, 0.04, 0.4)
        above = np.where(hand[:, 2] >= floor, 1.0, tolerance(floor - hand[:, 2], 0.01, floor / 2.0))
        ready = hamacher(above, tolerance(distance(hand - door, np.array((0.05, 0.03, -0.01))), 0.06, 0.5))
        angle = state.joint("doorjoint").pos[:, 0]
        opened = 0.2 * (angle < -math.pi / 90) + 0.8 * tolerance(2 * math.pi / 3 + angle, 0.5, math.pi / 3)
        reward = 2.0 * hamacher(ready, (action[:, 3] + 1.0) / 2.0) + 8.0 * opened
        return np.where(self.success(state, memory), REACHED, reward)

    def success(self, state: State, memory: Memory) -> Array:
        """Compare the x distance with 8 cm."""
        return abs(memory["frame"][:, 4] - memory["goal"][:, 0]) <= 0.08


@task("door-close", "sawyer_door_pull", "push the door shut", *PLACES, **HANDLE, hand_init=LEFT)
class DoorClose(MetaWorldTask):
    """Success: d at most 8 cm; the goal lies before where the handle is when the door is shut."""

    start = body_start("door", "doorjoint", -1.5708)
    to_goal = np.array((0.2, -0.2, 0.0))  # from where the door is placed
    hand0 = np.array(LEFT)

    def target(self, state: State, vector: Array) -> Array:
        """Return the point the handle should reach."""
        return vector + self.to_goal

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 3 N(|c - t|) + 6 N(d); the first margin depends on where the handle is now."""
        obj, goal = memory["frame"][:, 4:7], memory["goal"]
        d = distance(obj, goal)
        hand = tolerance(distance(tcp(state), goal), 0.0125, distance(obj, self.hand0) + 0.1, sigmoid="gaussian")
        reward = 3.0 * hand + 6.0 * tolerance(d, 0.05, math.hypot(*self.to_goal), sigmoid="gaussian")
        return np.where(d < 0.05, REACHED, reward)

    def success(self, state: State, memory: Memory) -> Array:
        """Compare d with 8 cm."""
        return distance(memory["frame"][:, 4:7], memory["goal"]) <= 0.08


@task("door-lock", "sawyer_door_lock", "turn the lock's lever down", *LOCK_PLACES, hand_low=LOCK_HAND_LOW_M,
      position=Source(kind="site", name="lockStartLock"), quaternion=Source(kind="body", name="door_link"))  # fmt: skip
class DoorLock(MetaWorldTask):
    """Success: the lever's end within 2 cm of the goal's height."""

    def start(self, sample: Mapping[str, Array]) -> Start:
        """Place the door; its lever keeps the angle it settled at."""
        return Start(bodies={"door": sample["rand_vec"]})

    def target(self, state: State, vector: Array) -> Array:
        """Return a point a lever's length below the lock's axis."""
        return vector + LOCK_AXIS + (0.0, -0.04, -LOCK_LENGTH_M)

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 2 H(open, T(s)) + 8 T(|dz|), with s the weighted distance of the left pad; s's margin is s itself."""
        frame = memory["frame"]
        s = norm((frame[:, 4:7] - state.body("leftpad").pos) * LOCK_WEIGHTS)
        turned = tolerance(self._dz(memory), 0.005, LOCK_LENGTH_M)
        return 2.0 * hamacher(np.maximum(frame[:, 3], 0.0), tolerance(s, 0.01, s)) + 8.0 * turned

    def success(self, state: State, memory: Memory) -> Array:
        """Compare the height with 2 cm."""
        return self._dz(memory) <= 0.02

    def _dz(self, memory: Memory) -> Array:
        return abs(memory["goal"][:, 2] - memory["frame"][:, 6])


@task("door-unlock", "sawyer_door_lock", "turn the lock's lever to the side", *LOCK_PLACES, hand_low=LOCK_HAND_LOW_M,
      position=Source(kind="site", name="lockStartUnlock"), quaternion=Source(kind="body", name="door_link"),
      reads=Reads(velocities=("hand",), bodies=("hand",)))  # fmt: skip
class DoorUnlock(MetaWorldTask):
    """Success: the lever's end within 2 cm of the goal's x."""

    start = body_start("door", "lock_link", 1.5708)

    def target(self, state: State, vector: Array) -> Array:
        """Return a point a lever's length beside the lock's axis."""
        return vector + LOCK_AXIS + (LOCK_LENGTH_M, -0.04, 0.0)

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return the weighted distance from c to the lock's axis, one substep before the start.

        Measured, where other tasks have a constant: in the original the arm may brush the lock while it settles.
        """
        hand, point = state.body("hand"), tcp(state)
        before = point - SUBSTEP_S * (hand.lin_vel + np.cross(hand.ang_vel, point - hand.pos))
        return {"s_margin": norm((before + SHOULDER - vector - LOCK_AXIS) * LOCK_WEIGHTS)}

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 2 T(s) + 8 T(|dx|), with s the weighted distance of the gripper's housing from the lever's end."""
        s = norm((memory["frame"][:, :3] + SHOULDER - memory["frame"][:, 4:7]) * LOCK_WEIGHTS)
        return 2.0 * tolerance(s, 0.02, memory["s_margin"]) + 8.0 * tolerance(self._dx(memory), 0.005, LOCK_LENGTH_M)

    def success(self, state: State, memory: Memory) -> Array:
        """Compare the x distance with 2 cm."""
        return self._dx(memory) <= 0.02

    def _dx(self, memory: Memory) -> Array:
        return abs(memory["goal"][:, 0] - memory["frame"][:, 4])
