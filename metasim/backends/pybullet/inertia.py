"""The inertia that Bullet's links have, and a twin of the canonical model with it.

It is the canonical one but for what holds a joint besides its links' inertia, which Bullet's contact solver would not
feel otherwise; a wrist of 0.002 kg m^2 that MuJoCo holds by ten times as much of damping would be kicked about:

* a link on a hinge carries the hinge's armature and implicit damping, in all directions, unless its tree has a free
  base, which would feel that it is harder to turn (a dozen links of a light dog outweigh its trunk);
* so does a body on a slide that is the only joint of its tree (a button, a drawer);
* a slide driven by a motor (a finger of 100 kg armature) carries enough mass for the solver to hand the motor's force
  on to what it grips: in 200 sweeps, fingers of 16 g would grip with 12 N instead of 390.

The twin tells what torque gives a wanted acceleration, so that the additions are not felt where nothing is touched.
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from mujoco import batch

Array = Any
MOTOR_RATIO = 20.0
"""Armature over the inertia of the links, beyond which a joint is driven by a motor."""
FINGER_KG = 1.0
_VEL = int(mujoco.mjtStage.mjSTAGE_VEL)
_HINGE, _SLIDE = int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)
_SHARED = ("opt.gravity", "body_pos", "body_quat")
_IDLE = (
    mujoco.mjtDisableBit.mjDSBL_CONTACT,
    mujoco.mjtDisableBit.mjDSBL_CONSTRAINT,
    mujoco.mjtDisableBit.mjDSBL_ACTUATION,
    mujoco.mjtDisableBit.mjDSBL_SENSOR,
)


def motor_dofs(m: mujoco.MjModel) -> Array:
    """Return ``(nv,)`` bool: joints in chains whose armature dwarfs what they move."""
    data, full = mujoco.MjData(m), np.zeros((m.nv, m.nv))
    mujoco.mj_forward(m, data)
    mujoco.mj_fullM(m, data, full)
    own = np.maximum(np.diag(full) - m.dof_armature, 1e-12)
    hinged = np.isin(m.jnt_type[m.dof_jntid], (_HINGE, _SLIDE))
    return hinged & ~_alone(m) & (m.dof_armature > MOTOR_RATIO * own)


def additions(m: mujoco.MjModel) -> tuple[Array, Array]:
    """Return the mass [kg] and the isotropic moment [kg m^2] ``(nbody,)`` that bodies get besides their own."""
    mass, moment = np.zeros(m.nbody), np.zeros(m.nbody)
    held = m.dof_armature + m.opt.timestep * m.dof_damping
    motors, kinds = motor_dofs(m), m.jnt_type[m.dof_jntid]
    hinges, slides = (kinds == _HINGE) & ~motors & ~_on_free_base(m), (kinds == _SLIDE) & _alone(m)
    np.add.at(moment, m.dof_bodyid[hinges], held[hinges])
    np.add.at(mass, m.dof_bodyid[slides], held[slides])
    np.add.at(mass, m.dof_bodyid[motors & (kinds == _SLIDE)], FINGER_KG)
    return mass, moment


def bullet_inertia(m: mujoco.MjModel, body_mass: Array = None, body_inertia: Array = None) -> tuple[Array, Array]:
    """Return masses ``(nbody,)`` and moments ``(nbody, 3)`` as Bullet has them; of the model's unless given."""
    mass, moment = additions(m)
    body_mass = m.body_mass if body_mass is None else body_mass
    body_inertia = m.body_inertia if body_inertia is None else body_inertia
    return body_mass + mass, body_inertia + moment[:, None]


def _alone(m: mujoco.MjModel) -> Array:
    """Return ``(nv,)`` bool: hinges and slides that are the only joint of a tree on a fixed body."""
    if not m.nv:
        return np.zeros(0, bool)
    hinged = np.isin(m.jnt_type[m.dof_jntid], (_HINGE, _SLIDE))
    return hinged & (m.tree_dofnum[m.dof_treeid] == 1)


