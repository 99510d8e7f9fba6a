"""Coordinates in and out: canonical qpos and qvel to Isaac Gym's root and joint states, and back.

Isaac Gym's quaternions are xyzw; a root's linear velocity is that of its centre of mass, both velocities in world axes;
joints have their zero where the canonical model has ``qpos0``. Numbers are float32 there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np

from metasim.backends.isaacgym.model import Actor, Frames
from metasim.core.rotation import cross, quat_conj, quat_mul, rotate

Array = Any
LIMIT = 1e10
"""Where MuJoCo, too, calls a number bad."""
XYZW, WXYZ = [1, 2, 3, 0], [3, 0, 1, 2]


class Exchange:
    """Between the mirror's rows and the shared arrays.

    Args:
        m: The canonical model.
        f: Its frames.
        actors: In the worker's order.
        joints: Canonical joint of each of the worker's degrees of freedom.
    """

    def __init__(self, m: mujoco.MjModel, f: Frames, actors: Sequence[Actor], joints: Array) -> None:
        self._m = m
        self._qpos, self._dof = m.jnt_qposadr[joints], m.jnt_dofadr[joints]
        self._zero = np.array(m.qpos0[self._qpos])
        self._free = [
            (k, int(m.jnt_qposadr[j]), int(m.jnt_dofadr[j]), f.com[actor.root])
            for k, actor in enumerate(actors)
            if actor.free
            for j in [int(m.body_jntadr[actor.root])]
        ]
        self._placed = [(k, actor.root, actor.moving) for k, actor in enumerate(actors) if not actor.free]

    def pull(self, root: Array, dof: Array, qpos: Array, qvel: Array) -> None:
        """Write canonical coordinates ``(N, nq)``, ``(N, nv)`` from states ``(N, A, 13)`` and ``(N, D, 2)``."""
        qpos[:, self._qpos] = dof[:, :, 0] + self._zero
        qvel[:, self._dof] = dof[:, :, 1]
        for k, q, v, com in self._free:
            state = np.array(root[:, k], float)
            quat = state[:, 3:7][:, WXYZ]
            quat /= np.linalg.norm(quat, axis=1, keepdims=True)
            spin = state[:, 10:13]
            qpos[:, q : q + 3], qpos[:, q + 3 : q + 7] = state[:, :3], quat
            qvel[:, v : v + 3] = state[:, 7:10] - cross(spin, rotate(quat, np.broadcast_to(com, spin.shape)))
            qvel[:, v + 3 : v + 6] = rotate(quat_conj(quat), spin)

    def push(self, rows: Array, qpos: Array, qvel: Array, root: Array, dof: Array) -> None:
        """Write joint and free base states of some worlds from canonical coordinates ``(N, ...)``."""
        dof[rows, :, 0] = qpos[rows][:, self._qpos] - self._zero
        dof[rows, :, 1] = qvel[rows][:, self._dof]
        for k, q, v, com in self._free:
            quat = qpos[rows, q + 3 : q + 7]
            quat = quat / np.linalg.norm(quat, axis=1, keepdims=True)
            spin = rotate(quat, qvel[rows, v + 3 : v + 6])
            arm = rotate(quat, np.broadcast_to(com, spin.shape))
            linear = qvel[rows, v : v + 3] + cross(spin, arm)
            root[rows, k] = np.hstack([qpos[rows, q : q + 3], quat[:, XYZW], linear, spin])

    def place(self, rows: Array, pose: tuple[Array, Array], own: tuple[Array, Array], root: Array) -> None:
        """Write where fixed actors stand in some worlds.

        Args:
            rows: Worlds ``(n,)``.
            pose: Positions ``(N, nbody, 3)`` and orientations ``(N, nbody, 4)`` of bodies.
            own: Positions and orientations of bodies in their parents, each shared or one row per world.
            root: The states to write to.
        """
        pos, quat = pose
        for k, body, moving in self._placed:
            if moving:  # the tree's own zero pose, whatever its joints say
                parent = int(self._m.body_parentid[body])
                offset, turn = (a[body] if a.ndim == 2 else a[rows, body] for a in own)
                base = quat[rows, parent]
                where = pos[rows, parent] + rotate(base, np.broadcast_to(offset, (len(rows), 3)))
                turned = quat_mul(
                    base, np.broadcast_to(turn / np.linalg.norm(turn, axis=-1, keepdims=True), base.shape)
                )
            else:
                where, turned = pos[rows, body], quat[rows, body]
            root[rows, k] = 0.0
            root[rows, k, :3], root[rows, k, 3:7] = where, turned[:, XYZW]


def sane(*arrays: Array) -> Array:
    """Return ``(n,)`` bool: whether all values of a row are finite and not too large."""
    with np.errstate(invalid="ignore"):
        return np.all([(np.abs(a.reshape(len(a), -1)) < LIMIT).all(axis=1) for a in arrays], axis=0)
