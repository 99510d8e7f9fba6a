"""Batched rotations: quaternions wxyz, matrices 3x3; any array-API namespace, no in-place writes.

Shapes: quaternions ``(..., 4)``, vectors ``(..., 3)``, matrices ``(..., 3, 3)``. Checked against SciPy in the tests.
Source: J. Diebel, "Representing Attitude: Euler Angles, Unit Quaternions, and Rotation Vectors", 2006.
"""

from __future__ import annotations

from typing import Any

from metasim.core.array import namespace

Array = Any


def wxyz_from_xyzw(q_xyzw: Array) -> Array:
    """Reorder ``(..., 4)`` quaternions from xyzw (SciPy, Bullet) to wxyz."""
    xp = namespace(q_xyzw)
    return xp.concat([q_xyzw[..., 3:], q_xyzw[..., :3]], axis=-1)


def xyzw_from_wxyz(quat: Array) -> Array:
    """Reorder ``(..., 4)`` quaternions from wxyz to xyzw (SciPy, Bullet)."""
    xp = namespace(quat)
    return xp.concat([quat[..., 1:], quat[..., :1]], axis=-1)


def normalize(quat: Array) -> Array:
    """Return unit quaternions ``(..., 4)``."""
    xp = namespace(quat)
    return quat / xp.sqrt(xp.sum(quat * quat, axis=-1, keepdims=True))


def quat_conj(quat: Array) -> Array:
    """Return the conjugate (the inverse, for unit quaternions) ``(..., 4)``."""
    xp = namespace(quat)
    return xp.concat([quat[..., :1], -quat[..., 1:]], axis=-1)


def quat_mul(a: Array, b: Array) -> Array:
    """Return the Hamilton product ``a b``: first ``b``, then ``a`` ``(..., 4)``."""
    xp = namespace(a)
    aw, ax, ay, az = a[..., 0], a[..., 1], a[..., 2], a[..., 3]
    bw, bx, by, bz = b[..., 0], b[..., 1], b[..., 2], b[..., 3]
    return xp.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def cross(a: Array, b: Array) -> Array:
    """Return the cross product of ``(..., 3)`` vectors."""
    xp = namespace(a)
    a0, a1, a2, b0, b1, b2 = a[..., 0], a[..., 1], a[..., 2], b[..., 0], b[..., 1], b[..., 2]
    return xp.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], axis=-1)


def rotate(quat: Array, vector: Array) -> Array:
    """Rotate ``(..., 3)`` vectors by unit quaternions ``(..., 4)``."""
    w, u = quat[..., :1], quat[..., 1:]
    t = 2.0 * cross(u, vector)
    return vector + w * t + cross(u, t)


def matrix_from_quat(quat: Array) -> Array:
    """Return rotation matrices ``(..., 3, 3)`` of unit quaternions ``(..., 4)``."""
    xp = namespace(quat)
    w, x, y, z = quat[..., 0], quat[..., 1], quat[..., 2], quat[..., 3]
    rows = [
        xp.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], axis=-1),
        xp.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], axis=-1),
        xp.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], axis=-1),
    ]
    return xp.stack(rows, axis=-2)


def quat_from_matrix(matrix: Array) -> Array:
    """Return unit quaternions ``(..., 4)`` with w >= 0 of rotation matrices ``(..., 3, 3)``.

    The largest component is found first, so no small number is ever divided by (Shepperd's method).
    """
    xp = namespace(matrix)
    m00, m11, m22 = matrix[..., 0, 0], matrix[..., 1, 1], matrix[..., 2, 2]
    dx, dy, dz = matrix[..., 2, 1], matrix[..., 0, 2], matrix[..., 1, 0]
    ex, ey, ez = matrix[..., 1, 2], matrix[..., 2, 0], matrix[..., 0, 1]
    candidates = xp.stack(
        [
            xp.stack([1 + m00 + m11 + m22, dx - ex, dy - ey, dz - ez], axis=-1),
            xp.stack([dx - ex, 1 + m00 - m11 - m22, dz + ez, dy + ey], axis=-1),
            xp.stack([dy - ey, dz + ez, 1 - m00 + m11 - m22, dx + ex], axis=-1),
            xp.stack([dz - ez, dy + ey, dx + ex, 1 - m00 - m11 + m22], axis=-1),
        ],
        axis=-2,
    )
    pivots = xp.stack([candidates[..., i, i] for i in range(4)], axis=-1)
    best = xp.argmax(pivots, axis=-1)
    chosen = candidates[..., 0, :]
    for i in (1, 2, 3):
        chosen = xp.where((best == i)[..., None], candidates[..., i, :], chosen)
    quat = normalize(chosen)
    return xp.where(quat[..., :1] < 0, -quat, quat)


def rotation_vector(quat: Array) -> Array:
    """Return the rotation vectors ``(..., 3)`` [rad] of unit quaternions, angle in [0, pi]."""
    xp = namespace(quat)
    q = xp.where(quat[..., :1] < 0, -quat, quat)
    sine = xp.sqrt(xp.sum(q[..., 1:] * q[..., 1:], axis=-1, keepdims=True))
    angle = 2.0 * xp.atan2(sine, q[..., :1])
    small = sine < 1e-9
    return q[..., 1:] * xp.where(small, 2.0 * xp.ones_like(sine), angle / xp.where(small, xp.ones_like(sine), sine))
