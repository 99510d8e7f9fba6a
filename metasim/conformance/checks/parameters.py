"""Per-world parameters: each acts as its formula says, in its world only, and travels with snapshots."""

from __future__ import annotations

from typing import Any

import numpy as np

from metasim.conformance.measurement import BackendFactory, Measurement, near, needs, same
from metasim.conformance.scenes import GRAVITY, STEP_S, opened
from metasim.conformance.trajectory import fly
from metasim.core.backend import Backend, Start

Array = Any
EACH = "one value per world; the worlds do not touch"


@needs("parameters", "wrench")
def mass(make: BackendFactory) -> list[Measurement]:
    """A body of another mass accelerates by F / m, and its inertia goes along."""
    masses = np.array([0.85, 1.7, 3.4])
    with opened(make, "offset", 3) as backend:
        still = backend.mass_matrix()[0]
        backend.set_parameter("mass", "hull", masses)
        backend.apply_wrench("hull", np.array([4.0, 0, 0, 0, 0, 0]))
        state = backend.step(50)
        centre = state.body("hull").lin_vel[:, 0].copy()
        read = backend.get_parameter("mass", "hull")
        backend.write_state(np.tile(backend.info.home_qpos, (3, 1)), np.zeros((3, 6)))
        inertia = backend.mass_matrix()
        scaled = still * (masses / 1.7)[:, None, None]
        return [
            near("mass read back", read, masses, 1e-12, "kg", "as set"),
            near("speed after 0.1 s of 4 N", centre, 4.0 * 0.1 / masses, 1e-6, "m/s", f"F t / m; {EACH}"),
            near("mass matrix", inertia, scaled, 1e-9, "kg, kg m, kg m^2", "all of it scales with the mass"),
        ]


@needs("parameters", "wrench")
def moments(make: BackendFactory) -> list[Measurement]:
    """A body of other principal moments turns by torque / moment, whichever axis becomes the largest."""
    set_to = np.array([[0.02, 0.03, 0.04], [0.05, 0.03, 0.04], [0.02, 0.05, 0.035]])
    full = np.array([[0.020, 0.002, -0.001], [0.002, 0.026, 0.003], [-0.001, 0.003, 0.017]])
    with opened(make, "offset", 3) as backend:
        own = backend.get_parameter("inertia", "hull")[0]
        values, axes = np.linalg.eigh(full)
        axes = axes[:, [int(np.argmin(np.abs(values - moment))) for moment in own]]
        backend.set_parameter("inertia", "hull", set_to)
        wanted = np.einsum("ij,nj,kj->nik", axes, set_to, axes)
        centre = np.cross(np.eye(3), [0.06, -0.03, 0.10])
        turning = backend.mass_matrix()[:, 3:, 3:] - 1.7 * centre.T @ centre
        backend.apply_wrench("hull", np.array([[0, 0, 0, *(0.01 * axes[:, k])] for k in range(3)]))
        spin = backend.step(1).body("hull").ang_vel
        return [
            near("own moments", np.sort(own), values, 1e-9, "kg m^2", "those of the file"),
            near("moments read back", backend.get_parameter("inertia", "hull"), set_to, 1e-12, "kg m^2", "as set"),
            near("mass read back", backend.get_parameter("mass", "hull"), [1.7] * 3, 1e-12, "kg", "as before"),
            near("inertia about the centre", turning, wanted, 1e-9, "kg m^2", "moments about the file's axes"),
            near(
                "spin after a step of 0.01 N m",
                np.einsum("ni,in->n", spin, axes),
                0.01 * STEP_S / np.diag(set_to),
                1e-9,
                "rad/s",
                f"torque t / moment; {EACH}",
            ),
        ]


@needs("parameters", "wrench")
def begun(make: BackendFactory) -> list[Measurement]:
    """A start sets and scales parameters, whatever their order, and a restored world has its own again."""
    with opened(make, "rails", 3) as backend:
        new = backend.snapshot()
        keys = ("inertia", "along_y"), ("mass", "along_y"), ("mass", "along_x"), ("damping", "zeta")
        factors = dict(zip(keys[:2], (np.array([0.5, 2.0]), np.array([0.5, 4.0])), strict=True))
        sets = dict(zip(keys[2:], (np.array([3.0, 6.0]), np.zeros(2)), strict=True))
        moments = backend.get_parameter("inertia", "along_y")[1:] * np.array([[0.5], [2.0]])
        some = np.array([1, 2])
        backend.write(Start(joints={"mid": [0.1]}, parameters=sets, scales=factors), some)
        read = [backend.get_parameter(*key) for key in keys]
        for body, along in (("along_x", 0), ("along_y", 1)):
            backend.apply_wrench(body, 6.0 * np.eye(6)[along])
        speeds = [backend.step(50).joint("zeta").vel[:, 0].copy(), backend.state.joint("alpha").vel[:, 0].copy()]
        backend.restore(new)
        return [
            near("masses set", read[2], [1.0, 3.0, 6.0], 1e-12, "kg", "as set, the first world's as it was"),
            near("masses scaled", read[1], [2.0, 1.0, 8.0], 1e-12, "kg", "the model's times the scale"),
            near("moments scaled", read[0][1:], moments, 1e-12, "kg m^2", "its own scale, not the mass's"),
            near("speeds, set", speeds[0], 6.0 * 0.1 / read[2], 1e-6, "m/s", "F t / m"),
            near("speeds, scaled", speeds[1], 6.0 * 0.1 / read[1], 1e-6, "m/s", "F t / m"),
            near("masses restored", backend.get_parameter("mass", "along_y"), [2.0] * 3, 1e-12, "kg", "the model's"),
        ]


