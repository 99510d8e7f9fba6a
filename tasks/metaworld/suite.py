"""The ten tasks of MT10: table rows, rewards and success rules.

Notation of the rewards: o observed object position, t goal, d = |o - t|, c point between the fingertips, h = |o - c|,
T and H are ``tolerance`` and ``hamacher``; a margin named ``..._margin`` is the quantity's value at reset less the bound.
All rewards are the original's V2 rewards, in [0, 10].
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from metasim.core.backend import Start
from metasim.core.reads import Reads
from metasim.core.rewards import distance, hamacher, norm, rect_prism, tolerance
from metasim.core.state import State
from metasim.core.task import Memory, register
from metasim.tasks.metaworld import family
from metasim.tasks.metaworld.caging import Caging
from metasim.tasks.metaworld.experts import EXPERTS
from metasim.tasks.metaworld.family import ARM, XYZW, MetaWorldTask, RandomVector, Source, scene, tcp

Array = Any
MT10 = tuple(
    f"metaworld/{name}-v3"
    for name in (
        "reach",
        "push",
        "pick-place",
        "door-open",
        "drawer-open",
        "drawer-close",
        "button-press-topdown",
        "peg-insert-side",
        "window-open",
        "window-close",
    )
)
# Where the hand's target is held while a scene settles, and where the original then notes the fingertips (one substep
# before the end); goldens record the latter as ``init_tcp``. Rewards scale with it, in every engine alike.
MIDDLE, MIDDLE_TCP = (0.0, 0.6, 0.2), (0.00428573, 0.6014887, 0.15018928)
BACK, BACK_TCP = (0.0, 0.4, 0.2), (0.00440750, 0.40027054, 0.15074049)
TCP = {MIDDLE: MIDDLE_TCP, BACK: BACK_TCP}
REACHED = 10.0


PUCK: dict[str, Any] = {
    "position": Source(kind="body", name="obj"),
    "quaternion": Source(kind="geom", name="objGeom", order=XYZW),
    "apart_m": 0.15,
}


def _task(
    name: str,
    xml: str,
    instruction: str,
    low: tuple[float, ...],
    high: tuple[float, ...],
    *,
    position: Source,
    quaternion: Source | None = None,
    hand_init: tuple[float, float, float] = MIDDLE,
    apart_m: float = 0.0,
    reads: Reads | None = None,
) -> Any:
    """Return the decorator that registers a task with its table row."""
    declared = ARM.merge(position.reads).merge(reads or Reads())
    return register(
        f"metaworld/{name}-v3",
        instruction=instruction,
        scene=scene(xml),
        prelude=family.prelude(hand_init),
        hand_init=hand_init,
        tcp_init=TCP[hand_init],
        factors=(RandomVector("rand_vec", low, high, apart_m=apart_m),),
        position=position,
        quaternion=quaternion,
        reads=declared.merge(quaternion.reads) if quaternion else declared,
        expert=staticmethod(EXPERTS[name]),
    )


def _puck_start(columns: int) -> Any:
    """Return a ``start`` that puts the leading coordinates of the puck where the random vector says."""

    def start(self: MetaWorldTask, sample: Mapping[str, Array]) -> Start:
        return Start(joints={"objjoint": sample["rand_vec"][:, :columns]})

    return start


def _body_start(body: str, joint: str, position: float) -> Any:
    """Return a ``start`` that puts a piece of furniture where the random vector says, its joint at ``position``."""

    def start(self: MetaWorldTask, sample: Mapping[str, Array]) -> Start:
        vector = sample["rand_vec"]
        return Start(bodies={body: vector}, joints={joint: np.full((len(vector), 1), position)})

    return start


@_task("reach", "sawyer_reach_v3", "reach the goal point with the gripper", (-0.1, 0.6, 0.02, -0.1, 0.8, 0.05),
       (0.1, 0.7, 0.02, 0.1, 0.9, 0.3), **PUCK)  # fmt: skip
class Reach(MetaWorldTask):
    """Success: c within 5 cm of t. The puck is a distractor."""

    start = _puck_start(3)

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return the distance the hand starts from."""
        return {"start_distance": distance(np.array(self.hand_init), memory["goal"])}

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 10 T(|c - t|)."""
        return REACHED * tolerance(distance(tcp(state), memory["goal"]), 0.05, memory["start_distance"])

    def success(self, state: State, memory: Memory) -> Array:
        """Compare |c - t| with 5 cm."""
        return distance(tcp(state), memory["goal"]) <= 0.05


@_task("push", "sawyer_push_v3", "push the puck to the goal on the table", (-0.1, 0.6, 0.02, -0.1, 0.8, 0.01),
       (0.1, 0.7, 0.02, 0.1, 0.9, 0.02), **PUCK)  # fmt: skip
class Push(MetaWorldTask):
    """Success: d at most 5 cm; the goal lies at the height the puck rests at."""

    start = _puck_start(2)
    caging = Caging(object_radius_m=0.015, pad_distance_m=0.05, xz_m=0.005)

    def target(self, state: State, vector: Array) -> Array:
        """Return the drawn xy at the puck's height."""
        return np.concatenate([vector[:, 3:5], state.body("obj").pos[:, 2:]], axis=1)

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return the caging constants and d at reset."""
        object0 = np.array(state.body("obj").pos)
        return {**self.caging.constants(np.array(self.tcp_init), object0), "d0": distance(object0, memory["goal"])}

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 2 G, and 4 G + 1 + 5 T(d) while holding."""
        obj, point = memory["frame"][:, 4:7], tcp(state)
        d = distance(obj, memory["goal"])
        grasp = 2.0 * self.caging(state, memory, action, point, obj)
        held = (distance(obj, point) < 0.02) & (memory["frame"][:, 3] > 0)
        reward = np.where(held, 2.0 * grasp + 1.0 + 5.0 * tolerance(d, 0.05, memory["d0"]), grasp)
        return np.where(d < 0.05, REACHED, reward)

    def success(self, state: State, memory: Memory) -> Array:
        """Compare d with 5 cm."""
        return distance(memory["frame"][:, 4:7], memory["goal"]) <= 0.05


