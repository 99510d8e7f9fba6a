"""Tasks that put things together and take them apart: assembly, disassemble, peg-unplug-side.

Notation of the rewards: o observed object position, t goal, d = |o - t|, c point between the fingertips, h = |o - c|,
n the middle of the nut's ring, G the caging reward, T ``tolerance``. All rewards are the original's V2 rewards, in
[0, 10].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from metasim.core.backend import Start
from metasim.core.reads import Reads
from metasim.core.rewards import distance, norm, tolerance
from metasim.core.state import State
from metasim.core.task import Memory
from metasim.tasks.metaworld.caging import Caging
from metasim.tasks.metaworld.family import MetaWorldTask, Source, tcp
from metasim.tasks.metaworld.nut_turn import nut_turn
from metasim.tasks.metaworld.table import BACK, REACHED, task
from metasim.tasks.metaworld.tools import along_handle, levelness

Array = Any
NUT: dict[str, Any] = {
    "position": Source(kind="site", name="RoundNut-8"),
    "quaternion": Source(kind="body", name="RoundNut"),
    "reads": Reads(sites=("RoundNut",)),
    "apart_m": 0.1,
}


class _Nut(MetaWorldTask):
    """A nut with a handle, and a peg that fits its ring."""

    caging: ClassVar[Caging]
    half_handle_m = 0.01
    level = np.array((0.707, 0.0, 0.0, 0.707))

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return the caging constants, measured from the middle of the ring."""
        return self.caging.constants(np.array(self.tcp_init), vector[:, :3])

    def graded(self, state: State, memory: Memory, action: Array, in_place: Array) -> Array:
        """Return (2 G + 6 P) q, with P in place and q the nut kept level and straight; 10 on success."""
        frame = memory["frame"]
        spot = along_handle(frame[:, 4:7], frame[:, :3], self.half_handle_m)
        grasp = self.caging(state, memory, action, tcp(state), spot)
        reward = (2.0 * grasp + 6.0 * in_place) * levelness(frame[:, 7:11], self.level, 0.4)
        return np.where(self.success(state, memory), REACHED, reward)


@task("assembly", "sawyer_assembly_peg", "put the nut onto the peg", (0.0, 0.6, 0.02, -0.1, 0.75, 0.1),
       (0.0, 0.6, 0.02, 0.1, 0.85, 0.1), **NUT)  # fmt: skip
