"""Tasks with a handle that slides up and down: handle-press, handle-press-side, handle-pull, handle-pull-side.

Notation of the rewards: o observed object position (a point of the handle), o0 the same at reset, t goal,
c point between the fingertips, c0 the same at reset, h = |o - c|, e the error, |dz| or |o - t|;
T and H are ``tolerance`` and ``hamacher``, G the caging reward, a margin is the value at reset less the bound.
All rewards are the original's V2 rewards, in [0, 10].

The original settles the arm with the handle already in place, so where the handle stands in the arm's way c0 is up to
6 mm off, differently in each version of the engine. Here the arm settles before the handle is placed, and c0 is read
from the state that an episode starts in, at the moment at which the original notes it: one substep earlier.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from metasim.core.reads import Reads
from metasim.core.rewards import distance, hamacher, tolerance
from metasim.core.state import State
from metasim.core.task import Memory
from metasim.tasks.metaworld.caging import Caging
from metasim.tasks.metaworld.family import MetaWorldTask, Source, tcp
from metasim.tasks.metaworld.table import REACHED, body_start, task

Array = Any
TIPS = ("rightEndEffector", "leftEndEffector")
SUBSTEP_S = 0.0025
FRONT: dict[str, Any] = {"low": (-0.1, 0.8, -0.001), "high": (0.1, 0.9, 0.001)}


def handle(site: str, goal: str) -> dict[str, Any]:
    """Return the part of a table row that says which point of the handle is observed and which site is its goal."""
    return {"position": Source(kind="site", name=site), "reads": Reads(sites=(goal, *TIPS), velocities=TIPS)}


def tcp_before(state: State) -> Array:
    """Return the point between the fingertips ``(N, 3)`` [m] one substep before ``state``."""
    right, left = (state.site(tip) for tip in TIPS)
    return (right.pos + left.pos - SUBSTEP_S * (right.lin_vel + left.lin_vel)) * 0.5


class _Press(MetaWorldTask):
    """A handle to be pressed down. Success: |dz| at most 2 cm."""

    start = body_start("box", "handle_link", -0.001)

    def target(self, state: State, vector: Array) -> Array:
        """Return where the handle is when pressed."""
        return state.site("goalPress").pos

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return margins of h and |dz|."""
        return {
            "h_margin": abs(distance(memory["frame"][:, 4:7], tcp_before(state)) - 0.02),
            "dz_margin": abs(self._error(memory) - 0.02),
        }

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 10 H(T(h), T(|dz|))."""
        error = self._error(memory)
        reach = tolerance(distance(memory["frame"][:, 4:7], tcp(state)), 0.02, memory["h_margin"])
        reward = REACHED * hamacher(reach, tolerance(error, 0.02, memory["dz_margin"]))
        return np.where(error <= 0.02, REACHED, reward)

    def success(self, state: State, memory: Memory) -> Array:
        """Compare |dz| with 2 cm."""
        return self._error(memory) <= 0.02

    def _error(self, memory: Memory) -> Array:
        return abs(memory["frame"][:, 6] - memory["goal"][:, 2])


@task("handle-press", "sawyer_handle_press", "press the handle down", **FRONT,
      **handle("handleStart", "goalPress"))  # fmt: skip
class HandlePress(_Press):
    """The handle points at the robot."""


@task("handle-press-side", "sawyer_handle_press_sideways", "press the handle at the side down",
      (-0.35, 0.65, -0.001), (-0.25, 0.75, 0.001), **handle("handleStart", "goalPress"))  # fmt: skip
class HandlePressSide(_Press):
    """The handle points along +x."""


class _Pull(MetaWorldTask):
    """A handle to be pulled up. Success: e at most ``success_m``.

    Attributes:
        caging: The grasp that is rewarded.
        lifted: The axis of o that is compared with the height of o0 to tell whether the handle is lifted.
    """

    start = body_start("box", "handle_link", -0.1)
    caging: ClassVar[Caging]
    lifted: ClassVar[int]
    success_m: ClassVar[float]

    def target(self, state: State, vector: Array) -> Array:
        """Return where the handle is when pulled up."""
        return state.site("goalPull").pos

    def object0(self, memory: Memory, vector: Array) -> Array:
        """Return what the original takes for o0 ``(n, 3)``."""
        return np.array(memory["frame"][:, 4:7])

    def error(self, obj: Array, goal: Array) -> Array:
        """Return e ``(N,)``."""
        return distance(obj, goal)

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return the caging constants and e at reset."""
        object0 = self.object0(memory, vector)
        caging = self.caging.constants(tcp_before(state), object0)
        return {**caging, "error0": self.error(object0, memory["goal"])}

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return H(G, T(e)), plus 1 + 5 T(e) while lifted."""
        frame, point = memory["frame"], tcp(state)
        obj = frame[:, 4:7]
        error = self.error(obj, memory["goal"])
        in_place = tolerance(error, 0.05, memory["error0"])
        reward = hamacher(self.caging(state, memory, action, point, obj), in_place)
        lifted = (distance(obj, point) < 0.035) & (frame[:, 3] > 0)
        lifted &= obj[:, self.lifted] - 0.01 > memory["object0"][:, 2]
        return np.where(error < 0.05, REACHED, reward + lifted * (1.0 + 5.0 * in_place))

    def success(self, state: State, memory: Memory) -> Array:
        """Compare e with its bound."""
        return self.error(memory["frame"][:, 4:7], memory["goal"]) <= self.success_m


@task("handle-pull", "sawyer_handle_press", "pull the handle up", **FRONT,
      **handle("handleRight", "goalPull"))  # fmt: skip
class HandlePull(_Pull):
    """The handle points at the robot. e is |dz|; o's y is compared with the box's height, so it is always lifted."""

    caging = Caging(object_radius_m=0.022, xz_m=0.01)
    lifted = 1
    success_m = 0.05

    def object0(self, memory: Memory, vector: Array) -> Array:
        """Return the box's position, which the original uses here in the handle's place."""
        return vector

    def error(self, obj: Array, goal: Array) -> Array:
        """Return |dz| ``(N,)``."""
        return abs(goal[:, 2] - obj[:, 2])


@task("handle-pull-side", "sawyer_handle_press_sideways", "pull the handle at the side up",
      (-0.35, 0.65, 0.0), (-0.25, 0.75, 0.0), **handle("handleCenter", "goalPull"))  # fmt: skip
class HandlePullSide(_Pull):
    """The handle points along +x. e is |o - t|."""

    caging = Caging(object_radius_m=0.032, pad_distance_m=0.06, xz_m=0.01)
    lifted = 2
    success_m = 0.08
