"""Formulas that engines are held against; none of them knows an engine."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from metasim.core.rotation import matrix_from_quat, normalize, quat_conj, quat_mul, rotate, rotation_vector

Array = Any
FREE, BALL, SLIDE, HINGE = range(4)
NUDGE = 1e-6


def pendulum_period(inertia: float, mass: float, distance: float, gravity: float, amplitude: float) -> float:
    """Return the exact period [s] of a physical pendulum swinging to ``amplitude`` [rad].

    T = 2 pi sqrt(I / (m g d)) / agm(1, cos(amplitude / 2)), Gauss's form of the complete elliptic integral.
    """
    a, b = 1.0, math.cos(amplitude / 2)
    while abs(a - b) > 1e-15:
        a, b = (a + b) / 2, math.sqrt(a * b)
    return 2 * math.pi * math.sqrt(inertia / (mass * gravity * distance)) / a


def second_order_step(times: Array, omega: float, zeta: float) -> Array:
    """Return the response of x'' = omega^2 (1 - x) - 2 zeta omega x' from rest, for zeta < 1."""
    damped = omega * math.sqrt(1 - zeta * zeta)
    decay = np.exp(-zeta * omega * times)
    return 1 - decay * (np.cos(damped * times) + zeta * omega / damped * np.sin(damped * times))


def critically_damped_step(times: Array, time_constant: float) -> Array:
    """Return the unit step response of x'' = (1 - x) / tc^2 - 2 x' / tc, at rest before."""
    return 1 - (1 + times / time_constant) * np.exp(-times / time_constant)


def soft_sag(acceleration: float, time_constant: float, impedance: tuple[float, float, float]) -> float:
    """Return how far [m] a steady pull [m/s^2] presses a body into a soft constraint of MuJoCo.

    The constraint answers (1 - d) a with d k d r, k = 1 / (d1 tc)^2; d grows from d0 to d1 over a width [m]:
    ``impedance`` is (d0, d1, width), solimp's first three numbers, with its default power 2 about the middle.
    """
    d0, d1, width = impedance
    sag = 0.0
    for _ in range(100):
        x = min(sag / width, 1.0)
        d = d0 + (d1 - d0) * (2 * x * x if x < 0.5 else 1 - 2 * (1 - x) ** 2)
        sag = (1 - d) * acceleration * (d1 * time_constant / d) ** 2
    return sag


def arm_mass_matrix(elbow: float) -> Array:
    """Return the ``(2, 2)`` inertia of ``models/arm.xml``, shoulder first [kg m^2]."""
    m2, l1, c1, c2 = 0.7, 0.4, 0.2, 0.15
    outer = 0.008 + m2 * c2 * c2
    coupling = outer + m2 * l1 * c2 * math.cos(elbow)
    inner = 0.020 + 1.2 * c1 * c1 + outer + m2 * (l1 * l1 + 2 * l1 * c2 * math.cos(elbow))
    return np.array([[inner, coupling], [coupling, outer]])


def arm_gravity_torque(shoulder: float, elbow: float, gravity: float = 9.81) -> Array:
    """Return the torques ``(2,)`` [N m], shoulder first, that hold ``models/arm.xml`` against gravity."""
    fore = 0.7 * gravity * 0.15 * math.sin(shoulder + elbow)
    return np.array([gravity * (1.2 * 0.2 + 0.7 * 0.4) * math.sin(shoulder) + fore, fore])


def free_mass_matrix(mass: float, inertia: Array, centre: Array, quat: Array) -> Array:
    """Return the ``(6, 6)`` inertia of a free body in (linear world, angular body) velocities at its origin.

    With the centre of mass at ``centre`` in the body's frame, its velocity is v + R (w x c), so the kinetic
    energy is m |v|^2 / 2 + m v . R (w x c) + w . (I - m [c]^2) w / 2, with ``inertia`` ``(3, 3)`` about the
    centre, body axes.
    """
    skew = np.array([[0, -centre[2], centre[1]], [centre[2], 0, -centre[0]], [-centre[1], centre[0], 0]])
    coupling = -mass * matrix_from_quat(np.asarray(quat, float)) @ skew
    return np.block([[mass * np.eye(3), coupling], [coupling.T, inertia - mass * skew @ skew]])


def axis_angle(vector: Array) -> Array:
    """Return the unit quaternion ``(4,)`` wxyz of a rotation vector ``(3,)`` [rad]."""
    angle = float(np.linalg.norm(vector))
    half = 0.5 * np.sinc(angle / (2 * np.pi))
    return np.concatenate([[math.cos(angle / 2)], half * np.asarray(vector, float)])


