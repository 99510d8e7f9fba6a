"""Joint forces: what MuJoCo's actuators, soft welds, soft limits, springs and dampers would do, as torques for Bullet.

The *mirror* is a batch of the canonical model without contacts. Every substep it gets Bullet's coordinates and the load
on each joint, and makes one step. The torques that give Bullet's links the same change of velocity, less the load,
are applied in Bullet; gravity, Coriolis forces, inertia, integration and contact are Bullet's own. The load is what
moved the joints in the last substep besides the torques: contacts and wrenches.

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

from metasim.backends.pybullet.inertia import Inertia, motor_dofs
from metasim.backends.pybullet.world import Tree

Array = Any
MOTOR_FORCE = 4000.0
"""The most that such a motor may push [N or N m]."""
ASTRAY_M_S = 0.005
"""How far such a motor's joint may be off the wanted velocity without having been stopped [m/s or rad/s]."""
_IMPLICIT = (int(mujoco.mjtIntegrator.mjINT_IMPLICIT), int(mujoco.mjtIntegrator.mjINT_IMPLICITFAST))


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
        pushed: Whether its free base gets forces, too.
        torque_links: Bullet links that get torques.
        torque_dofs: Their canonical dofs, an array or a slice.
        motor_links: Bullet links with velocity motors.
        motor_dofs: Their canonical dofs, likewise.
    """

    tree: Tree
    pushed: bool
    torque_links: list[int]
    torque_dofs: Any
    motor_links: list[int]
    motor_dofs: Any


class Controller:
    """Forces of n worlds in lockstep; the mirror's rows are the worlds' coordinates.

    Attributes:
        qpos: ``(n, nq)`` coordinates.
        qvel: ``(n, nv)`` velocities.
        load: ``(n, nv)`` forces besides the joints' own, seen in the last substep; zero where nothing is driven.
        torque: ``(n, nv)`` forces of the last substep.
        inertia: What Bullet's links have.
    """

    def __init__(self, m: mujoco.MjModel, trees: Sequence[Tree], mirror: batch.Batch) -> None:
        self._m, self._mirror, self._timestep = m, mirror, float(m.opt.timestep)
        self._qpos0, self._motor = np.array(m.qpos0), motor_dofs(m)
        self.qpos, self.qvel, self.load = (mirror.bind(name) for name in ("qpos", "qvel", "qfrc_applied"))
        self.torque, self._before = np.zeros((mirror.nsim, m.nv)), np.zeros((mirror.nsim, m.nv))
        self._astray = np.zeros((mirror.nsim, m.nv))
        self.inertia, self._canonical = Inertia(m, mirror), Inertia(m, mirror, canonical=True)
        self._pushed = [t for t in trees if t.base_dof >= 0 and _base_is_pushed(m, t)]
        self._drive([t for t in trees if t.links or t in self._pushed])

    def push(self, tree: Tree) -> None:
        """From now on apply forces to a tree's free base, too."""
        if tree not in self._pushed:
            self._pushed.append(tree)
            self._drive([*self.trees, *([] if tree in self.trees else [tree])])

    def _drive(self, trees: Sequence[Tree]) -> None:
        """Say which trees get forces; their joints are read in one row of numbers per world."""
        self.trees = tuple(trees)
        self.driven = tuple(_split(t, self._motor, t in self._pushed) for t in trees)
        self.reads = [(t.body, t.links) for t in trees if t.links]
        hinges = [v for t in trees for v in t.dofs.tolist()]
        self.qpos_columns, self.dof_columns = _span([q for t in trees for q in t.qpos.tolist()]), _span(hinges)
        zero = self._qpos0[self.qpos_columns]
        self.qpos_zero = zero if zero.any() else None
        motors = [v for t in trees for v in t.dofs.tolist() if self._motor[v]]
        self.motors, self.motor_reads = _span(motors), _span([hinges.index(v) for v in motors])
        self.motor_count = len(motors)
        self._dofs = _span(sorted(v for t in trees for v in _dofs_of(t)))

    def advance(self, ids: Array | None) -> None:
        """Find the torques at the present coordinates; then ``qvel`` holds the velocities to follow without contact.

        Args:
            ids: Which worlds, None for all.
        """
        np.add(self.qvel, self._astray, out=self._before)
        self.inertia.update(ids)
        self._mirror.step(ids, nstep=1)
        self.torque = self._force_of_change() - self.load
        self._followed = np.array(self.qvel[:, self.motors])

    def observe(self, measured: Array | None) -> None:
        """Find the load of the last substep, after which ``qvel`` has been read.

        A solver that stops early leaves a motor's joint a little off the wanted velocity; at an armature of 100 kg
        that would be a push of many newtons out of nowhere, so the wanted velocity is what counts. What is more than
        ``ASTRAY_M_S`` off has been stopped, and counts as it is.

        Args:
            measured: ``(n, motors)`` forces of the motors in it; None without motors.
        """
        torque = self.torque
        if measured is not None:
            torque[:, self.motors] = measured
        load = self._force_of_change() - torque
        self.load[:, self._dofs] = load[:, self._dofs]
        if self.motor_count:
            astray = np.clip(self.qvel[:, self.motors] - self._followed, -ASTRAY_M_S, ASTRAY_M_S)
            self._astray[:, self.motors] = astray
            self.qvel[:, self.motors] -= astray

    def arrive(self, rows: Array) -> None:
        """Note that Bullet has the velocities of some worlds as they are here."""
        self._astray[rows] = 0.0

    def canonical_inertia(self) -> Array:
        """Return the canonical joint-space inertia ``(n, nv, nv)`` at the mirror's last step or refresh."""
        return self._canonical.matrix()

    def _force_of_change(self) -> Array:
        """Return the forces ``(n, nv)`` that give Bullet's links the change of velocity since ``_before``."""
        return self.inertia.times(self.qvel - self._before) / self._timestep + self.inertia.bias


def _span(columns: Any) -> Any:
    """Return columns as a slice if they follow each other, which is faster, else as an index array."""
    array = np.array(columns, int)
    if len(array) and np.array_equal(array, np.arange(array[0], array[0] + len(array))):
        return slice(int(array[0]), int(array[-1]) + 1)
    return array


def _split(tree: Tree, motor: Array, pushed: bool) -> Driven:
    chosen = motor[tree.dofs]
    links = np.array(tree.links, int)
    return Driven(
        tree=tree,
        pushed=pushed,
        torque_links=links[~chosen].tolist(),
        torque_dofs=_span(tree.dofs[~chosen]),
        motor_links=links[chosen].tolist(),
        motor_dofs=_span(tree.dofs[chosen]),
    )


def _base_is_pushed(m: mujoco.MjModel, tree: Tree) -> bool:
    """Tell whether anything but gravity and contact acts on a free base: dampers, welds, fluid, compensated weight."""
    bodies = np.flatnonzero(m.body_treeid == m.body_treeid[tree.root])
    damping = m.dof_damping[tree.base_dof : tree.base_dof + 6]
    return bool(
        np.any(damping)
        or np.any(m.body_gravcomp[bodies])
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
