"""Tasks with what turns: faucet-open, faucet-close, dial-turn, lever-pull.

Notation of the rewards: o observed object position, t goal, d = |o - t|, c point between the fingertips, h = |o - c|,
T, N and H are ``tolerance``, the same with a gaussian, and ``hamacher``; a margin named ``..._margin`` is the value at
reset less the bound. All rewards are the original's V2 rewards, in [0, 10].
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from metasim.core.reads import Reads
from metasim.core.rewards import at_least, distance, hamacher, norm, tolerance
from metasim.core.state import State
from metasim.core.task import Memory
from metasim.tasks.metaworld.family import XYZW, MetaWorldTask, Source, tcp
from metasim.tasks.metaworld.table import BACK, REACHED, body_start, task

Array = Any
# The original observes the frame of the lever's knob, a mesh so round that its axes depend on the engine's version.
KNOB_FRAME = (0.662500039, 0.662500039, -0.247171395, 0.247171395)
DEEP_HAND_LOW_M = (-0.5, 0.4, -0.15)
FAUCET: dict[str, Any] = {
    "hand_init": BACK,
    "hand_low": DEEP_HAND_LOW_M,
    "quaternion": Source(kind="body", name="faucetBase"),
}


class _Faucet(MetaWorldTask):
    """The faucet with a handle that turns about the vertical. Success: d at most 7 cm.

    Margins are measured from the faucet's foot, not from its handle.
    """

    to_goal: ClassVar[Array]
    ahead: ClassVar[Array] = np.zeros(3)  # what d and h are measured from, seen from o

    start = body_start("faucetBase", "knob_Joint_1", 0.0)

    def target(self, state: State, vector: Array) -> Array:
        """Return where the handle's end is once turned by a right angle."""
        return vector + self.to_goal

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return the margin of h."""
        return {"h_margin": abs(distance(vector, np.array(self.tcp_init)) - 0.01)}

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 4 N(h) + 6 T(d)."""
        obj = self._end(memory)
        d = distance(obj, memory["goal"])
        reach = tolerance(distance(obj, tcp(state)), 0.01, memory["h_margin"], sigmoid="gaussian")
        reward = 4.0 * reach + 6.0 * tolerance(d, 0.07, math.hypot(*self.to_goal) - 0.07)
        return np.where(d <= 0.07, REACHED, reward)

    def success(self, state: State, memory: Memory) -> Array:
        """Compare d with 7 cm."""
        return distance(self._end(memory), memory["goal"]) <= 0.07

    def _end(self, memory: Memory) -> Array:
        return memory["frame"][:, 4:7] + self.ahead


@task("faucet-open", "sawyer_faucet", "turn the faucet's handle to the right", (-0.05, 0.8, 0.0), (0.05, 0.85, 0.0),
      **FAUCET, position=Source(kind="site", name="handleStartOpen", offset=(0.0, 0.0, -0.01)))  # fmt: skip
class FaucetOpen(_Faucet):
    """Turn the handle towards +x."""

    to_goal = np.array((0.175, 0.0, 0.125))
    ahead = np.array((-0.04, 0.0, 0.03))


@task("faucet-close", "sawyer_faucet", "turn the faucet's handle to the left", (-0.1, 0.8, 0.0), (0.1, 0.85, 0.0),
      **FAUCET, position=Source(kind="site", name="handleStartClose", offset=(0.0, 0.0, -0.01)))  # fmt: skip
class FaucetClose(_Faucet):
    """Turn the handle towards -x."""

    to_goal = np.array((-0.175, 0.0, 0.125))


@task("dial-turn", "sawyer_dial", "turn the dial round", (-0.1, 0.7, 0.0), (0.1, 0.8, 0.0),
      position=Source(kind="body", name="dial"), quaternion=Source(kind="body", name="dial"),
      reads=Reads(joints=("knob_Joint_1",)))  # fmt: skip
