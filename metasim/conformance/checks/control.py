"""Actuators: position, velocity and effort drives, their limits, and which joint each of them moves."""

from __future__ import annotations

from typing import Any

import numpy as np

from metasim.conformance.measurement import BackendFactory, Measurement, near, needs, same
from metasim.conformance.oracles import arm_gravity_torque, arm_mass_matrix, second_order_step, soft_sag
from metasim.conformance.scenes import STEP_S, opened
from metasim.core.backend import Backend, Start

Array = Any
CART_KG = 2.0
RAILS = {"zeta": (0, 1.0), "alpha": (1, 2.0), "mid": (2, 5.0)}
"""Joint of ``models/rails.xml`` to the world axis it moves along and its mass [kg]."""


def position_step(make: BackendFactory) -> list[Measurement]:
    """A position drive answers a step like the second-order system it is, and force limits hold."""
    omega, zeta, goal = np.sqrt(200.0 / CART_KG), 12.0 / (2 * np.sqrt(200.0 * CART_KG)), 0.2
    with opened(make, "drives") as backend:
        _command(backend, "spring/rail", goal)
        _command(backend, "weak/rail", goal)
        times = STEP_S * 5 * np.arange(1, 401)
        path = np.array([_carts(backend, 5) for _ in times])
        wanted = goal * second_order_step(times, omega, zeta)
        early = round(0.05 / (5 * STEP_S))
        why = "second-order response; first-order integrator, dt w / 2 = 1 % of the step"
        return [
            near("response to a step", path[:, 0], wanted, 0.01 * goal, "m", why),
            near("overshoot", path[:, 0].max() / goal - 1, wanted.max() / goal - 1, 0.01, "", why),
            near("time of the peak", times[path[:, 0].argmax()], times[wanted.argmax()], 0.011, "s", why),
            near("end position", path[-1, 0], goal, 1e-5, "m", "e^(-zeta w 4 s) = 6e-6 of the step"),
            near(
                "position under a force limit of 3 N",
                path[early - 1, 3],
                3.0 / CART_KG * 0.05**2 / 2,
                3.0 / CART_KG * 0.05 * STEP_S,
                "m",
                "the drive asks for 40 N and gets 3: F t^2 / 2 m; integrator a t dt / 2",
            ),
        ]


def velocity_step(make: BackendFactory) -> list[Measurement]:
    """A velocity drive approaches its speed exponentially and ends on it."""
    with opened(make, "drives") as backend:
        _command(backend, "cruise/rail", 0.5)
        times = STEP_S * 5 * np.arange(1, 401)
        speed = np.array([_carts(backend, 5, velocity=True)[1] for _ in times])
        wanted = 0.5 * (1 - np.exp(-8.0 / CART_KG * times))
        why = "v = u (1 - exp(-d t / m)); first-order integrator, dt d / 2 m = 0.4 %"
        return [
            near("approach to the speed", speed, wanted, 0.004 * 0.5, "m/s", why),
            near("end speed", speed[-1], 0.5, 1e-3, "m/s", "exp(-16) is left, but for drag"),
        ]


def effort_step(make: BackendFactory) -> list[Measurement]:
    """An effort drive applies its force, keeps it until told otherwise, and stops when told zero."""
    with opened(make, "drives") as backend:
        _command(backend, "thrust/rail", 3.0)
        _command(backend, "tame/rail", 10.0)
        backend.step(100)
        held = _carts(backend, 100, velocity=True)[2]
        pushed, tame = _carts(backend, 1, velocity=True)[[2, 4]]
        _command(backend, "thrust/rail", 0.0)
        coasting = _carts(backend, 100, velocity=True)[2]
        others = _carts(backend, 1, velocity=True)[[0, 1, 3]]
        why = "v = F t / m; rounding"
        return [
            near("speed after 0.4 s of 3 N", held, 3.0 * 0.4 / CART_KG, 1e-9, "m/s", why),
            near(
                "speed after coasting",
                coasting,
                pushed,
                1e-9,
                "m/s",
                "no force, no change",
            ),
            near("speed of a drive limited to 2 N", tame, 2.0 * 0.402 / CART_KG, 1e-9, "m/s", "asked for 10 N"),
            near("speed of the other carts", others, np.zeros(3), 1e-9, "m/s", "their targets are their places"),
        ]