class Assembly(_Nut):
    """Success: n within 2 cm of the peg's axis and below its top."""

    caging = Caging(object_radius_m=0.015, pad_distance_m=0.02, xz_m=0.01, density="medium")

    def start(self, sample: Mapping[str, Array]) -> Start:
        """Place nut and peg."""
        vector = sample["rand_vec"]
        return Start(joints={"RoundNut": vector[:, :3]}, bodies={"peg": vector[:, 3:] - (0.0, 0.0, 0.05)})

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Grade P: 0.1 for lifting, and 0.9 for nearness to a funnel around the peg, z weighing threefold."""
        nut = state.site("RoundNut").pos
        off = memory["goal"] - nut
        rho = norm(off[:, :2])
        neck = np.where((rho < 0.02) & (off[:, 2] > 0.0), 0.02, 0.01)
        outside = rho > neck
        floor = np.where(outside, 0.02 * np.log(np.where(outside, rho - neck, 1.0)) + 0.2, 0.0)
        off[:, 2] = 3.0 * (floor - nut[:, 2])
        lifted = (nut[:, 2] > 0.02) | (rho < neck)
        return self.graded(state, memory, action, 0.1 * lifted + 0.9 * tolerance(norm(off), 0.02, 0.4))

    def success(self, state: State, memory: Memory) -> Array:
        """Compare n with the peg."""
        off = memory["goal"] - state.site("RoundNut").pos
        return (norm(off[:, :2]) < 0.02) & (off[:, 2] > 0.0)


@task("disassemble", "sawyer_assembly_peg", "lift the nut off the peg", (0.0, 0.6, 0.025, -0.1, 0.6, 0.1699),
       (0.1, 0.75, 0.02501, 0.1, 0.75, 0.1701), hand_init=BACK, **NUT)  # fmt: skip
class Disassemble(_Nut):
    """Success: o above t, which is higher than the peg."""

    caging = Caging(object_radius_m=0.015, pad_distance_m=0.02, xz_m=0.01)
    over = np.array((0.0, 0.0, 0.1))

    def start(self, sample: Mapping[str, Array]) -> Start:
        """Place the nut, turned as the original has it, with the peg in its ring."""
        nut = sample["rand_vec"][:, :3]
        half = (np.pi / 2 + nut_turn(nut[:, :2])) / 2
        zero = np.zeros_like(half)
        turned = np.stack([np.cos(half), zero, zero, np.sin(half)], axis=1)
        return Start(joints={"RoundNut": np.concatenate([nut, turned], axis=1)}, bodies={"peg": nut + (0.0, 0.0, 0.03)})

    def target(self, state: State, vector: Array) -> Array:
        """Return the height to lift to, above the peg."""
        return vector[:, :3] + (0.0, 0.0, 0.15)

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Grade P: 0.1 for lifting, and 0.9 for nearness to a point 10 cm over t."""
        nut = state.site("RoundNut").pos
        near = tolerance(distance(memory["goal"] + self.over, nut), 0.02, 0.2)
        return self.graded(state, memory, action, 0.1 * (nut[:, 2] > 0.02) + 0.9 * near)

    def success(self, state: State, memory: Memory) -> Array:
        """Compare heights."""
        return memory["frame"][:, 6] > memory["goal"][:, 2]


@task("peg-unplug-side", "sawyer_peg_unplug_side", "pull the plug out of the wall", (-0.25, 0.6, -0.001),
       (-0.15, 0.8, 0.001), position=Source(kind="site", name="pegEnd"),
       quaternion=Source(kind="body", name="plug1"))  # fmt: skip
class PegUnplugSide(MetaWorldTask):
    """Success: d at most 7 cm; the plug starts in the wall, straight and at rest."""

    caging = Caging(object_radius_m=0.025, pad_distance_m=0.05, xz_m=0.005, effort=0.8)
    plug = np.array((0.044, 0.0, 0.131))

    def start(self, sample: Mapping[str, Array]) -> Start:
        """Place wall, plug, and the mark of the goal."""
        wall = sample["rand_vec"]
        straight = np.repeat([[1.0, 0.0, 0.0, 0.0]], len(wall), axis=0)
        return Start(
            joints={"plug1": np.concatenate([wall + self.plug, straight], axis=1)},
            bodies={"box": wall},
            sites={"goal": self._goal(wall)},
        )

    def target(self, state: State, vector: Array) -> Array:
        """Return a point 11 cm from where the plug's end is at first."""
        return self._goal(vector)

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return the caging constants and d at reset."""
        obj = memory["frame"][:, 4:7]
        return {**self.caging.constants(np.array(self.tcp_init), obj.copy()), "d0": distance(obj, memory["goal"])}

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 2 G, plus 1 + 5 T(d) while held and out by 1.5 cm."""
        frame, point = memory["frame"], tcp(state)
        obj = frame[:, 4:7]
        d = distance(obj, memory["goal"])
        held = (frame[:, 3] > 0.5) & (obj[:, 0] - memory["object0"][:, 0] > 0.015) & (distance(obj, point) < 0.035)
        reward = 2.0 * self.caging(state, memory, action, point, obj)
        reward += held * (1.0 + 5.0 * tolerance(d, 0.05, memory["d0"]))
        return np.where(d <= 0.05, REACHED, reward)

    def success(self, state: State, memory: Memory) -> Array:
        """Compare d with 7 cm."""
        return distance(memory["frame"][:, 4:7], memory["goal"]) <= 0.07

    def _goal(self, wall: Array) -> Array:
        return wall + self.plug + (0.15, 0.0, 0.0)
