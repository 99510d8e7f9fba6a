"""Forces from outside: wrenches on bodies, and the soft weld that pulls a body to a mocap body."""

from __future__ import annotations

from typing import Any

import numpy as np

from metasim.conformance.measurement import BackendFactory, Measurement, near, needs
from metasim.conformance.oracles import arm_gravity_torque, arm_mass_matrix, critically_damped_step
from metasim.conformance.scenes import STEP_S, WELD, opened
from metasim.core.backend import Backend, Start
from metasim.core.rotation import rotate, rotation_vector

Array = Any
HULL_KG, CENTRE = 1.7, np.array([0.06, -0.03, 0.10])
HULL_INERTIA = np.array([[0.020, 0.002, -0.001], [0.002, 0.026, 0.003], [-0.001, 0.003, 0.017]])
TURN = np.array([0.8, 0.2, -0.4, 0.4])
IMPEDANCE = 0.95
"""MuJoCo's default share of a constraint in an acceleration, beyond 1 mm (solimp)."""


@needs("wrench")
def wrench(make: BackendFactory) -> list[Measurement]:
    """A force at the centre of mass gives F / m and no turn, a torque I^-1 tau; both in world axes."""
    force, torque = np.array([2.0, -1.0, 3.0]), np.array([0.02, 0.05, -0.03])
    at_rest = np.concatenate([[0, 0, 0], TURN])
    with opened(make, "offset", 3) as backend:
        backend.write_state(np.tile(at_rest, (3, 1)), np.zeros((3, 6)))
        backend.apply_wrench("hull", np.concatenate([force, np.zeros(3)])[None], worlds=np.array([0]))
        backend.apply_wrench("hull", np.concatenate([np.zeros(3), torque])[None], worlds=np.array([2]))
        hull = backend.step().body("hull")
        spin = hull.ang_vel / STEP_S
        centre = hull.lin_vel / STEP_S + np.cross(spin, rotate(TURN, CENTRE))
        turned = rotate(TURN, np.linalg.solve(HULL_INERTIA, rotate(TURN * [1, -1, -1, -1], torque)))
        why = "one substep from rest; the centre is where the substep began"
        measured = [
            near("F: acceleration of the centre", centre[0], force / HULL_KG, 0.02, "m/s^2", f"F / m; {why}"),
            near("F: angular acceleration", spin[0], np.zeros(3), 1e-6, "rad/s^2", "no lever about the centre"),
            near("tau: angular acceleration", spin[2], turned, 0.02, "rad/s^2", f"R I^-1 R^T tau; {why}"),
            near(
                "tau: acceleration of the centre",
                centre[2],
                np.zeros(3),
                0.02,
                "m/s^2",
                "a torque moves no centre",
            ),
            near("world without a wrench", hull.lin_vel[1], np.zeros(3), 0.0, "m/s", "left alone"),
        ]
        backend.step(49)
        held = _centre_velocity(backend)[0]
        backend.apply_wrench("hull", np.zeros(6))
        backend.step(50)
        after = _centre_velocity(backend)[0]
        return [
            *measured,
            near(
                "F: speed after 0.1 s",
                held,
                force / HULL_KG * 0.1,
                1e-3,
                "m/s",
                "held until changed: F t / m",
            ),
            near("speed 0.1 s after taking it away", after, held, 1e-3, "m/s", "coasts"),
        ]


@needs("wrench")
def wrench_on_a_link(make: BackendFactory) -> list[Measurement]:
    """A force on a link enters the joints through the link's centre of mass."""
    shoulder, elbow, push = 0.7, -1.1, np.array([3.0, 0.0, -2.0])
    with opened(make, "arm") as backend:
        backend.write(Start(joints={"shoulder": [[shoulder]], "elbow": [[elbow]]}))
        backend.apply_wrench("fore", np.concatenate([push, [0, 0.4, 0]]))
        state = backend.step()
        found = np.array([state.joint(j).vel[0, 0] for j in ("shoulder", "elbow")]) / STEP_S
    knee = 0.4 * np.array([-np.sin(shoulder), 0, -np.cos(shoulder)])
    centre = 0.15 * np.array([-np.sin(shoulder + elbow), 0, -np.cos(shoulder + elbow)])
    levers = np.array([np.cross(arm, push)[1] for arm in (knee + centre, centre)]) + 0.4
    wanted = np.linalg.solve(arm_mass_matrix(elbow), levers - arm_gravity_torque(shoulder, elbow))
    why = "M(q)^-1 (r x F + tau - g(q)) at rest"
    return [
        near("shoulder acceleration", found[0], wanted[0], 1e-6 * abs(wanted[0]), "rad/s^2", why),
        near("elbow acceleration", found[1], wanted[1], 1e-6 * abs(wanted[1]), "rad/s^2", why),
    ]


@needs("mocap", "wrench")
def weld(make: BackendFactory) -> list[Measurement]:
    """A weld pulls its body to the mocap body: critically damped, with the sag of a soft constraint."""
    tau = WELD.time_constant_s
    times = 5 * STEP_S * np.arange(1, 121)
    path, turn = [], []
    with opened(make, "mocap", 3) as backend:
        backend.targets.mocap_pos[0, 0] += [0.2, 0.0, 0.0]
        backend.targets.mocap_quat[1, 0] = [np.cos(0.1), 0.0, np.sin(0.1), 0.0]
        backend.apply_wrench("load", np.array([[0, 0, -5.0, 0, 0, 0]]), worlds=np.array([2]))
        for _ in times:
            load = backend.step(5).body("load")
            path.append(load.pos[0, 0])
            turn.append(rotation_vector(load.quat[1])[1])
        sag = 0.5 - backend.step(400).body("load").pos[2, 2]
        wanted = critically_damped_step(times, tau)
    why = "x'' = (goal - x) / tc^2 - 2 x' / tc: MuJoCo's solref on a free body; integrator dt / 2 tc = 1 %"
    half = float(np.interp(0.5, np.array(path) / 0.2, times))
    soft = "(1 - d) (F / m) tc^2 with d = 0.95: the share of a force that a soft constraint lets through"
    return [
        near("lag of the position", path, 0.2 * wanted, 0.015 * 0.2, "m", why),
        near("time to half of the way", half, float(np.interp(0.5, wanted, times)), 0.005, "s", why),
        near("lag of the orientation", turn, 0.2 * wanted, 0.015 * 0.2, "rad", why),
        near("position in the end", path[-1], 0.2, 1e-3, "m", "12 time constants"),
        near("sag under 5 N", sag, (1 - IMPEDANCE) * 5.0 / 0.5 * tau**2, 1e-4, "m", soft),
    ]


def _centre_velocity(backend: Backend) -> Array:
    hull = backend.state.body("hull")
    return hull.lin_vel + np.cross(hull.ang_vel, rotate(hull.quat, CENTRE))


CHECKS = (wrench, wrench_on_a_link, weld)
