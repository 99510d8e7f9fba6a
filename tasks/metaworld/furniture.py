"""Tasks with furniture that moves on a joint: door, drawer, window.

Notation of the rewards: o observed object position, t goal, d = |o - t|, c point between the fingertips, h = |o - c|,
T and H are ``tolerance`` and ``hamacher``; a margin named ``..._margin`` is the value at reset less the bound.
All rewards are the original's V2 rewards, in [0, 10].
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from metasim.core.rewards import distance, hamacher, norm, tolerance
from metasim.core.state import State
from metasim.core.task import Memory
from metasim.tasks.metaworld.family import MetaWorldTask, Source, tcp
from metasim.tasks.metaworld.table import BACK, REACHED, body_start, task

Array = Any


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
