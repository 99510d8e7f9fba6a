"""Bodies in motion without contact: falling, swinging, spinning, and what they conserve."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from metasim.conformance.measurement import BackendFactory, Measurement, near
from metasim.conformance.oracles import momenta, pendulum_period
from metasim.conformance.scenes import GRAVITY, STEP_S, model, opened
from metasim.core.backend import Backend, Start
from metasim.core.rotation import normalize, rotate

Array = Any
BOB_KG, BOB_M, BOB_INERTIA = 1.3, 0.6, 0.012 + 1.3 * 0.6**2
CENTRE = np.array([0.06, -0.03, 0.10])
HULL_KG = 1.7
HULL_INERTIA = np.array([[0.020, 0.002, -0.001], [0.002, 0.026, 0.003], [-0.001, 0.003, 0.017]])


def free_fall(make: BackendFactory) -> list[Measurement]:
    """A thrown ball falls by the formula and loses no speed on the way."""
    n, launch = 500, np.array([1.5, -0.7, 2.0, 0.5, -1.0, 2.0])
    with opened(make, "ball") as backend:
        home = {"ball": [[0, 0, 2, 1, 0, 0, 0]]}
        backend.write(Start(joints=home, velocities={"ball": launch[None]}))
        ball = backend.step(n).joint("ball")
        time = n * STEP_S
        fallen = launch[2] * time - GRAVITY * STEP_S**2 * n * (n + 1) / 2
        exact = "semi-implicit Euler: v += a dt, then x += v dt; rounding of 500 steps"
        drag = "nothing acts sideways; Bullet's default damping would take 7.5 % of it"
        return [
            near("velocity after 1 s", ball.vel[0, 2], launch[2] - GRAVITY * time, 1e-9, "m/s", exact),
            near("height after 1 s", ball.pos[0, 2], 2 + fallen, 1e-9, "m", exact),
            near(
                "height after 1 s, continuous",
                ball.pos[0, 2],
                2 + launch[2] * time - GRAVITY * time**2 / 2,
                GRAVITY * time * STEP_S,
                "m",
                "z = v t - g t^2 / 2; the integrator is g t dt / 2 off",
            ),
            near("sideways velocity", ball.vel[0, :2], launch[:2], 1e-9, "m/s", drag),
            near("sideways position", ball.pos[0, :2], launch[:2] * time, 1e-9, "m", drag),
            near("spin of a sphere", ball.vel[0, 3:], launch[3:], 1e-6, "rad/s", "no torque, equal moments"),
        ]


def pendulum(make: BackendFactory) -> list[Measurement]:
    """A pendulum keeps its period at small and large amplitude, and its amplitude for 20 s."""
    with opened(make, "pendulum", num_worlds=2) as backend:
        amplitudes = np.array([0.05, 1.2])
        backend.write(Start(joints={"swing": amplitudes[:, None]}))
        times, angles = _swing(backend, seconds=20.0)
        found = [pendulum_period(BOB_INERTIA, BOB_KG, BOB_M, GRAVITY, a) for a in amplitudes]
        last = angles[times > 20.0 - 1.1 * max(found)]
        why = "2 pi sqrt(I / m g d) / agm(1, cos(a / 2)); phase error of the integrator (w dt)^2 / 24"
        kept = "undamped: a stray damping of 1e-3 N m s takes 2 % of it"
        return [
            near("period at 0.05 rad", _period(times, angles[:, 0]), found[0], 1e-4, "s", why),
            near("period at 1.2 rad", _period(times, angles[:, 1]), found[1], 1e-3, "s", why),
            near("amplitude of 0.05 rad after 20 s", _peak(last[:, 0]), 0.05, 1e-4, "rad", kept),
            near("amplitude of 1.2 rad after 20 s", _peak(last[:, 1]), 1.2, 2.4e-3, "rad", kept),
        ]


def spin(make: BackendFactory) -> list[Measurement]:
    """A thrown lopsided body keeps momenta and energy, and its centre of mass flies straight."""
    start = np.array([0.3, -0.2, 0.5, 0.8, 0.2, -0.4, 0.4]), np.array([0.4, -0.3, 0.2, 1.5, -2.0, 1.0])
    with opened(make, "offset") as backend:
        backend.write_state(start[0][None], start[1][None])
        before = _momenta(*start)
        state = backend.step(500)
        after = _momenta(state.qpos[0], state.qvel[0])
        first = "first-order integrator: dt w / 2 a turn"
        return [
            near(
                "centre of mass after 1 s",
                after["centre"],
                before["centre"] + before["momentum"] / HULL_KG,
                2e-2,
                "m",
                first,
            ),
            near("momentum", after["momentum"], before["momentum"], 3e-2, "kg m/s", first),
            near("angular momentum", after["spin"], before["spin"], 2e-3, "kg m^2/s", first),
            near("energy", after["energy"] / before["energy"], 1.0, 2e-2, "", first),
        ]


def linkage(make: BackendFactory) -> list[Measurement]:
    """A thrown linkage gains momentum by its weight alone; angular momentum and energy stay."""
    mj, info = model("tree").mj, model("tree").info
    thrown = np.array([info.index("body", name) for name in ("base", "turret", "mast", "wrist")])
    rng = np.random.default_rng(4)
    qpos, qvel = rng.uniform(-0.4, 0.4, mj.nq), rng.uniform(-1.0, 1.0, mj.nv)
    qpos[3:7] = normalize(np.array([0.9, 0.1, -0.3, 0.2]))
    with opened(make, "tree") as backend:
        backend.write_state(qpos[None], qvel[None])
        before, whole = momenta(mj, qpos, qvel, thrown), momenta(mj, qpos, qvel, np.arange(1, mj.nbody))
        state = backend.step(100)
        end = state.qpos[0].copy(), state.qvel[0].copy()
    after = momenta(mj, *end, thrown)
    weight = float(mj.body_mass[thrown].sum()) * GRAVITY * np.array([0, 0, -1.0])
    first = "first-order integrator, 0.2 s at 1 rad/s"
    spin, energy = "angular momentum", momenta(mj, *end, np.arange(1, mj.nbody))["energy"]
    return [
        near(
            "momentum",
            after["momentum"],
            before["momentum"] + 0.2 * weight,
            2e-3,
            "kg m/s",
            f"P + m g t; {first}",
        ),
        near(spin, after[spin], before[spin], 1e-3, "kg m^2/s", f"about the centre; {first}"),
        near("energy", energy, whole["energy"], 0.1, "J", "falling in steps loses m g^2 t dt / 2 = 0.09 J"),
    ]


def momentum(make: BackendFactory) -> list[Measurement]:
    """Two colliding balls keep their momentum, and a motor inside a floating body changes none."""
    why = "only internal forces; rounding"
    with opened(make, "pucks") as backend:
        home = {"left": [[-0.2, 0, 0, 1, 0, 0, 0]], "right": [[0.2, 0, 0, 1, 0, 0, 0]]}
        backend.write(Start(joints=home, velocities={"left": [[1.0, 0, 0, 0, 0, 0]]}))
        impulse = 0.0
        for _ in range(300):
            impulse += STEP_S * backend.step().contact("left", "right").force[0, 0]
        left, right = (backend.state.joint(name).vel[0] for name in ("left", "right"))
        collided = [
            near("momentum after a collision", 0.4 * left[0] + right[0], 0.4, 1e-9, "kg m/s", why),
            near("collision happened", float(right[0] > 0.05), 1.0, 0.0, "", "0.3 m gap, 1 m/s, 0.6 s"),
            near("impulse less change of momentum", impulse - 0.4 * (left[0] - 1), 0.0, 1e-6, "N s", "dp"),
        ]
    with opened(make, "cannon") as backend:
        backend.targets.ctrl[:] = 2.0
        state = backend.step(250)
        barrel, bore = state.joint("barrel"), state.joint("bore")
        total = 3 * barrel.vel[0, 1] + (barrel.vel[0, 1] + bore.vel[0, 0])
        return [
            *collided,
            near("momentum with a motor inside", total, 0.0, 1e-9, "kg m/s", why),
            near(
                "shot relative to barrel",
                bore.vel[0, 0],
                2.0 * 0.5 / 0.75,
                1e-9,
                "m/s",
                "F t / mu with the reduced mass mu = 3 * 1 / 4",
            ),
            near("centre of mass", 4 * barrel.pos[0, 1] + bore.pos[0, 0], 0.0, 1e-9, "kg m", why),
        ]


def _swing(backend: Backend, seconds: float, substeps: int = 5) -> tuple[Array, Array]:
    count = round(seconds / (substeps * STEP_S))
    angles = np.array([backend.step(substeps).joint("swing").pos[:, 0].copy() for _ in range(count)])
    return np.arange(1, count + 1) * substeps * STEP_S, angles


def _period(times: Array, angles: Array) -> float:
    up = np.flatnonzero((angles[:-1] < 0) & (angles[1:] >= 0))
    if len(up) < 2:
        return math.nan
    crossings = times[up] - angles[up] * (times[up + 1] - times[up]) / (angles[up + 1] - angles[up])
    return float((crossings[-1] - crossings[0]) / (len(up) - 1))


def _peak(angles: Array) -> float:
    """Height of the parabola through the largest sample and its neighbours."""
    k = int(np.clip(np.argmax(np.abs(angles)), 1, len(angles) - 2))
    a, b, c = np.abs(angles[k - 1 : k + 2])
    curve = a - 2 * b + c
    return float(b if curve == 0 else b - (c - a) ** 2 / (8 * curve))


def _momenta(qpos: Array, qvel: Array) -> dict[str, Any]:
    """Centre of mass, momentum, angular momentum about it (world) and energy of the hull."""
    quat, body_rate = qpos[3:7], qvel[3:]
    velocity = qvel[:3] + rotate(quat, np.cross(body_rate, CENTRE))
    return {
        "centre": qpos[:3] + rotate(quat, CENTRE),
        "momentum": HULL_KG * velocity,
        "spin": rotate(quat, HULL_INERTIA @ body_rate),
        "energy": 0.5 * HULL_KG * velocity @ velocity + 0.5 * body_rate @ HULL_INERTIA @ body_rate,
    }


CHECKS = (free_fall, pendulum, spin, linkage, momentum)