def _on_free_base(m: mujoco.MjModel) -> Array:
    """Return ``(nv,)`` bool: the dofs of trees whose root is free."""
    free = m.dof_treeid[m.jnt_dofadr[m.jnt_type == int(mujoco.mjtJoint.mjJNT_FREE)]]
    return np.isin(m.dof_treeid, free)


class Inertia:
    """Joint-space inertia in n worlds, at the mirror's coordinates.

    Args:
        m: The canonical model.
        mirror: Its batch.
        canonical: Whether the mirror's own inertia is meant, armature included, instead of Bullet's.

    Attributes:
        bias: ``(n, nv)`` Coriolis forces and weight.
    """

    def __init__(self, m: mujoco.MjModel, mirror: batch.Batch, canonical: bool = False) -> None:
        self._m, self._mirror = m, mirror
        self._twin: batch.Batch | None = None
        source = mirror
        if not canonical and any(np.any(a) for a in additions(m)):
            source = self._twin = batch.Batch(_twin_model(m), nsim=mirror.nsim, nthread=1)
            self._qpos, self._qvel = source.bind("qpos"), source.bind("qvel")
        self.bias, self._mass = source.bind("qfrc_bias"), source.bind("M")
        self._entries, self._columns, self._starts, diagonal = _symmetric(m)
        armature = np.zeros(m.nv) if canonical or self._twin else m.dof_armature
        lacking = np.where(diagonal, armature[self._columns], 0.0)
        self._lacking = lacking if lacking.any() else None

    def update(self, ids: Array | None) -> None:
        """Take up the mirror's coordinates, before it steps."""
        if self._twin is not None:
            self._qpos[:], self._qvel[:] = self._mirror.qpos, self._mirror.qvel
            self._twin.forward(ids, stage=_VEL)

    def times(self, vectors: Array) -> Array:
        """Return the products ``(n, nv)`` of the inertia with vectors ``(n, nv)``."""
        return np.add.reduceat(self._values() * vectors[:, self._columns], self._starts, axis=1)

    def matrix(self) -> Array:
        """Return the inertia ``(n, nv, nv)``."""
        result = np.zeros((self._mirror.nsim, self._m.nv, self._m.nv))
        rows = np.repeat(np.arange(self._m.nv), np.diff(np.append(self._starts, len(self._columns))))
        result[:, rows, self._columns] = self._values()
        return result

    def _values(self) -> Array:
        values = self._mass[:, self._entries]
        return values if self._lacking is None else values - self._lacking

    def sync(self, rows: Array) -> None:
        """Take up the mirror's per-world parameters."""
        if self._twin is None:
            return
        for name in _SHARED:
            values = self._mirror.expanded(name)
            if values is not None:
                self._twin.expand(name)[rows] = values[rows]
        masses, moments = self._mirror.expanded("body_mass"), self._mirror.expanded("body_inertia")
        if masses is not None:
            for i in rows.tolist():
                own = bullet_inertia(self._m, np.asarray(masses)[i], np.asarray(moments)[i])
                self._twin.expand("body_mass")[i], self._twin.expand("body_inertia")[i] = own
            self._twin.set_const(rows)


def _twin_model(m: mujoco.MjModel) -> mujoco.MjModel:
    copy = m.__copy__()
    copy.body_mass[:], copy.body_inertia[:] = bullet_inertia(m)
    copy.dof_armature[:] = 0.0
    for bit in _IDLE:
        copy.opt.disableflags |= int(bit)
    mujoco.mj_setConst(copy, mujoco.MjData(copy))
    return copy


def _symmetric(m: mujoco.MjModel) -> tuple[Array, Array, Array, Array]:
    """Return MuJoCo's lower triangle as rows of the full matrix.

    Returns:
        Index of each entry in ``MjData.M``, its column, where each row starts, and which entries are diagonal.
    """
    rows = np.repeat(np.arange(m.nv), m.M_rownnz)
    columns, entries = np.array(m.M_colind, int), np.arange(len(m.M_colind))
    lower = columns < rows
    row, column = np.r_[rows, columns[lower]], np.r_[columns, rows[lower]]
    order = np.lexsort((column, row))
    row, column, entry = row[order], column[order], np.r_[entries, entries[lower]][order]
    return entry, column, np.searchsorted(row, np.arange(m.nv)), row == column