@_task("pick-place", "sawyer_pick_place_v3", "pick up the puck and hold it at the goal",
       (-0.1, 0.6, 0.02, -0.1, 0.8, 0.05), (0.1, 0.7, 0.02, 0.1, 0.9, 0.3), **PUCK)  # fmt: skip
class PickPlace(MetaWorldTask):
    """Success: d at most 7 cm."""

    start = _puck_start(3)
    caging = Caging(object_radius_m=0.015, pad_distance_m=0.05, xz_m=0.005, signed=True)

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return the caging constants and d at reset."""
        return {**self.caging.constants(np.array(self.tcp_init), vector[:, :3]), "d0": distance(vector[:, :3], memory["goal"])}

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return H(G, T(d)), plus 1 + 5 T(d) while lifted."""
        frame, point = memory["frame"], tcp(state)
        obj = frame[:, 4:7]
        d = distance(obj, memory["goal"])
        in_place = tolerance(d, 0.05, memory["d0"])
        reward = hamacher(self.caging(state, memory, action, point, obj), in_place)
        lifted = (distance(obj, point) < 0.02) & (frame[:, 3] > 0) & (obj[:, 2] - 0.01 > memory["object0"][:, 2])
        return np.where(d < 0.05, REACHED, reward + lifted * (1.0 + 5.0 * in_place))

    def success(self, state: State, memory: Memory) -> Array:
        """Compare d with 7 cm."""
        return distance(memory["frame"][:, 4:7], memory["goal"]) <= 0.07


@_task("door-open", "sawyer_door_pull", "open the door by its handle", (0.0, 0.85, 0.15), (0.1, 0.95, 0.15),
       position=Source(kind="geom", name="handle"), quaternion=Source(kind="geom", name="handle", order=XYZW),
       reads=Reads(joints=("doorjoint",)))  # fmt: skip
class DoorOpen(MetaWorldTask):
    """Success: the handle's x within 8 cm of the goal's."""

    start = _body_start("door", "doorjoint", 0.0)

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


@_task("drawer-open", "sawyer_drawer", "pull the drawer open", (-0.1, 0.9, 0.0), (0.1, 0.9, 0.0),
       position=Source(kind="body", name="drawer_link", offset=(0.0, -0.16, 0.0)),
       quaternion=Source(kind="body", name="drawer_link"))  # fmt: skip
class DrawerOpen(MetaWorldTask):
    """Success: d at most 3 cm."""

    start = _body_start("drawer", "goal_slidey", 0.0)

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


@_task("drawer-close", "sawyer_drawer", "push the drawer shut", (-0.1, 0.9, 0.0), (0.1, 0.9, 0.0),
       position=Source(kind="body", name="drawer_link", offset=(0.0, -0.16, 0.05)))  # fmt: skip
class DrawerClose(MetaWorldTask):
    """Success: d at most 6.5 cm."""

    start = _body_start("drawer", "goal_slidey", -0.15)

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