class DialTurn(MetaWorldTask):
    """Success: d at most 7 cm. The observed position is the mark on the dial's rim."""

    start = body_start("dial", "knob_Joint_1", 0.0)
    radius_m = 0.05
    to_goal = np.array((0.0, 0.03, 0.03))
    push = np.array((0.05, 0.02, 0.09))  # from o to where the fingertips should be
    mark0 = np.array((0.0, -0.05, 0.0))  # from the dial to o at reset

    def target(self, state: State, vector: Array) -> Array:
        """Return the point the mark should come near."""
        return vector + self.to_goal

    def object_position(self, state: State) -> Array:
        """Return the mark, from the dial's place and angle."""
        mark = state.body("dial").pos.copy()
        angle = state.joint("knob_Joint_1").pos[:, 0]
        mark[:, 0] += self.radius_m * np.sin(angle)
        mark[:, 1] -= self.radius_m * np.cos(angle)
        return mark

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return the margins of d, measured from where the fingertips should be, and of h."""
        push = vector + self.mark0 + self.push
        return {
            "d_margin": abs(distance(push, memory["goal"]) - 0.07),
            "h_margin": abs(distance(push, np.array(self.tcp_init)) - 0.005),
        }

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 10 H(H(N(h), closing), T(d)), h measured to where the fingertips should be."""
        obj = memory["frame"][:, 4:7]
        h = distance(obj + self.push, tcp(state))
        reach = hamacher(tolerance(h, 0.005, memory["h_margin"], sigmoid="gaussian"), at_least(action[:, 3], 0.0))
        return 10.0 * hamacher(reach, tolerance(distance(obj, memory["goal"]), 0.07, memory["d_margin"]))

    def success(self, state: State, memory: Memory) -> Array:
        """Compare d with 7 cm."""
        return distance(memory["frame"][:, 4:7], memory["goal"]) <= 0.07


@task("lever-pull", "sawyer_lever_pull", "lift the lever until it points up", (-0.1, 0.7, 0.0), (0.1, 0.8, 0.0),
      hand_init=BACK, hand_low=DEEP_HAND_LOW_M, position=Source(kind="site", name="leverStart"),
      quaternion=Source(kind="body", name="lever_link1", order=XYZW, turned=KNOB_FRAME),
      reads=Reads(joints=("LeverAxis",)))  # fmt: skip
class LeverPull(MetaWorldTask):
    """Success: the lever within 7.5 degrees of pointing up."""

    weights = np.array((4.0, 1.0, 4.0))
    shoulder = np.array((0.0, 0.055, 0.07))  # from the hand to the gripper's housing, which lifts the lever [m]
    level = np.array((0.12, -0.2, 0.25))  # from where the lever is placed to its end when level, and when up
    up = np.array((0.12, 0.0, 0.45))

    start = body_start("lever", "LeverAxis", 0.0)

    def target(self, state: State, vector: Array) -> Array:
        """Return where the lever's end is when it points up."""
        return vector + self.up

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return the weighted distance from c to the lever, and d, at reset."""
        lever = vector + self.level
        return {
            "s_margin": norm((self.tcp_init + self.shoulder - lever) * self.weights),
            "d_margin": distance(lever, memory["goal"]),
        }

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 10 H(T(s), T(d)), with s the weighted distance of the gripper's housing from the lever's end."""
        frame = memory["frame"]
        s = norm((frame[:, :3] + self.shoulder - frame[:, 4:7]) * self.weights)
        lifted = tolerance(distance(frame[:, 4:7], memory["goal"]), 0.04, memory["d_margin"])
        return 10.0 * hamacher(tolerance(s, 0.02, memory["s_margin"]), lifted)

    def success(self, state: State, memory: Memory) -> Array:
        """Compare the angle with 7.5 degrees."""
        return abs(state.joint("LeverAxis").pos[:, 0] + math.pi / 2) <= math.pi / 24