def forward_kinematics(mj: Any, qpos: Array) -> dict[str, tuple[Array, Array]]:
    """Return positions ``(K, 3)`` and quaternions ``(K, 4)`` by kind: ``"body"``, ``"site"``, ``"geom"``.

    The recursion over ``body_pos``, ``jnt_axis`` and so on of a compiled model, written out once more.
    """
    pos, quat = np.zeros((mj.nbody, 3)), np.tile([1.0, 0, 0, 0], (mj.nbody, 1))
    for b in range(1, mj.nbody):
        parent, first, count = int(mj.body_parentid[b]), int(mj.body_jntadr[b]), int(mj.body_jntnum[b])
        p = pos[parent] + rotate(quat[parent], mj.body_pos[b])
        r = quat_mul(quat[parent], mj.body_quat[b])
        for j in range(first, first + count):
            p, r = _move(mj, j, qpos[int(mj.jnt_qposadr[j]) :], p, r)
        pos[b], quat[b] = p, normalize(r)
    frames = {"body": (pos, quat)}
    for kind in ("site", "geom"):
        owner = getattr(mj, f"{kind}_bodyid")
        offset, turn = getattr(mj, f"{kind}_pos"), getattr(mj, f"{kind}_quat")
        frames[kind] = (pos[owner] + rotate(quat[owner], offset), quat_mul(quat[owner], turn))
    return frames


def _move(mj: Any, j: int, q: Array, pos: Array, quat: Array) -> tuple[Array, Array]:
    kind = int(mj.jnt_type[j])
    if kind == FREE:
        return q[:3], normalize(q[3:7])
    axis, anchor = mj.jnt_axis[j], pos + rotate(quat, mj.jnt_pos[j])
    if kind == SLIDE:
        return pos + rotate(quat, axis) * (q[0] - mj.qpos0[int(mj.jnt_qposadr[j])]), quat
    turn = normalize(q[:4]) if kind == BALL else axis_angle(axis * (q[0] - mj.qpos0[int(mj.jnt_qposadr[j])]))
    turned = quat_mul(quat, turn)
    return anchor - rotate(turned, mj.jnt_pos[j]), turned


def moved(mj: Any, qpos: Array, step: Array) -> Array:
    """Return the coordinates ``(nq,)`` a small ``step`` ``(nv,)`` away; free joints turn about body axes."""
    result = qpos.copy()
    for j in range(mj.njnt):
        q, v = int(mj.jnt_qposadr[j]), int(mj.jnt_dofadr[j])
        if int(mj.jnt_type[j]) == FREE:
            result[q : q + 3] += step[v : v + 3]
            result[q + 3 : q + 7] = quat_mul(qpos[q + 3 : q + 7], axis_angle(step[v + 3 : v + 6]))
        else:
            result[q] += step[v]
    return result


def rates(mj: Any, qpos: Array, qvel: Array, kind: str) -> tuple[Array, Array]:
    """Return the linear and angular velocities ``(K, 3)`` of all frames of a kind, by central difference."""
    (p0, r0), (p1, r1) = (forward_kinematics(mj, moved(mj, qpos, sign * NUDGE * qvel))[kind] for sign in (-1, 1))
    return (p1 - p0) / (2 * NUDGE), rotation_vector(quat_mul(r1, quat_conj(r0))) / (2 * NUDGE)


def momenta(mj: Any, qpos: Array, qvel: Array, bodies: Array) -> dict[str, Array]:
    """Return momentum, angular momentum about the common centre, and energy of some bodies, world axes."""
    pos, quat = (frames[bodies] for frames in forward_kinematics(mj, qpos)["body"])
    linear, angular = (v[bodies] for v in rates(mj, qpos, qvel, "body"))
    mass, lever = mj.body_mass[bodies][:, None], rotate(quat, mj.body_ipos[bodies])
    centre, velocity = pos + lever, linear + np.cross(angular, lever)
    axes = quat_mul(quat, mj.body_iquat[bodies])
    spin = rotate(axes, mj.body_inertia[bodies] * rotate(quat_conj(axes), angular))
    middle = (mass * centre).sum(axis=0) / mass.sum()
    kinetic = 0.5 * ((mass * velocity**2).sum() + (spin * angular).sum())
    return {
        "momentum": (mass * velocity).sum(axis=0),
        "angular momentum": (np.cross(centre - middle, mass * velocity) + spin).sum(axis=0),
        "energy": kinetic - (mass * centre * mj.opt.gravity).sum(),
    }


def turn_between(a: Array, b: Array) -> Array:
    """Return the angle [rad] between orientations ``(..., 4)``, blind to the sign of a quaternion."""
    sine = np.minimum(np.linalg.norm(a - b, axis=-1), np.linalg.norm(a + b, axis=-1)) / 2
    return 4 * np.arcsin(np.clip(sine, 0, 1))
