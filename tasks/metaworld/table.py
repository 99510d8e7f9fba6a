"""A row of the suite: what a Meta-World task needs besides its reward and success."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from metasim.control import MocapDelta
from metasim.core.backend import Start
from metasim.core.reads import Reads
from metasim.core.task import register
from metasim.tasks.metaworld import family
from metasim.tasks.metaworld.experts import EXPERTS
from metasim.tasks.metaworld.family import (
    ARM,
    GRIP,
    HAND_HIGH_M,
    HAND_LOW_M,
    XYZW,
    MetaWorldTask,
    RandomVector,
    Source,
    scene,
)

Array = Any
# Where the hand's target is held while a scene settles, and where the original then notes the fingertips (one substep
# before the end); goldens record the latter as ``init_tcp``. Rewards scale with it, in every engine alike.
MIDDLE, MIDDLE_TCP = (0.0, 0.6, 0.2), (0.00428573, 0.6014887, 0.15018928)
BACK, BACK_TCP = (0.0, 0.4, 0.2), (0.00440750, 0.40027054, 0.15074049)
LEFT, LEFT_TCP = (-0.5, 0.6, 0.2), (-0.49921476, 0.60397523, 0.15057268)
TCP = {MIDDLE: MIDDLE_TCP, BACK: BACK_TCP, LEFT: LEFT_TCP}
RIMLESS = "sawyer_table_with_hole"
"""The scene whose table has no rim, which elsewhere is the surface called wall."""
REACHED = 10.0
"""What a reward is where its goal is reached."""


PUCK: dict[str, Any] = {
    "position": Source(kind="body", name="obj"),
    "quaternion": Source(kind="geom", name="objGeom", order=XYZW),
    "apart_m": 0.15,
}


def task(
    name: str,
    xml: str,
    instruction: str,
    low: tuple[float, ...],
    high: tuple[float, ...],
    *,
    position: Source,
    quaternion: Source | None = None,
    second: Source | None = None,
    second_quaternion: Source | None = None,
    hand_init: tuple[float, float, float] = MIDDLE,
    hand_low: tuple[float, float, float] = HAND_LOW_M,
    apart_m: float = 0.0,
    apart_from: tuple[float, float] | None = None,
    reads: Reads | None = None,
) -> Any:
    """Return the decorator that registers a task with its table row.

    Args:
        name: The task's name, without suite and version.
        xml: The original's scene file, without folder and ending.
        instruction: What to do, in words.
        low: Lower corner of the random vector.
        high: Upper corner.
        position: Source of the observed object position.
        quaternion: Source of the observed quaternion, None for zeros.
        second: Source of the second object's position, None for zeros.
        second_quaternion: Source of its quaternion, None for zeros.
        hand_init: Where the hand's target is held while the scene settles [m].
        hand_low: Lower corner of the box that the hand's target is kept in [m].
        apart_m: Least xy distance between the random vector's two points; 0 for any.
        apart_from: A fixed point that takes the second one's place in that [m].
        reads: What the reward looks at besides.
    """
    declared = ARM.merge(reads or Reads())
    for source in (position, quaternion, second, second_quaternion):
        declared = declared.merge(source.reads) if source else declared
    surfaces = {k: v for k, v in MetaWorldTask.surfaces.items() if xml != RIMLESS or k != "wall"}
    return register(
        f"metaworld/{name}-v3",
        instruction=instruction,
        scene=scene(xml),
        prelude=family.prelude(hand_init),
        control=MocapDelta(low=hand_low, high=HAND_HIGH_M, grip=GRIP),
        hand_init=hand_init,
        tcp_init=TCP[hand_init],
        factors=(RandomVector("rand_vec", low, high, apart_m=apart_m, apart_from=apart_from),),
        position=position,
        quaternion=quaternion,
        second=second,
        second_quaternion=second_quaternion,
        reads=declared,
        surfaces=surfaces,
        expert=staticmethod(EXPERTS[name]) if name in EXPERTS else None,
    )


def puck_start(columns: int) -> Any:
    """Return a ``start`` for the puck's leading coordinates, and for the mark of the goal that pictures show."""

    def start(self: MetaWorldTask, sample: Mapping[str, Array]) -> Start:
        vector = sample["rand_vec"]
        return Start(joints={"objjoint": vector[:, :columns]}, sites={"goal": vector[:, 3:]})

    return start


def body_start(body: str, joint: str, position: float) -> Any:
    """Return a ``start`` that puts a piece of furniture where the random vector says, its joint at ``position``."""

    def start(self: MetaWorldTask, sample: Mapping[str, Array]) -> Start:
        vector = sample["rand_vec"]
        return Start(bodies={body: vector}, joints={joint: np.full((len(vector), 1), position)})

    return start
