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
    """Forces of n worlds in lockstep."""

    def __init__(self, m: mujoco.MjModel, trees: Sequence[Tree], mirror: batch.Batch) -> None:
        self._mirror, self._timestep = mirror, float(m.opt.timestep)
        self._armature, self._damping, self._qpos0 = (
            np.array(m.dof_armature),
            np.array(m.dof_damping),
            np.array(m.qpos0),
        )
        self._motor = _motor_dofs(m)
        self.drive([t for t in trees if t.links or _is_driven(m, t)])
        self._felt = np.where(self._motor, 0.0, self._armature)
        self.load = np.zeros((mirror.nsim, m.nv))
        self.torque = np.zeros((mirror.nsim, m.nv))
        self._forces = [mirror.bind(name) for name in _FORCES]
        self._bias, self._mass = mirror.bind("qfrc_bias"), mirror.bind("M")
        self._state = [mirror.bind(name) for name in ("qpos", "qvel", "qfrc_applied")]
        self._rows, self._columns = np.repeat(np.arange(m.nv), m.M_rownnz), np.array(m.M_colind)
        self._full = np.zeros((mirror.nsim, m.nv, m.nv))
        self._derivative = mirror.bind("qDeriv") if int(m.opt.integrator) in _IMPLICIT else None
        self._derivative_rows, self._derivative_columns = np.array(m.D_rowadr), np.array(m.D_colind)

    def drive(self, trees: Sequence[Tree]) -> None:
        """Say which trees get forces: all with joints, and free bodies that anything but gravity and contact acts on.

        Their joints are read in one row of numbers per world: each tree's positions, velocities, then motor forces.
        """
        self.driven = tuple(_split(t, self._motor) for t in trees)
        self.dofs = np.array(sorted(v for t in trees for v in _dofs_of(t)), int)
        self.motors = np.array([v for d in self.driven for v in d.motor_dofs.tolist()], int)
        self.reads = [(t.body, t.links) for t in trees if t.links]
        qpos, dofs, columns, start = [], [], [], 0
        for t in trees:
            qpos += t.qpos.tolist()
            dofs += t.dofs.tolist()
            columns += range(start, start + len(t.links))
            start += 3 * len(t.links)
        widths = np.array([len(t.links) for t in trees for _ in t.links], int)
        place = np.array(columns, int)
        self.qpos_columns, self.dof_columns = np.array(qpos, int), np.array(dofs, int)
        self.position_columns, self.velocity_columns = place, place + widths
        self.force_columns = (place + 2 * widths)[[dofs.index(v) for v in self.motors]]
        self.qpos_zero = self._qpos0[self.qpos_columns]

    def advance(self, qpos: Array, qvel: Array) -> Array:
        """Find the torques ``(n, nv)`` at some coordinates, and return the velocities that would follow without contact."""
        state_qpos, state_qvel, applied = self._state
        state_qpos[:] = qpos
        state_qvel[:] = qvel
        applied[:] = self.load
        self._mirror.step(nstep=1)
        following = state_qvel.copy()
        acceleration = (following - qvel) / self._timestep
        passive, actuator, constraint = self._forces
        self.torque = passive + actuator + constraint - self._felt * acceleration
        self.torque += self._timestep * self._implicit(acceleration)
        return following

    def observe(self, before: Array, after: Array, measured: Array) -> None:
        """Find the load of the last substep.

        Args:
            before: ``(n, nv)`` velocities before it.
            after: ``(n, nv)`` velocities after it.
            measured: ``(n, motors)`` forces of the motors in it, by ``motors``.
        """
        acceleration = (after - before) / self._timestep
        full, entries = self._full, np.asarray(self._mass)
        full[:, self._rows, self._columns] = entries
        full[:, self._columns, self._rows] = entries
        self.torque[:, self.motors] = measured
        inertial = (full * acceleration[:, None, :]).sum(-1) - self._armature * acceleration
        load = inertial + self._bias - self.torque
        self.load[:, self.dofs] = load[:, self.dofs]

    def _implicit(self, acceleration: Array) -> Array:
        """Return the rate of the forces along the acceleration, which MuJoCo's integrator counts at the step's end."""
        if self._derivative is None:
            damping = self._mirror.expanded("dof_damping")
            return -(self._damping if damping is None else damping) * acceleration
        return np.add.reduceat(
            self._derivative * acceleration[:, self._derivative_columns], self._derivative_rows, axis=1
        )


def _motor_dofs(m: mujoco.MjModel) -> Array:
    """Return ``(nv,)`` bool: hinges and slides whose armature dwarfs what they move."""
    data, full = mujoco.MjData(m), np.zeros((m.nv, m.nv))
    mujoco.mj_forward(m, data)
    mujoco.mj_fullM(m, data, full)
    own = np.maximum(np.diag(full) - m.dof_armature, 1e-12)
    hinged = np.isin(
        m.jnt_type[m.dof_jntid], (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE))
    )
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
