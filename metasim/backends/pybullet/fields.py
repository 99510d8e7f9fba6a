"""Declared fields of all bodies: places from the mirror's kinematics, external wrenches from Bullet's contact points.

Places are those of the new state. A wrench is the sum over a body's contact points and of what ``apply_wrench`` put on
it; torsional and rolling friction, which Bullet does not report, are missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np
from mujoco import batch

from metasim.backends.pybullet.contact import point_force
from metasim.backends.pybullet.model import Surface
from metasim.backends.pybullet.world import Wiring
from metasim.core.errors import UnsupportedFeature
from metasim.core.reads import FIELDS, FORCE_FIELDS, Layout
from metasim.core.rotation import cross

Array = Any
_PULLS = (int(mujoco.mjtEq.mjEQ_CONNECT), int(mujoco.mjtEq.mjEQ_WELD))


def refuse_fields(m: mujoco.MjModel, layout: Layout) -> None:
    """Raise UnsupportedFeature where a declared field cannot be told."""
    if tells_forces(layout) and np.isin(m.eq_type, _PULLS).any():
        raise UnsupportedFeature(
            f"pybullet does not tell what welds pull with, which is part of the field {FORCE_FIELDS[0]!r};"
            " read contacts instead, or use mujoco"
        )


class Fields:
    """Writes the fields of n worlds into the shared array ``values`` ``(n, F)``.

    Args:
        m: The canonical model.
        layout: Where each field stands.
        mirror: The canonical kinematics of the worlds.
        values: The shared array.
        surfaces: What can touch.
        wired: Where each surface is in Bullet.
    """

    def __init__(
        self,
        m: mujoco.MjModel,
        layout: Layout,
        mirror: batch.Batch,
        values: Array,
        surfaces: Sequence[Surface],
        wired: Wiring,
    ) -> None:
        self._places: list[tuple[Array, Array]] = []
        self._wrench: Array | None = None
        for name in layout.fields:
            view = values[:, layout.field_slice(name)].reshape(len(values), -1, FIELDS[name])
            if name in FORCE_FIELDS:
                self._wrench = view
            else:
                self._places.append((view, mirror.bind(name)))
        if self._wrench is not None:
            self._com, self._xipos, self._root = (
                mirror.bind("subtree_com"),
                mirror.bind("xipos"),
                np.array(m.body_rootid),
            )
            self._body = {
                where: int(m.geom_bodyid[s.geoms[0]]) for s, where in zip(surfaces, wired.colliders, strict=True)
            }

    def refresh(self, rows: Array | None) -> None:
        """Copy the mirror's places of some worlds or all."""
        some = slice(None) if rows is None else rows
        for view, bound in self._places:
            view[some] = bound[some]

    def note(self, i: int, points: Sequence[Any]) -> None:
        """Sum forces, and torques about the world's origin, of all contact points of a world."""
        if self._wrench is None:
            return
        wrench = self._wrench[i]
        wrench[:] = 0.0
        for point in points:
            if point[8] <= 0.0 or point[9] > 0.0:
                force, place = point_force(point), 0.5 * (np.array(point[5]) + np.array(point[6]))
                both = np.concatenate([np.cross(place, force), force])
                for sign, where in ((1.0, (point[1], point[3])), (-1.0, (point[2], point[4]))):
                    body = self._body.get(where, 0)
                    if body:
                        wrench[body] += sign * both

    def carry(self, rows: Array, applied: Array) -> None:
        """Carry what was noted in some worlds to the centres of mass, and add applied wrenches ``(n, nbody, 6)``."""
        if self._wrench is None or not len(rows):
            return
        wrench, com = self._wrench[rows], self._com[rows][:, self._root]
        push = applied[rows]
        wrench[..., :3] -= cross(com, wrench[..., 3:])
        wrench[..., :3] += push[..., 3:] + cross(self._xipos[rows] - com, push[..., :3])
        wrench[..., 3:] += push[..., :3]
        self._wrench[rows] = wrench

    def forget_forces(self, rows: Array) -> None:
        """Set to zero what only a step makes."""
        if self._wrench is not None:
            self._wrench[rows] = 0.0


def tells_forces(layout: Layout) -> bool:
    """Whether a field is declared that forces make."""
    return not set(layout.fields).isdisjoint(FORCE_FIELDS)
