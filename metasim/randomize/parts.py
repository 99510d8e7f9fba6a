"""What of a task's scene can vary: free objects, arm and gripper, hand, table; found once from the compiled model."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from metasim.core.task import Task
from metasim.model import compile_scene
from metasim.model.extents import geom_boxes

Array = Any
MOVABLE = ("position", "velocity", "effort")
BOX, SLIDE = 6, 2
"""MuJoCo's numbers for a box geom and a slide joint."""
FIXTURE_M = 0.45
"""What reaches farther is part of the table rather than something that is placed on it."""
_JOINED = 1e-6


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Names in a task's scene, as its model has them.

    Attributes:
        objects: Free body to the names of the bodies with mass that move with it, itself among them.
        masses_kg: Free body to the mass of all that moves with it.
        joined: Free bodies that consist of several rigidly joined ones with mass.
        geoms: Geoms that can touch something.
        arm: Actuators that move the robot, but not the gripper's.
        gripper: Actuators of the gripper.
        arm_joints: Hinges that the arm's position actuators hold, to the initial angle [rad].
        hand: The body that carries the gripper; the robot's own where there is no arm; "" without a robot.
        table: Rectangle (2, 2) [m] of the top of the table: lowest and highest x and y; None without a table.
        table_z: Its height [m].
        boxes: ``(B, 2, 3)`` corners [m] of all that is not the table, at home, world.
        reach_m: How far objects reach from their origin over the table.
    """

    objects: Mapping[str, tuple[str, ...]]
    masses_kg: Mapping[str, float]
    joined: tuple[str, ...]
    geoms: tuple[str, ...]
    arm: tuple[str, ...]
    gripper: tuple[str, ...]
    arm_joints: Mapping[str, float]
    hand: str
    table: Array
    table_z: float
    boxes: Array
    reach_m: float


@functools.lru_cache(maxsize=128)
def parts_of(task: type[Task]) -> Parts:
    """Return the parts of a task's scene; it is compiled for that, once."""
    model = compile_scene(task.scene)
    m, info = model.mj, model.info
    grip = getattr(task.control, "grip", {})
    driven = {int(info.actuator_joints[a]) for a in range(len(info.actuators)) if info.actuator_joints[a] >= 0}
    moving = {int(m.jnt_bodyid[j]) for j in driven}
    trees = {
        int(m.jnt_bodyid[j]): [b for b in range(m.nbody) if int(m.body_rootid[b]) == int(m.jnt_bodyid[j])]
        for j, kind in enumerate(info.joint_types)
        if kind == "free"
    }
    free = {body: tree for body, tree in trees.items() if not moving & set(tree)}
    kinds = dict(zip(info.actuators, info.actuator_kinds, strict=True))
    arm = tuple(name for name, kind in kinds.items() if kind in MOVABLE and name not in grip)
    held = [int(info.actuator_joints[info.index("actuator", name)]) for name in arm]
    hinges = [
        joint
        for name, joint in zip(arm, held, strict=True)
        if joint >= 0 and kinds[name] == "position" and info.joint_types[joint] == "hinge"
    ]
    names = info.bodies
    boxes, origins = geom_boxes(model)
    table = _table(m, boxes)
    others = {int(m.body_rootid[b]) for b in moving}
    others |= {int(m.body_rootid[m.geom_bodyid[table]])} if table >= 0 else set()
    return Parts(
        objects={names[b]: tuple(names[k] for k in tree if m.body_mass[k] > 0) for b, tree in free.items()},
        masses_kg={names[b]: float(m.body_mass[tree].sum()) for b, tree in free.items()},
        joined=tuple(names[b] for b, tree in free.items() if _joined(m, tree)),
        geoms=tuple(info.geoms[g] for g in range(m.ngeom) if m.geom_contype[g] or m.geom_conaffinity[g]),
        arm=arm,
        gripper=tuple(name for name in info.actuators if name in grip),
        arm_joints={info.joints[j]: float(info.home_qpos[info.qpos_start[j]]) for j in hinges},
        hand=_hand(task, names, m, held, trees.keys() - free.keys()),
        table=None if table < 0 else boxes[table][:, :2],
        table_z=0.0 if table < 0 else float(boxes[table, 1, 2]),
        boxes=np.delete(boxes, table, axis=0) if table >= 0 else boxes,
        reach_m=_reach(m, boxes, origins, others),
    )


def _joined(m: Any, tree: list[int]) -> bool:
    groups = [int(m.body_weldid[b]) for b in tree if m.body_mass[b] > _JOINED * m.body_mass[tree].sum()]
    return len(groups) != len(set(groups))


def _hand(task: type[Task], names: tuple[str, ...], m: Any, held: list[int], floating: set[int]) -> str:
    if task.scene.welds:
        return task.scene.welds[0].body
    if floating:
        return names[min(floating)]
    return names[int(m.jnt_bodyid[held[-1]])] if held and held[-1] >= 0 else ""


def _table(m: Any, boxes: Array) -> int:
    """Return the fixed box with the largest top, -1 for none."""
    fixed = (m.body_weldid[m.geom_bodyid] == 0) & (m.geom_type == BOX)
    area = np.where(fixed, np.prod(boxes[:, 1, :2] - boxes[:, 0, :2], axis=1), 0.0)
    return int(area.argmax()) if area.any() else -1


def _reach(m: Any, boxes: Array, origins: Array, others: set[int]) -> float:
    """Return how far any object reaches along x and y from the origin of its root, the roots ``others`` aside."""
    roots = m.body_rootid[m.geom_bodyid]
    mine = ~np.isin(roots, [0, *others])
    away = np.hypot(*np.moveaxis(np.abs(boxes[:, :, :2] - origins[roots][:, None, :2]).max(axis=1), 1, 0))
    travel = np.zeros(m.nbody)
    for j in np.flatnonzero((m.jnt_type == SLIDE) & (m.jnt_limited != 0)):
        travel[m.body_rootid[m.jnt_bodyid[j]]] += float(np.abs(m.jnt_range[j]).max())
    return float((away + travel[roots])[mine & (away < FIXTURE_M)].max(initial=0.03))
