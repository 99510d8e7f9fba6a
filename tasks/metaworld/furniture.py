"""Tasks with furniture that moves on a joint: door, drawer, button, window.

Notation of the rewards: o observed object position, t goal, d = |o - t|, c point between the fingertips, h = |o - c|,
T and H are ``tolerance`` and ``hamacher``; a margin named ``..._margin`` is the value at reset less the bound.
All rewards are the original's V2 rewards, in [0, 10].
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from metasim.core.reads import Reads
from metasim.core.rewards import distance, hamacher, norm, tolerance
from metasim.core.state import State
from metasim.core.task import Memory
from metasim.tasks.metaworld.family import XYZW, MetaWorldTask, Source, tcp
from metasim.tasks.metaworld.table import BACK, REACHED, body_start, task

Array = Any


@task("door-open", "sawyer_door_pull", "open the door by its handle", (0.0, 0.85, 0.15), (0.1, 0.95, 0.15),
       position=Source(kind="geom", name="handle"), quaternion=Source(kind="geom", name="handle", order=XYZW),
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
        outside = rho > 0.12
        floor = np.where(outside, 0.04 * np.log(np.where(outside, rho - 0.12, 1.0)) + 0.4, 0.0)
        above = np.where(hand[:, 2] >= floor, 1.0, tolerance(floor - hand[:, 2], 0.01, floor / 2.0))
        ready = hamacher(above, tolerance(distance(hand - door, np.array((0.05, 0.03, -0.01))), 0.06, 0.5))
        angle = state.joint("doorjoint").pos[:, 0]
        opened = 0.2 * (angle < -math.pi / 90) + 0.8 * tolerance(2 * math.pi / 3 + angle, 0.5, math.pi / 3)
        reward = 2.0 * hamacher(ready, (action[:, 3] + 1.0) / 2.0 + 0.0 * rho) + 8.0 * opened
        return np.where(self.success(state, memory), REACHED, reward)

    def success(self, state: State, memory: Memory) -> Array:
        """Compare the x distance with 8 cm."""
        return abs(memory["frame"][:, 4] - memory["goal"][:, 0]) <= 0.08


@task("drawer-open", "sawyer_drawer", "pull the drawer open", (-0.1, 0.9, 0.0), (0.1, 0.9, 0.0),
       position=Source(kind="body", name="drawer_link", offset=(0.0, -0.16, 0.0)),
       quaternion=Source(kind="body", name="drawer_link"))  # fmt: skip
class DrawerOpen(MetaWorldTask):
    """Success: d at most 3 cm."""

    start = body_start("drawer", "goal_slidey", 0.0)

    def target(self, state: State, vector: Array) -> Array:
        """Return where the handle is when the drawer is open."""
        return vector + (0.0, -0.36, 0.09)

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return the scaled distance from fingertips to drawer at reset."""
        handle = memory["goal"] + (0.0, 0.2, 0.0)
        return {"reach_margin": norm((handle - self.tcp_init) * (3.0, 3.0, 1.0))}

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 5 T(scaled |o - hand|) + 5 T(d)."""
        hand, obj = memory["frame"][:, :3], memory["frame"][:, 4:7]
        reached = tolerance(norm((obj - hand) * (3.0, 3.0, 1.0)), 0.01, memory["reach_margin"])
        return 5.0 * reached + 5.0 * tolerance(distance(obj, memory["goal"]), 0.02, 0.2)

    def success(self, state: State, memory: Memory) -> Array:
        """Compare d with 3 cm."""
        return distance(memory["frame"][:, 4:7], memory["goal"]) <= 0.03


@task("drawer-close", "sawyer_drawer", "push the drawer shut", (-0.1, 0.9, 0.0), (0.1, 0.9, 0.0),
       position=Source(kind="body", name="drawer_link", offset=(0.0, -0.16, 0.05)))  # fmt: skip
class DrawerClose(MetaWorldTask):
    """Success: d at most 6.5 cm."""

    start = body_start("drawer", "goal_slidey", -0.15)

    def target(self, state: State, vector: Array) -> Array:
        """Return where the handle is when the drawer is shut."""
        return vector + (0.0, -0.16, 0.09)

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return margins of d and h."""
        obj = memory["frame"][:, 4:7]
        return {
            "d_margin": abs(distance(obj, memory["goal"]) - 0.05),
            "h_margin": abs(distance(obj, np.array(self.tcp_init)) - 0.005),
        }

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 10 H(H(N(h), closing), T(d))."""
        obj = memory["frame"][:, 4:7]
        d, h = distance(obj, memory["goal"]), distance(obj, tcp(state))
        reach = tolerance(h, 0.005, memory["h_margin"], sigmoid="gaussian")
        closing = np.maximum(action[:, 3], 0.0) + 0.0 * h
        reward = 10.0 * hamacher(hamacher(reach, closing), tolerance(d, 0.05, memory["d_margin"]))
        return np.where(d <= 0.065, REACHED, reward)

    def success(self, state: State, memory: Memory) -> Array:
        """Compare d with 6.5 cm."""
        return distance(memory["frame"][:, 4:7], memory["goal"]) <= 0.065


@task("button-press-topdown", "sawyer_button_press_topdown", "press the button down", (-0.1, 0.8, 0.115),
       (0.1, 0.9, 0.115), hand_init=BACK, position=Source(kind="body", name="button", offset=(0.0, 0.0, 0.193)),
       quaternion=Source(kind="body", name="button"), reads=Reads(sites=("hole", "buttonStart")))  # fmt: skip
class ButtonPressTopdown(MetaWorldTask):
    """Success: the button's height within 2.4 cm of the hole's."""

    start = body_start("box", "btnbox_joint", 0.0)

    def target(self, state: State, vector: Array) -> Array:
        """Return the hole."""
        return state.site("hole").pos

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return the press at reset."""
        return {"dz_margin": abs(memory["goal"][:, 2] - state.site("buttonStart").pos[:, 2])}

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 5 H(closed, T(h)), plus 5 T(|dz|) while near."""
        obj = memory["frame"][:, 4:7]
        h = distance(obj, tcp(state))
        near = tolerance(h, 0.01, distance(obj, np.array(self.tcp_init)))
        pressed = tolerance(abs(memory["goal"][:, 2] - obj[:, 2]), 0.005, memory["dz_margin"])
        return 5.0 * hamacher(1.0 - memory["frame"][:, 3], near) + (h <= 0.03) * 5.0 * pressed

    def success(self, state: State, memory: Memory) -> Array:
        """Compare |dz| with 2.4 cm."""
        return abs(memory["goal"][:, 2] - memory["frame"][:, 6]) <= 0.024


class _Window(MetaWorldTask):
    """The sliding window. Success: the handle's x within 5 cm of the goal's."""

    sigmoid: ClassVar[str] = "long_tail"

    def start_x(self, obj: Array, vector: Array) -> Array:
        """Return the x that the original takes for the handle's at reset."""
        return obj[:, 0]

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return margins of h and of the x distance."""
        obj = memory["frame"][:, 4:7]
        return {
            "h_margin": abs(distance(obj, np.array(self.tcp_init)) - 0.02),
            "dx_margin": abs(abs(self.start_x(obj, vector) - memory["goal"][:, 0]) - 0.05),
        }

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 10 H(T(h), T(|dx|))."""
        obj = memory["frame"][:, 4:7]
        reach = tolerance(distance(obj, tcp(state)), 0.02, memory["h_margin"], sigmoid=self.sigmoid)
        return 10.0 * hamacher(reach, tolerance(abs(obj[:, 0] - memory["goal"][:, 0]), 0.05, memory["dx_margin"]))

    def success(self, state: State, memory: Memory) -> Array:
        """Compare the x distance with 5 cm."""
        return abs(memory["frame"][:, 4] - memory["goal"][:, 0]) <= 0.05


@task("window-open", "sawyer_window_horizontal", "slide the window open", (-0.1, 0.7, 0.16), (0.1, 0.9, 0.16),
       hand_init=BACK, position=Source(kind="site", name="handleOpenStart"))  # fmt: skip
class WindowOpen(_Window):
    """Slide the handle 20 cm towards +x."""

    start = body_start("window", "window_slide", 0.0)

    def target(self, state: State, vector: Array) -> Array:
        """Return where the handle is when the window is open."""
        return vector + (0.2, 0.0, 0.0)

    def start_x(self, obj: Array, vector: Array) -> Array:
        """Return the window's own x, which the original uses here in the handle's place."""
        return vector[:, 0]


@task("window-close", "sawyer_window_horizontal", "slide the window shut", (0.0, 0.75, 0.2), (0.0, 0.9, 0.2),
       hand_init=BACK, position=Source(kind="site", name="handleCloseStart"))  # fmt: skip
class WindowClose(_Window):
    """Slide the handle 20 cm towards -x."""

    start = body_start("window", "window_slide", 0.2)
    sigmoid = "gaussian"