@needs("parameters")
def friction(make: BackendFactory) -> list[Measurement]:
    """A box slides as far as its own friction lets it."""
    mu = np.array([0.1, 0.2, 0.4])
    with opened(make, "slide", 3) as backend:
        backend.set_parameter("friction", "box", mu)
        rest = {"box": backend.step(200).joint("box").pos.copy()}
        backend.write(Start(joints=rest, velocities={"box": [[1.5, 0, 0, 0, 0, 0]] * 3}))
        slid = backend.step(1000).joint("box").pos[:, 0] - rest["box"][:, 0]
        return [
            *[
                near(
                    f"stopping distance at {m}",
                    d,
                    1.5**2 / (2 * m * GRAVITY),
                    0.03 * d,
                    "m",
                    f"v^2 / (2 mu g); {EACH}",
                )
                for m, d in zip(mu, slid, strict=True)
            ],
            near("friction read back", backend.get_parameter("friction", "box"), mu, 1e-12, "", "as set"),
        ]


@needs("parameters")
def damping(make: BackendFactory) -> list[Measurement]:
    """A damped slide loses speed as exp(-c t / m)."""
    coefficients = np.array([0.0, 1.0, 4.0])
    with opened(make, "rails", 3) as backend:
        backend.set_parameter("damping", "alpha", coefficients)
        names = ("zeta", "alpha")
        backend.write(Start(joints={n: [0.0] for n in names}, velocities={n: [1.0] for n in names}))
        state = backend.step(500)
        wanted = np.exp(-coefficients / 2.0)
        why = "exp(-c t / m), 2 kg; integrator c dt / 2 m = 0.2 %"
        return [
            near("speed after 1 s", state.joint("alpha").vel[:, 0], wanted, 0.002, "m/s", why),
            near("speed of another joint", state.joint("zeta").vel[:, 0], np.ones(3), 1e-9, "m/s", "undamped"),
            near(
                "damping read back",
                backend.get_parameter("damping", "alpha"),
                coefficients,
                1e-12,
                "N s/m",
                "as set",
            ),
        ]


@needs("parameters")
def gravity(make: BackendFactory) -> list[Measurement]:
    """Things fall along each world's own gravity."""
    fields = np.array([[0, 0, -9.81], [0, 0, 0], [1.0, -2.0, -1.62]])
    with opened(make, "ball", 3) as backend:
        backend.set_parameter("gravity", "", fields)
        velocity = backend.step(250).joint("ball").vel[:, :3]
        return [
            near("velocity after 0.5 s", velocity, 0.5 * fields, 1e-9, "m/s", f"g t; {EACH}"),
            near("gravity read back", backend.get_parameter("gravity", ""), fields, 1e-12, "m/s^2", "as set"),
        ]


@needs("parameters", "wrench")
def gain(make: BackendFactory) -> list[Measurement]:
    """Gains: stiffness of a position drive, force per speed of a velocity drive, scale of an effort."""
    stiffness, drag, scale = (
        np.array([100.0, 200.0, 400.0]),
        np.array([4.0, 8.0, 16.0]),
        np.array([0.5, 1.0, 2.0]),
    )
    with opened(make, "drives", 3) as backend:
        for name, values in (("spring/rail", stiffness), ("cruise/rail", drag), ("thrust/rail", scale)):
            backend.set_parameter("gain", name, values)
        actuators = [backend.info.index("actuator", n) for n in ("cruise/rail", "thrust/rail")]
        backend.targets.ctrl[:, actuators[0]] = 0.5
        backend.targets.ctrl[:, actuators[1]] = 3.0
        state = backend.step()
        jolt = state.joint("cruise/rail").vel[:, 0] / STEP_S
        speed = backend.step(99).joint("thrust/rail").vel[:, 0].copy()
        backend.apply_wrench("spring/cart", np.array([4.0, 0, 0, 0, 0, 0]))
        sag = backend.step(1500).joint("spring/rail").pos[:, 0]
        slow = "integrator: implicit or explicit damping, dt d / m = 1.6 %"
        return [
            near("stretch under 4 N", sag, 4.0 / stiffness, 2e-5, "m", "F / k; e^-9 of it is left"),
            near("first acceleration", jolt / (drag * 0.5 / 2.0), np.ones(3), 0.017, "", f"d u / m; {slow}"),
            near("speed after 0.2 s", speed, scale * 3.0 * 0.2 / 2.0, 1e-9, "m/s", "scale u t / m"),
            near(
                "gain read back",
                backend.get_parameter("gain", "spring/rail"),
                stiffness,
                1e-12,
                "N/m",
                "as set",
            ),
        ]