def joint_order(make: BackendFactory) -> list[Measurement]:
    """A force on one named joint accelerates that joint alone, by F / m, along its own axis.

    Reading, writing and acting may all be permuted alike and still agree; only masses and axes tell.
    """
    measured = []
    for name, (axis, mass) in RAILS.items():
        with opened(make, "rails") as backend:
            before = _blocks(backend)
            _command(backend, f"push_{name}", 4.0)
            state = backend.step(100)
            speeds = np.array([state.joint(j).vel[0, 0] for j in RAILS])
            wanted = np.array([4.0 * 0.2 / mass if j == name else 0.0 for j in RAILS])
            moved = _blocks(backend) - before
            place = np.zeros((3, 3))
            place[axis, axis] = state.joint(name).pos[0, 0]
            measured += [
                near(
                    f"acceleration of {name}",
                    speeds[list(RAILS).index(name)] / 0.2,
                    4.0 / mass,
                    1e-9,
                    "m/s^2",
                    "F / m",
                ),
                near(
                    f"all speeds when {name} is pushed",
                    speeds,
                    wanted,
                    1e-9,
                    "m/s",
                    "the others feel nothing",
                ),
                near(
                    f"bodies when {name} is pushed",
                    moved,
                    place,
                    1e-9,
                    "m",
                    "each body moves along its own axis",
                ),
            ]
    with opened(make, "rails") as backend:
        backend.write(Start(joints={"alpha": [[0.3]]}, velocities={"alpha": [[0.7]]}))
        before = _blocks(backend)
        moved = _blocks(backend.step(1) and backend) - before
        axes = np.zeros((3, 3))
        axes[1, 1] = 0.7 * STEP_S
        measured.append(near("bodies after writing alpha", moved, axes, 1e-9, "m", "v dt along y of along_y alone"))
    return measured


def coupled_arm(make: BackendFactory) -> list[Measurement]:
    """Torques on a two-link arm give the accelerations of M(q) qdd = tau - g(q), at rest."""
    measured = []
    for shoulder, elbow in ((0.7, -1.1), (-0.4, 2.0)):
        with opened(make, "arm") as backend:
            backend.write(Start(joints={"shoulder": [[shoulder]], "elbow": [[elbow]]}))
            torque = np.array([2.5, -0.6])
            _command(backend, "shoulder_motor", torque[0])
            _command(backend, "elbow_motor", torque[1])
            state = backend.step()
            found = np.array([state.joint(j).vel[0, 0] for j in ("shoulder", "elbow")]) / STEP_S
            wanted = np.linalg.solve(arm_mass_matrix(elbow), torque - arm_gravity_torque(shoulder, elbow))
            case = f"at ({shoulder}, {elbow})"
            why = "M(q)^-1 (tau - g(q)) at rest; rounding"
            measured += [
                near(
                    f"shoulder acceleration {case}",
                    found[0],
                    wanted[0],
                    1e-6 * abs(wanted[0]),
                    "rad/s^2",
                    why,
                ),
                near(f"elbow acceleration {case}", found[1], wanted[1], 1e-6 * abs(wanted[1]), "rad/s^2", why),
            ]
    return measured


def gravity_compensation(make: BackendFactory) -> list[Measurement]:
    """The torques of statics hold the arm where it is."""
    start = {"shoulder": [[0.6]], "elbow": [[-1.2]]}
    with opened(make, "arm") as backend:
        backend.write(Start(joints=start))
        torque = arm_gravity_torque(0.6, -1.2)
        _command(backend, "shoulder_motor", torque[0])
        _command(backend, "elbow_motor", torque[1])
        state = backend.step(500)
        why = "tau = dV/dq balances gravity; rounding grown for 1 s"
        return [
            near("shoulder drift in 1 s", state.joint("shoulder").pos[0, 0], 0.6, 1e-8, "rad", why),
            near("elbow drift in 1 s", state.joint("elbow").pos[0, 0], -1.2, 1e-8, "rad", why),
        ]


