"""What of an episode's start can be dragged: goals and objects that a factor of the task places.

Nothing is declared for this. A task's ``start`` says where things are for given factors; its derivative says which
factor moves what, and its pseudo-inverse how a factor must change for a thing to stand somewhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from metasim.core.backend import Start
from metasim.core.errors import InvalidState
from metasim.core.factors import Uniform
from metasim.core.rotation import quat_conj, rotate
from metasim.core.task import Task
from metasim.model import Model
from metasim.view.live.poses import Frame

Array = Any
STEP_M = 1e-4
RANK_TOLERANCE = 1e-6
SLACK = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Handle:
    """A site or body that a factor places.

    Attributes:
        name: Name of the site, body or joint.
        kind: ``"site"`` or ``"body"``: what it is of the model.
        index: Which one.
        parent: Index of the body in whose frame the start places it.
        factor: Name of the factor.
        matrix: ``(3, K)`` displacement [m] in the parent's frame for a change of the factor's K numbers.
        axes: Which world axes it can be dragged along; by the scene's initial orientation of the parent.
        is_goal: Whether it is a goal of the scene, or a site.
    """

    name: str
    kind: str
    index: int
    parent: int
    factor: str
    matrix: Array
    axes: tuple[bool, bool, bool]
    is_goal: bool

    def position(self, frame: Frame, world: int = 0) -> Array:
        """Return where it is ``(3,)`` [m], world frame."""
        return frame.of(self.kind)[0][world, self.index]

    def value(self, sample: Mapping[str, Array], frame: Frame, target: Array, world: int = 0) -> Array:
        """Return the factor's value ``(K,)`` that puts it at ``target`` ``(3,)`` [m], world frame.

        Raises:
            InvalidState: If no value does; the message says how far it would stay away.
        """
        moved = np.asarray(target, float) - self.position(frame, world)
        local = rotate(quat_conj(frame.body_quat[world, self.parent]), moved)
        change = np.linalg.pinv(self.matrix) @ local
        missed = float(np.linalg.norm(self.matrix @ change - local))
        if missed > 1e-3:
            raise InvalidState(
                f"factor {self.factor!r} cannot put {self.name!r} there: it would stay {missed:.3f} m off"
            )
        return np.asarray(sample[self.factor], float) + change


def handles(task: Task, model: Model, sample: Mapping[str, Array], split: str = "train") -> tuple[Handle, ...]:
    """Return what can be dragged, goals first.

    Args:
        task: The task.
        model: Its scene.
        sample: Factor name to one episode's value ``(K,)``.
        split: Whose ranges hold; what has no width there cannot be dragged.
    """
    found: dict[str, Handle] = {}
    for name, value in sample.items():
        value = np.asarray(value, float)
        if value.ndim != 1 or not np.issubdtype(value.dtype, np.floating):
            continue
        varied = np.concatenate([value[None], value + STEP_M * np.eye(len(value))])
        stacked = {k: np.repeat(np.asarray(v)[None], len(varied), axis=0) for k, v in sample.items()}
        places = _places(task.start({**stacked, name: varied}))
        for (field, thing), points in places.items():
            matrix = ((points[1:] - points[0]) / STEP_M).T * _varies(task, name, len(value), split)
            if np.linalg.matrix_rank(matrix, tol=RANK_TOLERANCE) and thing not in found:
                handle = _handle(model, field, thing, name, matrix)
                if handle is not None:
                    found[thing] = handle
    return tuple(sorted(found.values(), key=lambda h: not h.is_goal))


def check_range(task: Task, factor: str, value: Array, split: str) -> None:
    """Refuse a value outside the factor's range of a split.

    Raises:
        InvalidState: Naming the range.
    """
    for item in task.factors:
        if item.name != factor or not isinstance(item, Uniform):
            continue
        low, high = item.bounds(split)
        outside = np.flatnonzero((value < low - SLACK) | (value > high + SLACK))
        if len(outside):
            numbers = [f"number {k} is {value[k]:.4g}, not in {low[k]:.4g} to {high[k]:.4g}" for k in outside]
            raise InvalidState(f"{factor} would be outside the task's {split} range: {'; '.join(numbers)}")


def _varies(task: Task, factor: str, size: int, split: str) -> Array:
    """Return ``(K,)`` bool: which numbers of a factor have more than one value in its range."""
    for item in task.factors:
        if item.name == factor and isinstance(item, Uniform):
            low, high = item.bounds(split)
            return high > low
    return np.ones(size, bool)


def _places(start: Start) -> dict[tuple[str, str], Array]:
    """Return the positions ``(n, 3)`` that a start gives."""
    found: dict[tuple[str, str], Array] = {}
    for field in ("sites", "bodies", "joints"):
        for name, values in getattr(start, field).items():
            array = np.asarray(values, float)
            if array.ndim == 2 and array.shape[1] >= 3:
                found[field, name] = array[:, :3]
    return found


def _handle(model: Model, field: str, name: str, factor: str, matrix: Array) -> Handle | None:
    info, m = model.info, model.mj
    if field == "joints":
        joint = info.index("joint", name)
        if info.joint_types[joint] != "free":
            return None
        kind, index, parent = "body", int(m.jnt_bodyid[joint]), 0
    elif field == "sites":
        kind, index = "site", info.index("site", name)
        parent = int(m.site_bodyid[index])
    else:
        kind, index = "body", info.index("body", name)
        parent = int(m.body_parentid[index])
    x, y, z = (np.abs(matrix) > RANK_TOLERANCE).any(axis=1).tolist()
    return Handle(
        name=name,
        kind=kind,
        index=index,
        parent=parent,
        factor=factor,
        matrix=matrix,
        axes=(x, y, z),
        is_goal=kind == "site",
    )
