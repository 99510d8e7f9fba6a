"""Inertia and Jacobians of Bullet worlds in canonical coordinates.

Bullet's own mass matrix is of no use: it keeps the masses of its first call whatever they become later, orders a free
base as it likes, and crashes on a tree without joints. So the inertia is put together here from the mass, principal
moments and pose that Bullet has of each link, through the Jacobians of the canonical kinematics.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pybullet as p
from mujoco import batch

from metasim.backends.pybullet.world import Wiring
from metasim.core.errors import UnknownName
from metasim.core.rotation import matrix_from_quat
from metasim.model import Model

Array = Any


def link_inertia(mirror: batch.Batch, wired: Wiring, clients: list[int], rows: Array) -> Array:
    """Return the joint-space inertia ``(n, nv, nv)`` of Bullet's links."""
    total = np.zeros((len(rows), mirror.model.nv, mirror.model.nv))
    for group, (body, link) in wired.links.items():
        held = [_one_link(clients[i], body, link) for i in rows.tolist()]
        if held:
            masses, moments, centres = (np.array(part) for part in zip(*held, strict=True))
            linear, angular = jacobian(mirror, group, centres, rows)
            total += masses[:, None, None] * np.einsum("nki,nkj->nij", linear, linear)
            total += np.einsum("nki,nkl,nlj->nij", angular, moments, angular)
    return total


def _one_link(client: int, body: int, link: int) -> tuple[float, Array, Array]:
    """Return mass, moments ``(3, 3)`` about the centre in world axes, and centre ``(3,)`` of a link."""
    info = p.getDynamicsInfo(body, link, physicsClientId=client)
    if link < 0:
        pos, (x, y, z, w) = p.getBasePositionAndOrientation(body, physicsClientId=client)
    else:
        pos, (x, y, z, w) = p.getLinkState(body, link, computeForwardKinematics=1, physicsClientId=client)[:2]
    axes = matrix_from_quat(np.array([w, x, y, z]))
    return info[0], axes @ np.diag(info[2]) @ axes.T, np.array(pos)


def frame(model: Model, kind: str, name: str) -> int:
    """Return the index of a body or site.

    Raises:
        UnknownName: For another kind, or a name that is not there.
    """
    if kind not in ("body", "site"):
        raise UnknownName("kind of frame", kind, ("body", "site"))
    return model.info.index(kind, name)


def frame_jacobian(mirror: batch.Batch, kind: str, k: int, rows: Array) -> Array:
    """Return ``(n, 6, nv)``: linear rows over angular rows, world axes, at the origin of a body or site."""
    body = k if kind == "body" else int(mirror.model.site_bodyid[k])
    points = mirror.bind("xpos" if kind == "body" else "site_xpos")[rows, k]
    return np.concatenate(jacobian(mirror, body, points, rows), axis=1)


def jacobian(mirror: batch.Batch, body: int, points: Array, rows: Array) -> tuple[Array, Array]:
    """Return linear and angular Jacobians ``(n, 3, nv)`` of points ``(n, 3)``, world, that move with a body."""
    linear, angular = mirror.jac(np.full(len(rows), body, np.int32), np.ascontiguousarray(points), ids=rows)
    return np.asarray(linear), np.asarray(angular)
