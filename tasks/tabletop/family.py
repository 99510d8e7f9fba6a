"""What all tabletop tasks share: the table, an arm, the layout of the observation, and how an id is registered.

Frames: world, metres; the table top is z = 0, the arm's base stands at its edge and looks along x.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np

from metasim.core.reads import Reads
from metasim.core.scene import Asset, Body, Box, Camera, Goal, Physics, Scene
from metasim.core.state import State
from metasim.core.task import Memory, Task, register
from metasim.tasks.tabletop.arms import ARMS, Arm

Array = Any
HORIZON = 200
TABLE = Box(size_m=(0.9, 1.2, 0.04), pos=(0.45, 0.0, -0.02), fixed=True, rgba=(0.72, 0.58, 0.42, 1.0))
_FLOOR_M, _HALF = -0.75, 0.70710678
_ROOM: dict[str, Any] = {"fixed": True, "collides": False}
ROOM = {
    "floor": Box(size_m=(5.0, 5.0, 0.02), pos=(0.5, 0.0, _FLOOR_M - 0.01), rgba=(0.5, 0.5, 0.48, 1.0), **_ROOM),
    "wall": Box(
        size_m=(2.5, 5.0, 0.02),
        pos=(-1.0, 0.0, _FLOOR_M + 1.25),
        quat=(_HALF, 0.0, _HALF, 0.0),
        rgba=(0.82, 0.82, 0.8, 1.0),
        **_ROOM,
    ),
    "side_wall": Box(
        size_m=(5.0, 2.5, 0.02),
        pos=(0.5, -1.4, _FLOOR_M + 1.25),
        quat=(_HALF, -_HALF, 0.0, 0.0),
        rgba=(0.82, 0.82, 0.8, 1.0),
        **_ROOM,
    ),
}
"""What stands around the table, for pictures only; the walls are where the cameras look."""
FRONT = Camera(pos=(1.25, 0.0, 0.75), target=(0.45, 0.0, 0.05), fov_rad=0.75)
SIDE = Camera(pos=(0.5, 0.95, 0.55), target=(0.45, 0.0, 0.05), fov_rad=0.75)
T = TypeVar("T", bound="type[Tabletop]")


class Tabletop(Task):
    """Base of the suite: subclasses say what lies on the table, what is observed of it and when they are solved.

    The observation begins with the hand: ``hand`` (3), the point between the fingertips, ``opening`` (1), the gap
    between the pads, and ``hand_before``, ``opening_before``, the same one step earlier; then what
    :meth:`objects_seen` gives.

    Attributes:
        things: What lies on the table.
        goals: Points to reach.
        watched: Bodies whose pose is read.
        marks: Sites of assets whose position is read, as are those of ``goals``.
        joints: Joints of assets whose position is read.
        more_reads: What else is read.
        arm: The arm.
    """

    things: ClassVar[Mapping[str, Body | Asset]] = {}
    goals: ClassVar[Mapping[str, Goal]] = {}
    watched: ClassVar[tuple[str, ...]] = ()
    marks: ClassVar[tuple[str, ...]] = ()
    joints: ClassVar[tuple[str, ...]] = ()
    more_reads: ClassVar[Reads] = Reads()
    arm: ClassVar[Arm] = ARMS["panda"]
    substeps = 20
    camera = "front"
    surfaces = {"table": ("table",), "floor": ("floor",), "wall": ("wall", "side_wall")}

    def begin(self, state: State, sample: Mapping[str, Array]) -> Memory:
        """Remember where the hand is."""
        return self._hand(state)

    def advance(self, state: State, memory: Memory, action: Array) -> Memory:
        """Keep the hand of this step, and of the one before."""
        now = self._hand(state)
        return {**memory, **now, "hand_before": memory["hand"], "opening_before": memory["opening"]}

    def observe(self, state: State, memory: Memory) -> Mapping[str, Array]:
        """Return the hand, the hand before, and the objects."""
        names = ("hand", "opening", "hand_before", "opening_before")
        return {**{name: memory[name] for name in names}, **self.objects_seen(state)}

    def objects_seen(self, state: State) -> Mapping[str, Array]:
        """Return poses of what is watched, marks, goals and joints, in declared order.

        Parts of an asset go by their own names, without the asset's.
        """
        seen: dict[str, Array] = {}
        for name in self.watched:
            body = state.body(name)
            seen[_short(name)], seen[f"{_short(name)}_quat"] = body.pos, body.quat
        sites = {_short(name): state.site(name).pos for name in (*self.marks, *self.goals)}
        return {**seen, **sites, **{_short(name): state.joint(name).pos for name in self.joints}}

    def _hand(self, state: State) -> dict[str, Array]:
        hand, opening = np.array(self.arm.tip_of(state)), np.array(self.arm.opening(state))
        return {"hand": hand, "opening": opening, "hand_before": hand.copy(), "opening_before": opening.copy()}


def tabletop(name: str, instruction: str, *, horizon: int = HORIZON) -> Callable[[T], T]:
    """Register ``tabletop/<name>-v0``, and the same with other arms and with joints for actions.

    ``tabletop/<name>-<arm>-v0`` has another arm, ``-joint-v0`` another control; experts act through the hand only.
    """

    def wrap(cls: T) -> T:
        for arm_name, arm in ARMS.items():
            for control in ("ee", "joint"):
                words = [name, *([] if arm_name == "panda" else [arm_name]), *([] if control == "ee" else [control])]
                attributes: dict[str, Any] = {
                    "arm": arm,
                    "scene": _scene(cls, arm),
                    "control": arm.control(control),
                    "reads": Reads(
                        bodies=(arm.frame, *cls.watched),
                        sites=(*cls.marks, *cls.goals),
                        joints=(*arm.fingers, *cls.joints),
                    ).merge(cls.more_reads),
                }
                if control == "joint":
                    attributes["expert"] = None
                id = f"tabletop/{'-'.join(words)}-v0"
                register(id, horizon=horizon, instruction=instruction, **attributes)(cls)
        return cls

    return wrap


def _short(name: str) -> str:
    return name.rpartition("/")[2]


def _scene(cls: type[Tabletop], arm: Arm) -> Scene:
    return Scene(
        ground=False,
        robot=arm.robot,
        objects={"table": TABLE, **cls.things, **ROOM},
        goals=cls.goals,
        cameras={"front": FRONT, "side": SIDE},
        physics=Physics(timestep_s=0.002),
    )