@_task("button-press-topdown", "sawyer_button_press_topdown", "press the button down", (-0.1, 0.8, 0.115),
       (0.1, 0.9, 0.115), hand_init=BACK, position=Source(kind="body", name="button", offset=(0.0, 0.0, 0.193)),
       quaternion=Source(kind="body", name="button"), reads=Reads(sites=("hole", "buttonStart")))  # fmt: skip
class ButtonPressTopdown(MetaWorldTask):
    """Success: the button's height within 2.4 cm of the hole's."""

    start = _body_start("box", "btnbox_joint", 0.0)

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


# The peg's head where the peg rests before it is placed: the original notes it there, and d0 is measured from it.
PEG_HEAD_INIT = (-0.1, 0.6, 0.01478468)
CORNERS = tuple(f"{corner}_collision_box_{k}" for k in (1, 2) for corner in ("top_left_corner", "bottom_right_corner"))


@_task("peg-insert-side", "sawyer_peg_insertion_side", "insert the peg into the hole in the box's side",
       (0.0, 0.5, 0.02, -0.35, 0.4, -0.001), (0.2, 0.7, 0.02, -0.25, 0.7, 0.001), apart_m=0.1,
       position=Source(kind="site", name="pegGrasp"), quaternion=Source(kind="site", name="pegGrasp", order=XYZW),
       reads=Reads(sites=("pegHead", *CORNERS)))  # fmt: skip
class PegInsertSide(MetaWorldTask):
    """Success: the peg's head within 7 cm of the goal, y and z weighing double."""

    caging = Caging(object_radius_m=0.0075, pad_distance_m=0.03, xz_m=0.005)
    scale = (1.0, 2.0, 2.0)

    def start(self, sample: Mapping[str, Array]) -> Start:
        """Place peg and box."""
        vector = sample["rand_vec"]
        return Start(joints={"peg": vector[:, :3]}, bodies={"box": vector[:, 3:]})

    def target(self, state: State, vector: Array) -> Array:
        """Return the end of the hole."""
        return vector[:, 3:] + (0.03, 0.0, 0.13)

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return the caging constants and the margin of d."""
        d0 = norm((np.array(PEG_HEAD_INIT) - memory["goal"]) * self.scale)
        return {**self.caging.constants(np.array(self.tcp_init), vector[:, :3]), "d0": d0}

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return H(G, I), plus 1 + 5 I while lifted; I: close to the goal and clear of the box's walls."""
        frame, point = memory["frame"], tcp(state)
        obj, head, d = frame[:, 4:7], state.site("pegHead").pos, self._distance(state, memory)
        one_1, zero_1, one_2, zero_2 = (state.site(name).pos for name in CORNERS)
        walls = hamacher(rect_prism(head, zero_2, one_2), rect_prism(head, zero_1, one_1))
        in_place = hamacher(tolerance(d, 0.07, memory["d0"]), walls)
        lifted = (distance(obj, point) < 0.08) & (frame[:, 3] > 0) & (obj[:, 2] - 0.01 > memory["object0"][:, 2])
        grasp = np.where(lifted, 1.0, self.caging(state, memory, action, point, obj))
        reward = hamacher(grasp, in_place) + lifted * (1.0 + 5.0 * in_place)
        return np.where(d <= 0.07, REACHED, reward)

    def success(self, state: State, memory: Memory) -> Array:
        """Compare the scaled distance with 7 cm."""
        return self._distance(state, memory) <= 0.07

    def _distance(self, state: State, memory: Memory) -> Array:
        return norm((state.site("pegHead").pos - memory["goal"]) * self.scale)


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


@_task("window-open", "sawyer_window_horizontal", "slide the window open", (-0.1, 0.7, 0.16), (0.1, 0.9, 0.16),
       hand_init=BACK, position=Source(kind="site", name="handleOpenStart"))  # fmt: skip
class WindowOpen(_Window):
    """Slide the handle 20 cm towards +x."""

    start = _body_start("window", "window_slide", 0.0)

    def target(self, state: State, vector: Array) -> Array:
        """Return where the handle is when the window is open."""
        return vector + (0.2, 0.0, 0.0)

    def start_x(self, obj: Array, vector: Array) -> Array:
        """Return the window's own x, which the original uses here in the handle's place."""
        return vector[:, 0]


@_task("window-close", "sawyer_window_horizontal", "slide the window shut", (0.0, 0.75, 0.2), (0.0, 0.9, 0.2),
       hand_init=BACK, position=Source(kind="site", name="handleCloseStart"))  # fmt: skip
class WindowClose(_Window):
    """Slide the handle 20 cm towards -x."""

    start = _body_start("window", "window_slide", 0.2)
    sigmoid = "gaussian"
