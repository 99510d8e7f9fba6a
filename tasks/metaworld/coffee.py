"""Tasks with the coffee machine: coffee-button, coffee-pull, coffee-push.

Notation of the rewards: o observed object position, t goal, d = |o - t|, c point between the fingertips, h = |o - c|,
T and H are ``tolerance`` and ``hamacher``, G the caging reward; ds is d with x and y weighing double.
All rewards are the original's V2 rewards, in [0, 10].
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
from metasim.tasks.metaworld.family import XYZW, MetaWorldTask, Source, tcp
from metasim.tasks.metaworld.table import BACK, REACHED, task

Array = Any
MUG_M = (0.0, -0.22, 0.0)  # from the machine to a mug under its spout
PRESS_M = 0.03  # how far the button goes in
BUTTON_M = (0.0, -0.22 + PRESS_M, 0.3)  # from the machine to the pressed button
# The mug, dropped from 10 cm, still rocks when the settling ends, and in every engine otherwise; so it is written here
# as the original has it: quaternion, and velocities [m/s, rad/s] in the world and in the mug's own axes.
MUG_QUAT = (0.9995402724, 0.0047076954, -0.0026129012, -0.0298371295)
MUG_VELOCITY = (0.004795504, -0.003406438, -0.004463098, -0.770223952, -1.124267322, -0.080301290)


def _rocking(mug: Array, machine: Array, goal: Array | None = None) -> Start:
    rows = len(mug)
    return Start(
        joints={"obj": np.concatenate([mug, np.tile(MUG_QUAT, (rows, 1))], axis=1)},
        velocities={"obj": np.tile(MUG_VELOCITY, (rows, 1))},
        bodies={"coffee_machine": machine},
        sites={} if goal is None else {"mug_goal": goal},
    )


@task("coffee-button", "sawyer_coffee", "press the coffee machine's button", (-0.1, 0.8, -0.001), (0.1, 0.9, 0.001),
      hand_init=BACK, position=Source(kind="site", name="buttonStart"),
      quaternion=Source(kind="body", name="coffee_machine"))  # fmt: skip
class CoffeeButton(MetaWorldTask):
    """Success: the button's y within 2 cm of the goal's. A mug stands under the spout."""

    def start(self, sample: Mapping[str, Array]) -> Start:
        """Place the machine, and the mug under its spout."""
        machine = sample["rand_vec"]
        return _rocking(machine + MUG_M, machine)

    def target(self, state: State, vector: Array) -> Array:
        """Return where the button is when pressed."""
        return vector + BUTTON_M

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return the goal's y."""
        return {"goal_y": memory["goal"][:, 1]}

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 2 H(open, T(h)), plus 8 T(|dy|) while near; T(h) scales with |o - c0| of the button as it is now."""
        frame = memory["frame"]
        obj = frame[:, 4:7]
        h = distance(obj, tcp(state))
        near = tolerance(h, 0.05, distance(obj, np.array(self.tcp_init)))
        pressed = tolerance(abs(memory["goal_y"] - obj[:, 1]), 0.005, PRESS_M)
        return 2.0 * hamacher(np.maximum(frame[:, 3], 0.0), near) + (h <= 0.05) * 8.0 * pressed

    def success(self, state: State, memory: Memory) -> Array:
        """Compare |dy| with 2 cm."""
        return abs(memory["goal_y"] - memory["frame"][:, 5]) <= 0.02


class _Mug(MetaWorldTask):
    """A mug to be moved upright over the table. Success: d at most 7 cm."""

    caging = Caging(object_radius_m=0.02, pad_distance_m=0.05, xz_m=0.05, density="medium", reach_m=0.04, effort=0.7)
    weights: ClassVar[tuple[float, float, float]] = (2.0, 2.0, 1.0)
    under_spout: ClassVar[slice]

    def start(self, sample: Mapping[str, Array]) -> Start:
        """Place the mug, the machine with the mug's start or its goal under the spout, and the mark of the goal."""
        vector = sample["rand_vec"]
        return _rocking(vector[:, :3], vector[:, self.under_spout] - MUG_M, vector[:, 3:])

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return the caging constants and ds at reset."""
        object0 = vector[:, :3]
        return {
            **self.caging.constants(np.array(self.tcp_init), object0),
            "ds0": norm((object0 - memory["goal"]) * self.weights),
        }

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return H(G, T(ds)), plus 1 + 5 T(ds) while near."""
        frame, point = memory["frame"], tcp(state)
        obj = frame[:, 4:7]
        ds = norm((obj - memory["goal"]) * self.weights)
        in_place = tolerance(ds, 0.05, memory["ds0"])
        reward = hamacher(self.caging(state, memory, action, point, obj), in_place)
        near = (distance(obj, point) < 0.04) & (frame[:, 3] > 0)
        return np.where(ds < 0.05, REACHED, reward + near * (1.0 + 5.0 * in_place))

    def success(self, state: State, memory: Memory) -> Array:
        """Compare d with 7 cm."""
        return distance(memory["frame"][:, 4:7], memory["goal"]) <= 0.07


MUG: dict[str, Any] = {
    "position": Source(kind="body", name="obj"),
    "quaternion": Source(kind="geom", name="mug", order=XYZW),
    "hand_init": BACK,
    "apart_m": 0.15,
}


@task("coffee-pull", "sawyer_coffee", "pull the mug away from the coffee machine to the goal",
      (-0.05, 0.7, -0.001, -0.1, 0.55, -0.001), (0.05, 0.75, 0.001, 0.1, 0.65, 0.001), **MUG)  # fmt: skip
class CoffeePull(_Mug):
    """The mug starts under the spout."""

    under_spout = slice(0, 3)


@task("coffee-push", "sawyer_coffee", "push the mug under the coffee machine's spout",
      (-0.1, 0.55, -0.001, -0.05, 0.7, -0.001), (0.1, 0.65, 0.001, 0.05, 0.75, 0.001), **MUG)  # fmt: skip
class CoffeePush(_Mug):
    """The goal is under the spout."""

    under_spout = slice(3, 6)