def joint_properties(make: BackendFactory) -> list[Measurement]:
    """Rotor inertia, friction and springs of joints act as declared, also where they dwarf the mass."""
    with opened(make, "plant") as backend:
        for name, force in (("geared", 2.0), ("oiled", 2.0), ("sprung", 3.0), ("wrist", 4.0)):
            _command(backend, name, force)
        state = backend.step(250)
        geared, wrist = state.joint("geared").vel[0, 0], state.joint("wrist").vel[0, 0]
        inertia = np.diag(backend.mass_matrix()[0])
        state = backend.step(1750)
        oiled, sprung = state.joint("oiled").vel[0, 0], state.joint("sprung").pos[0, 0]
        light = "F / c: the time constant (I + rotor) / c is 10 ms"
        return [
            near("speed with a rotor", geared, 2.0 * 0.5 / (2.0 + 3.0), 1e-6, "m/s", "F t / (m + rotor)"),
            near("speed with friction", oiled, 2.0 / 5.0, 1e-4, "m/s", "F / c after 10 time constants"),
            near("place on a spring", sprung, 0.1 + 3.0 / 40.0, 1e-4, "m", "springref + F / k at rest"),
            near("speed of a light wrist", wrist, 4.0 / 10.0, 1e-4, "rad/s", light),
            near("mass matrix", inertia, [5.0, 2.0, 2.0, 2.0, 0.101], 1e-6, "kg, kg m^2", "mass and rotor"),
        ]


@needs("soft_limits")
def joint_limits(make: BackendFactory) -> list[Measurement]:
    """A joint stops at the end of its range, pressed into it as a soft limit is, and gear scales a motor."""
    with opened(make, "plant") as backend:
        _command(backend, "ranged", 5.0)
        path = [backend.step(5).joint("ranged").pos[0, 0] for _ in range(200)]
        upper, last = path[-1], int(np.argmax(np.array(path) > 0.1))
        over = 0.02 / np.e * (path[last - 1] - path[last - 2]) / (5 * STEP_S)
        _command(backend, "ranged", -5.0)
        lower = backend.step(1000).joint("ranged").pos[0, 0]
        sag = soft_sag(10.0 / CART_KG, 0.02, (0.9, 0.95, 0.001))
        soft = "(1 - d) a = d^2 k r: the soft limit under 2 x 5 N"
        return [
            near("place at the upper limit", upper, 0.1 + sag, 2e-5, "m", soft),
            near("place at the lower limit", lower, -0.05 - sag, 2e-5, "m", soft),
            near("beyond the limit at most", max(path) - 0.1, over, 2e-3, "m", "v tc / e: critically damped"),
        ]


def substeps(make: BackendFactory) -> list[Measurement]:
    """Ten substeps in one call are ten calls, and take ten physics steps of time."""
    with opened(make, "arm") as once, opened(make, "arm") as often:
        for backend in (once, often):
            backend.write(Start(joints={"shoulder": [[0.9]], "elbow": [[-0.5]]}))
        once.step(10)
        for _ in range(10):
            often.step()
        a, b = once.state, often.state
        split = same("step(10) against 10 step()", (a.qpos, a.qvel), (b.qpos, b.qvel), "the same physics steps")
    with opened(make, "rails") as backend:
        _command(backend, "push_zeta", 1.0)
        speed = backend.step(10).joint("zeta").vel[0, 0]
        step = backend.info.timestep_s
    return [
        split,
        near("speed after step(10)", speed, 10 * STEP_S, 1e-12, "m/s", "F n dt / m with 1 N and 1 kg"),
        near("info.timestep_s", step, STEP_S, 0.0, "s", "as the scene says"),
    ]


def _command(backend: Backend, actuator: str, value: float) -> None:
    backend.targets.ctrl[:, backend.info.index("actuator", actuator)] = value


def _carts(backend: Backend, count: int, velocity: bool = False) -> Array:
    state = backend.step(count)
    joints = [state.joint(f"{name}/rail") for name in ("spring", "cruise", "thrust", "weak", "tame")]
    return np.array([(j.vel if velocity else j.pos)[0, 0] for j in joints])


def _blocks(backend: Backend) -> Array:
    return np.array([backend.state.body(f"along_{axis}").pos[0] for axis in "xyz"])


CHECKS = (
    position_step,
    velocity_step,
    effort_step,
    joint_order,
    coupled_arm,
    gravity_compensation,
    joint_properties,
    joint_limits,
    substeps,
)
