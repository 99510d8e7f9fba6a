"""Inertia and Jacobians of Bullet worlds in canonical coordinates.

Bullet orders a free base as angular, then linear, both in its principal axes and at its centre of mass;
``_from_canonical`` is the way there. Its own Jacobian needs the same change of frames and crashes on a tree without
joints, so Jacobians are those of the canonical kinematics at Bullet's coordinates, as all poses are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pybullet as p
from mujoco import batch

from metasim.backends.pybullet.world import Tree
from metasim.core.errors import UnknownName
from metasim.core.rotation import matrix_from_quat
from metasim.model import Model

Array = Any


def tree_inertia(client: int, tree: Tree, qpos: Array) -> tuple[Array, Array]:
    """Return a tree's dofs ``(k,)`` and its inertia ``(k, k)`` as Bullet has it, without armature.

    Args:
        client: Which world.
        tree: Which tree.
        qpos: ``(nq,)`` coordinates of that world.
    """
    joints = [s[0] for s in p.getJointStates(tree.body, tree.links, physicsClientId=client)] if tree.links else []
    if tree.base_dof < 0:
        return tree.dofs, np.array(p.calculateMassMatrix(tree.body, joints, physicsClientId=client))
    if joints:
        own = np.array(p.calculateMassMatrix(tree.body, joints, physicsClientId=client))
    else:
        info = p.getDynamicsInfo(tree.body, -1, physicsClientId=client)
        own = np.diag([*info[2], info[0], info[0], info[0]])
    change = _from_canonical(tree, qpos[tree.base_qpos + 3 : tree.base_qpos + 7])
    return np.r_[tree.base_dof : tree.base_dof + 6, tree.dofs], change.T @ own @ change


def _from_canonical(tree: Tree, quat: Array) -> Array:
    """Return the matrix from canonical velocities of a tree to Bullet's."""
    axes = matrix_from_quat(tree.axes).T
    x, y, z = tree.com
    lever = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    change = np.eye(6 + len(tree.dofs))
    change[:6, :6] = 0.0
    change[:3, 3:6] = axes
    change[3:6, :3] = axes @ matrix_from_quat(quat).T
    change[3:6, 3:6] = -axes @ lever
    return change


def frame(model: Model, kind: str, name: str) -> int:
    """Return the index of a body or site.

    Raises:
        UnknownName: For another kind, or a name that is not there.
    """
    if kind not in ("body", "site"):
        raise UnknownName("kind of frame", kind, ("body", "site"))
    return model.info.index(kind, name)


def jacobian(mirror: batch.Batch, kind: str, k: int, rows: Array) -> Array:
    """Return ``(n, 6, nv)``: linear rows over angular rows, world axes, at the origin of a body or site."""
    body = k if kind == "body" else int(mirror.model.site_bodyid[k])
    points = mirror.bind("xpos" if kind == "body" else "site_xpos")[rows, k]
    linear, angular = mirror.jac(np.full(len(rows), body, np.int32), np.ascontiguousarray(points), ids=rows)
    return np.concatenate([np.asarray(linear), np.asarray(angular)], axis=1)
