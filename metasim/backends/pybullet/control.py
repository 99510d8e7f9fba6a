"""Joint forces: what MuJoCo's actuators, soft welds, soft limits, springs and dampers would do, as torques for Bullet.

The *mirror* is a batch of the canonical model without contacts. Every substep it gets Bullet's coordinates and the load
on each joint, makes one step, and its internal forces ``passive + actuator + constraint``, less what implicit damping
takes away over the step, become Bullet's torques. Gravity, Coriolis forces, inertia, integration and contact are
Bullet's own. The load is what moved the joints in the last substep besides the torques: contacts and wrenches.

Where a joint's armature dwarfs its links (a gripper's 100 kg), Bullet gets the mirror's next velocity as a motor's
target instead, and the motor's measured reaction is the load: the joint then yields as one of that inertia does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from mujoco import batch

from metasim.backends.pybullet.model import SLIDE, carried
from metasim.backends.pybullet.world import Tree

Array = Any
MOTOR_RATIO = 20.0
"""Armature over the inertia of the links, beyond which a joint is driven by a motor."""
MOTOR_FORCE = 4000.0
"""The most that such a motor may push [N or N m]."""
_IMPLICIT = (int(mujoco.mjtIntegrator.mjINT_IMPLICIT), int(mujoco.mjtIntegrator.mjINT_IMPLICITFAST))
_FORCES = ("qfrc_passive", "qfrc_actuator", "qfrc_constraint")


def mirror_model(m: mujoco.MjModel) -> mujoco.MjModel:
    """Return a copy of the model without contacts; sensors stay, for the reads."""
    copy = m.__copy__()
    copy.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
    if int(copy.opt.integrator) not in _IMPLICIT:
        copy.opt.integrator = int(mujoco.mjtIntegrator.mjINT_EULER)
    return copy


@dataclass(frozen=True, kw_only=True)
class Driven:
    """A tree with forces of its own, split by how its joints are driven.

    Attributes:
        tree: The tree.
        torque_links: Bullet links that get torques.
        torque_dofs: Their canonical dofs.
        motor_links: Bullet links with velocity motors.
        motor_dofs: Their canonical dofs.
    """

    tree: Tree
    torque_links: list[int]
    torque_dofs: Array
    motor_links: list[int]
    motor_dofs: Array


class Controller:
    """Forces of n worlds in lockstep; the mirror's rows are the worlds' coordinates.

    Attributes:
        qpos: ``(n, nq)`` coordinates.
        qvel: ``(n, nv)`` velocities.
        load: ``(n, nv)`` forces besides the joints' own, seen in the last substep; zero where nothing is driven.
        torque: ``(n, nv)`` forces of the last substep.
    """

    def __init__(self, m: mujoco.MjModel, trees: Sequence[Tree], mirror: batch.Batch) -> None:
        self._m, self._mirror, self._timestep = m, mirror, float(m.opt.timestep)
        self._qpos0 = np.array(m.qpos0)
        self._carried = carried(m)
        self._motor = _motor_dofs(m) & (self._carried == 0.0)
        self._heavy = np.flatnonzero((self._carried > 0.0) & (m.jnt_type[m.dof_jntid] == SLIDE))
        self._axes = mirror.bind("xaxis")
        self.qpos, self.qvel, self.load = (mirror.bind(name) for name in ("qpos", "qvel", "qfrc_applied"))
        self.torque = np.zeros((mirror.nsim, m.nv))
        self._passive, self._actuator, self._constraint = (mirror.bind(name) for name in _FORCES)
        self._bias, self._mass = mirror.bind("qfrc_bias"), mirror.bind("M")
        implicit = int(m.opt.integrator) in _IMPLICIT
        self._derivative = mirror.bind("qDeriv") if implicit else None
        self._derivative_rows, self._derivative_columns = np.array(m.D_rowadr), np.array(m.D_colind)
        self._before = np.zeros((mirror.nsim, m.nv))
        self.drive([t for t in trees if t.links or _is_driven(m, t)])

    def drive(self, trees: Sequence[Tree]) -> None:
        """Say which trees get forces: those with joints, and free bodies that more than gravity and contact act on."""
        self.driven = tuple(_split(t, self._motor) for t in trees)
        self.trees = tuple(trees)
        self.reads = [(t.body, t.links) for t in trees if t.links]
        hinges = [v for t in trees for v in t.dofs.tolist()]
        self.qpos_columns, self.dof_columns = _span([q for t in trees for q in t.qpos.tolist()]), _span(hinges)
        self.qpos_zero = self._qpos0[self.qpos_columns]
        self.motors = np.array([v for d in self.driven for v in d.motor_dofs.tolist()], int)
        self.motor_reads = [hinges.index(v) for v in self.motors]
        self._dofs = np.array(sorted(v for t in trees for v in _dofs_of(t)), int)
        self._entries, self._columns, starts = _symmetric(self._m, self._dofs)
        self._starts, self._diagonal = (
            starts,
            np.isin(np.arange(len(self._entries)), _diagonal(self._columns, starts, self._dofs)),
        )
        self.refresh_damping()

    def refresh_damping(self) -> None:
        """Take up damping and armature anew after a parameter has changed."""
        damping = self._mirror.expanded("dof_damping")
        damping = np.array(self._m.dof_damping) if damping is None else np.array(damping)
        lacking = self._m.dof_armature - self._carried
        self._held = np.where(self._motor, 0.0, lacking) / self._timestep + (
            damping if self._derivative is None else 0.0
        )
        self._lacking = np.where(self._diagonal, lacking[self._columns], 0.0)

    def advance(self, ids: Array | None) -> None:
        """Find the torques at the present coordinates; ``qvel`` then holds what would follow without contact.

        Args:
            ids: Which worlds, None for all.
        """
        self._before[:] = self.qvel
        self._mirror.step(ids, nstep=1)
        change = self.qvel - self._before
        torque = self._passive + self._actuator
        torque += self._constraint
        torque -= self._held * change
        if self._derivative is not None:
            products = self._derivative * change[:, self._derivative_columns]
            torque += np.add.reduceat(products, self._derivative_rows, axis=1)
        self._weight = self._carried_weight()
        if len(self._heavy):
            torque[:, self._heavy] += self._weight
        self.torque = torque

    def observe(self, measured: Array) -> None:
        """Find the load of the last substep, after which ``qvel`` has been read.

        Args:
            measured: ``(n, motors)`` forces of the motors in it.
        """
        torque = self.torque
        if len(self.motors):
            torque[:, self.motors] = measured
        change = self.qvel - self._before
        products = (self._mass[:, self._entries] - self._lacking) * change[:, self._columns]
        load = np.add.reduceat(products, self._starts, axis=1) / self._timestep
        load += (self._bias - torque)[:, self._dofs]
        self.load[:, self._dofs] = load
        if len(self._heavy):
            self.load[:, self._heavy] += self._weight

    def _carried_weight(self) -> Any:
        """Return the force ``(n, k)`` along each slide that holds up what its link carries."""
        if not len(self._heavy):
            return 0.0
        gravity = self._mirror.expanded("opt.gravity")
        gravity = self._m.opt.gravity[None] if gravity is None else np.asarray(gravity)
        axes = self._axes[:, self._m.dof_jntid[self._heavy]]
        return -self._carried[self._heavy] * (axes * gravity[:, None]).sum(-1)


def _symmetric(m: mujoco.MjModel, dofs: Array) -> tuple[Array, Array, Array]:
    """Return the rows ``dofs`` of MuJoCo's lower triangle as rows of the full matrix.

    Returns:
        Index of each entry in ``MjData.M``, its column, and where each row starts.
    """
    rows = np.repeat(np.arange(m.nv), m.M_rownnz)
    columns, entries = np.array(m.M_colind), np.arange(len(m.M_colind))
    lower = columns < rows
    both = np.stack([np.r_[rows, columns[lower]], np.r_[columns, rows[lower]], np.r_[entries, entries[lower]]])
    both = both[:, np.isin(both[0], dofs)]
    row, column, entry = both[:, np.lexsort((both[1], both[0]))]
    return entry, column, np.searchsorted(row, dofs)


def _diagonal(columns: Array, starts: Array, dofs: Array) -> Array:
    """Return which entries of :func:`_symmetric` lie on the diagonal."""
    row = dofs[np.searchsorted(starts, np.arange(len(columns)), side="right") - 1]
    return np.flatnonzero(columns == row)


def _span(columns: Sequence[int]) -> Any:
    """Return columns as a slice if they follow each other, which is faster, else as an index array."""
    array = np.array(columns, int)
    if len(array) and np.array_equal(array, np.arange(array[0], array[0] + len(array))):
        return slice(int(array[0]), int(array[-1]) + 1)
    return array


def _motor_dofs(m: mujoco.MjModel) -> Array:
    """Return ``(nv,)`` bool: hinges and slides whose armature dwarfs what they move."""
    data, full = mujoco.MjData(m), np.zeros((m.nv, m.nv))
    mujoco.mj_forward(m, data)
    mujoco.mj_fullM(m, data, full)
    own = np.maximum(np.diag(full) - m.dof_armature, 1e-12)
    hinged = np.isin(m.jnt_type[m.dof_jntid], (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)))
    return hinged & (m.dof_armature > MOTOR_RATIO * own)


def _split(tree: Tree, motor: Array) -> Driven:
    chosen = motor[tree.dofs]
    links = np.array(tree.links, int)
    return Driven(
        tree=tree,
        torque_links=links[~chosen].tolist(),
        torque_dofs=tree.dofs[~chosen],
        motor_links=links[chosen].tolist(),
        motor_dofs=tree.dofs[chosen],
    )


def _is_driven(m: mujoco.MjModel, tree: Tree) -> bool:
    """Tell whether anything but gravity and contacts can act on a tree."""
    bodies = np.flatnonzero(m.body_treeid == m.body_treeid[tree.root])
    joints, dofs = np.isin(m.jnt_bodyid, bodies), np.isin(m.dof_bodyid, bodies)
    inner = (m.jnt_stiffness[joints], m.jnt_limited[joints], m.body_gravcomp[bodies])
    inner += (m.dof_damping[dofs], m.dof_frictionloss[dofs], m.dof_armature[dofs])
    actuated = np.isin(m.actuator_trnid[:, 0], np.flatnonzero(joints)).any()
    return (
        any(np.any(a) for a in inner)
        or bool(actuated)
        or _constrained(m, bodies)
        or m.opt.density + m.opt.viscosity > 0
    )


def _constrained(m: mujoco.MjModel, bodies: Array) -> bool:
    """Tell whether an equality constraint touches some bodies."""
    for kind, sort, *ids in zip(m.eq_type, m.eq_objtype, m.eq_obj1id, m.eq_obj2id, strict=True):
        if int(kind) == int(mujoco.mjtEq.mjEQ_JOINT):
            ids = [m.jnt_bodyid[k] for k in ids if k >= 0]
        elif int(sort) == int(mujoco.mjtObj.mjOBJ_SITE):
            ids = [m.site_bodyid[k] for k in ids]
        if np.isin(ids, bodies).any():
            return True
    return False


def _dofs_of(tree: Tree) -> list[int]:
    base = list(range(tree.base_dof, tree.base_dof + 6)) if tree.base_dof >= 0 else []
    return base + tree.dofs.tolist()
