"""The hot path: all worlds by one substep, then the next; numpy sees all at once, Bullet one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np
import pybullet as p

from metasim.backends.pybullet import world
from metasim.backends.pybullet.control import MOTOR_FORCE, Controller, Driven
from metasim.backends.pybullet.model import Plan
from metasim.backends.pybullet.world import Tree, Wiring

Array = Any


class Lockstep:
    """Advances n worlds.

    Args:
        m: The canonical model.
        plan: Its translation.
        wired: Ids in Bullet.
        clients: One for each world.
        control: Who computes the forces and holds the coordinates.
    """

    def __init__(
        self, m: mujoco.MjModel, plan: Plan, wired: Wiring, clients: Sequence[int], control: Controller
    ) -> None:
        self._m, self._plan, self._wired, self._clients, self._control = m, plan, wired, clients, control
        self.wrench = np.zeros((len(clients), m.nbody, 6))
        self._pushed: list[tuple[int, int]] = []

    def run(self, active: list[int], substeps: int) -> None:
        """Advance some worlds; ``active`` are their numbers."""
        if not active:
            return
        ids = None if len(active) == len(self._clients) else np.array(active)
        for _ in range(substeps):
            self._push(active)
            if self._control.trees:
                self._substep(active, ids)
            else:
                for i in active:
                    p.stepSimulation(self._clients[i])
        self._read_bases(active, [t for t in self._wired.trees if t not in self._control.trees])

    def set_wrenches(self, rows: Array, wrenches: Array) -> None:
        """Set all external wrenches ``(n, nbody, 6)`` of some worlds."""
        self.wrench[rows] = wrenches
        self._pushed = [(int(i), int(k)) for i, k in np.argwhere(self.wrench.any(axis=2))]

    def _substep(self, active: list[int], ids: Array | None) -> None:
        control, clients, reads = self._control, self._clients, self._control.reads
        quats = {
            d.tree: control.qpos[:, d.tree.base_qpos + 3 : d.tree.base_qpos + 7].copy()
            for d in control.driven
            if d.pushed
        }
        control.advance(ids)
        commands = [self._commands(d, quats.get(d.tree), active) for d in control.driven]
        positions: list[float] = []
        velocities: list[float] = []
        forces: list[float] = []
        for i in active:
            client = clients[i]
            for body, links, torques, motors, speeds, limits in commands:
                if links:
                    p.setJointMotorControlArray(
                        body, links, p.TORQUE_CONTROL, forces=torques[i], physicsClientId=client
                    )
                if motors:
                    p.setJointMotorControlArray(
                        body,
                        motors,
                        p.VELOCITY_CONTROL,
                        targetVelocities=speeds[i],
                        forces=limits,
                        physicsClientId=client,
                    )
            p.stepSimulation(client)
            for body, links in reads:
                q, v, _, f = zip(*p.getJointStates(body, links, client), strict=True)
                positions += q
                velocities += v
                forces += f
        measured = self._take_joints(active, ids, positions, velocities, forces)
        self._read_bases(active, control.trees)
        control.observe(measured)

    def _commands(
        self, d: Driven, quat: Array | None, active: list[int]
    ) -> tuple[int, list[int], list[list[float]], list[int], list[list[float]], list[float]]:
        """Push a tree's free base, and return body, links and torques, motors, their speeds and limits, by world."""
        torque, following = self._control.torque, self._control.qvel
        if quat is not None:
            self._push_base(d.tree, quat, torque[:, d.tree.base_dof : d.tree.base_dof + 6], active)
        torques, speeds = torque[:, d.torque_dofs].tolist(), following[:, d.motor_dofs].tolist()
        return d.tree.body, d.torque_links, torques, d.motor_links, speeds, [MOTOR_FORCE] * len(d.motor_links)

    def _push_base(self, t: Tree, quat: Array, force: Array, active: list[int]) -> None:
        """Apply what the mirror does to a free base: dampers, welds, buoyancy."""
        rows = [i for i in np.flatnonzero(force.any(axis=1)).tolist() if i in active]
        if rows:
            for i, wrench in zip(rows, world.base_wrench(t, quat[rows], force[rows]).tolist(), strict=True):
                world.push_base(self._clients[i], t, wrench[:3], wrench[3:])

    def _push(self, active: list[int]) -> None:
        """Apply the external wrenches, each at its body's centre of mass."""
        for i, body in self._pushed:
            if i in active:
                point = self._plan.rel_pos[body] + self._plan.rel_mat[body] @ self._m.body_ipos[body]
                world.push(self._clients[i], self._wired, int(self._m.body_weldid[body]), point, self.wrench[i, body])

    def _take_joints(
        self, active: list[int], ids: Array | None, positions: list[float], velocities: list[float], forces: list[float]
    ) -> Array | None:
        """Take the joints of driven trees into the coordinates; return the forces of the motors ``(n, motors)``."""
        control, n = self._control, len(active)
        if not positions:
            return None
        q, v = np.array(positions).reshape(n, -1), np.array(velocities).reshape(n, -1)
        if control.qpos_zero is not None:
            q += control.qpos_zero
        if ids is None:
            control.qpos[:, control.qpos_columns] = q
            control.qvel[:, control.dof_columns] = v
        else:
            for row, i in enumerate(active):
                control.qpos[i, control.qpos_columns] = q[row]
                control.qvel[i, control.dof_columns] = v[row]
        if not control.motor_count:
            return None
        found = np.array(forces).reshape(n, -1)[:, control.motor_reads]
        if ids is None:
            return found
        measured = np.zeros((len(self._clients), control.motor_count))
        measured[ids] = found
        return measured

    def _read_bases(self, active: list[int], trees: Sequence[Tree]) -> None:
        for t in trees:
            if t.base_dof >= 0:
                numbers = np.array([world.read_base(self._clients[i], t) for i in active])
                qpos, qvel = world.bases_to_canonical(t, numbers[:, :7], numbers[:, 7:])
                self._control.qpos[active, t.base_qpos : t.base_qpos + 7] = qpos
                self._control.qvel[active, t.base_dof : t.base_dof + 6] = qvel