@needs("parameters")
def places(make: BackendFactory) -> list[Measurement]:
    """Fixed bodies and sites stand where each world's parameters put them."""
    positions = np.array([[0.0, 0, 0.2], [0.0, 0, 0.1], [0.05, 0, 0.15]])
    turns = np.array([[1.0, 0, 0, 0], [np.sqrt(0.5), 0, 0, np.sqrt(0.5)], [1.0, 0, 0, 0]])
    spots = np.array([[0.1, 0, 0.02], [0.1, 0, 0.02], [0.0, 0.2, 0.1]])
    marks = np.array([[0.1, 0, 0.22], [0.0, 0.1, 0.12], [0.05, 0.2, 0.25]])
    with opened(make, "shelf", 3) as backend:
        backend.set_parameter("body_pos", "shelf", positions)
        backend.set_parameter("body_quat", "shelf", turns)
        backend.set_parameter("site_pos", "mark", spots)
        state = backend.state
        shown = [
            near("body position", state.body("shelf").pos, positions, 1e-9, "m", "seen at once"),
            near("body orientation", state.body("shelf").quat, turns, 1e-9, "", "seen at once"),
            near("site position", state.site("mark").pos, marks, 1e-9, "m", "in its body's frame"),
            near(
                "positions read back",
                backend.get_parameter("body_pos", "shelf"),
                positions,
                1e-12,
                "m",
                "as set",
            ),
            near(
                "orientations read back",
                backend.get_parameter("body_quat", "shelf"),
                turns,
                1e-12,
                "",
                "as set",
            ),
            near(
                "site positions read back",
                backend.get_parameter("site_pos", "mark"),
                spots,
                1e-12,
                "m",
                "as set",
            ),
        ]
        rest = backend.step(600).joint("ball").pos[:, 2]
        return [
            *shown,
            near("height of the ball", rest, positions[:, 2] + 0.07, 1e-3, "m", "shelf top + radius"),
        ]


@needs("parameters")
def travel(make: BackendFactory) -> list[Measurement]:
    """Parameters go with a snapshot, also into another world, and a world that was not set keeps its own."""
    with opened(make, "heap", 3) as backend:
        _disturb(backend, 1)
        fly(backend, 20)
        kept = backend.snapshot()
        first = fly(backend, 40, clones=0)
        for parameter, name in (("mass", "brick"), ("friction", "tile"), ("damping", "elbow")):
            backend.set_parameter(parameter, name, np.full(3, 0.7))
        backend.set_parameter("gravity", "", np.zeros(3))
        backend.restore(kept)
        masses = backend.get_parameter("mass", "brick")
        again = fly(backend, 40, clones=0)
        backend.restore(kept, np.array([2]), rows=np.array([1]))
        moved = backend.get_parameter("gravity", "")[2]
        there = fly(backend, 40, clones=0)
    with opened(make, "heap", 3) as plain:
        fly(plain, 20)
        plain.snapshot()  # an engine may forget its solver's past at a snapshot; then both do
        untouched = fly(plain, 40, clones=0)
    why = "the snapshot holds the parameters"
    return [
        near("mass after restore", masses, [0.6, 1.9, 0.6], 1e-12, "kg", why),
        near("gravity in another world", moved, [0.0, 0.5, -5.0], 1e-12, "m/s^2", why),
        same("continuation after restore", again, first, why),
        same("continuation in another world", [a[:, 2] for a in there], [a[:, 1] for a in first], why),
        same("worlds that were not set", [a[:, [0, 2]] for a in first], [a[:, [0, 2]] for a in untouched], EACH),
    ]


def _disturb(backend: Backend, world: int) -> None:
    row = np.array([world])
    backend.set_parameter("mass", "brick", np.array([1.9]), worlds=row)
    backend.set_parameter("friction", "tile", np.array([0.4]), worlds=row)
    backend.set_parameter("damping", "elbow", np.array([0.1]), worlds=row)
    backend.set_parameter("gain", "elbow_motor", np.array([1.5]), worlds=row)
    backend.set_parameter("gravity", "", np.array([[0.0, 0.5, -5.0]]), worlds=row)
    backend.set_parameter("site_pos", "tip", np.array([[0.0, 0.1, -0.3]]), worlds=row)


CHECKS = (mass, moments, begun, friction, damping, gravity, gain, places, travel)
