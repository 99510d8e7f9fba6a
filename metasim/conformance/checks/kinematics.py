"""Where things are for given coordinates, and how fast: poses, velocities, Jacobians, inertia."""

from __future__ import annotations

from typing import Any

import numpy as np

from metasim.conformance.measurement import BackendFactory, Measurement, near, needs
from metasim.conformance.oracles import (
    arm_mass_matrix,
    forward_kinematics,
    free_mass_matrix,
    rates,
    turn_between,
)
from metasim.conformance.scenes import TREE_READS, model, opened
from metasim.core.backend import Start
from metasim.core.rotation import normalize, quat_conj, quat_mul, rotate, rotation_vector

Array = Any
WORLDS = 4
HULL_KG, CENTRE = 1.7, np.array([0.06, -0.03, 0.10])
HULL_INERTIA = np.array([[0.020, 0.002, -0.001], [0.002, 0.026, 0.003], [-0.001, 0.003, 0.017]])
KINDS = {"body": TREE_READS.bodies, "site": TREE_READS.sites, "geom": TREE_READS.geoms}
ROUNDING = "the same kinematics in double precision; Bullet's multibodies were within 6e-8 m"


def forward(make: BackendFactory) -> list[Measurement]:
    """Bodies, sites and geoms stand where the model's tables put them, for random coordinates."""
    mj, info = model("tree").mj, model("tree").info
    qpos, qvel = _random_tree(0)
    with opened(make, "tree", WORLDS) as backend:
        backend.write_state(qpos, qvel)
        state, measured = backend.state, []
        for kind, names in KINDS.items():
            index = [info.index(kind, name) for name in names]
            poses = [forward_kinematics(mj, q)[kind] for q in qpos]
            pos = np.stack([getattr(state, kind)(name).pos for name in names], axis=1)
            quat = np.stack([getattr(state, kind)(name).quat for name in names], axis=1)
            turned = turn_between(quat, np.stack([p[1][index] for p in poses])).max()
            measured += [
                near(f"{kind} positions", pos, np.stack([p[0][index] for p in poses]), 1e-6, "m", ROUNDING),
                near(f"{kind} orientations", turned, 0.0, 1e-6, "rad", ROUNDING),
            ]
        moved = backend.step().qpos.copy()
        eye = np.stack([forward_kinematics(mj, q)["site"][0][info.index("site", "eye")] for q in moved])
        fresh = "poses describe the new state: a stale read is one substep of motion off"
        measured.append(near("site position after a step", state.site("eye").pos, eye, 1e-6, "m", fresh))
        return measured


def velocities(make: BackendFactory) -> list[Measurement]:
    """Linear and angular velocities are the rates of the poses, in world axes, at each frame's origin."""
    info = model("tree").info
    qpos, qvel = _random_tree(1)
    why = "central difference of the pose; its error is about 1e-9"
    with opened(make, "tree", WORLDS) as backend:
        backend.write_state(qpos, qvel)
        measured = []
        for kind, name in (
            ("body", "base"),
            ("body", "wrist"),
            ("body", "lever"),
            ("site", "eye"),
            ("site", "end"),
        ):
            linear, angular = _rates(qpos, qvel, kind, info.index(kind, name))
            frame = getattr(backend.state, kind)(name)
            measured += [
                near(f"linear velocity of {kind} {name}", frame.lin_vel, linear, 1e-6, "m/s", why),
                near(f"angular velocity of {kind} {name}", frame.ang_vel, angular, 1e-6, "rad/s", why),
            ]
        return measured


def free_joint(make: BackendFactory) -> list[Measurement]:
    """A free joint's velocity is linear at the body's origin in world axes, angular in body axes."""
    qpos = np.array([0.3, -0.2, 0.5, 0.8, 0.2, -0.4, 0.4])
    qvel = np.array([0.4, -0.3, 0.2, 1.5, -2.0, 1.0])
    rate = rotate(qpos[3:], qvel[3:])
    with opened(make, "offset") as backend:
        backend.write_state(qpos[None], qvel[None])
        hull, eye = backend.state.body("hull"), backend.state.site("eye")
        arm = eye.pos[0] - hull.pos[0]
        measured = [
            near("linear velocity of the body", hull.lin_vel[0], qvel[:3], 1e-9, "m/s", "at the origin, world"),
            near("angular velocity of the body", hull.ang_vel[0], rate, 1e-9, "rad/s", "R w: world axes"),
            near(
                "linear velocity of a site",
                eye.lin_vel[0],
                qvel[:3] + np.cross(rate, arm),
                1e-9,
                "m/s",
                "v + w x r",
            ),
        ]
        state, dt = backend.step(), backend.info.timestep_s
        turned = rotation_vector(quat_mul(state.qpos[0, 3:], quat_conj(qpos[3:]))) / dt
        moved = (state.qpos[0, :3] - qpos[:3]) / dt
        one_step = "one 2 ms substep; the spin of a lopsided body changes by about 1 % in it"
        return [
            *measured,
            near("turn in one substep", turned, rate, 0.05, "rad/s", one_step),
            near("motion in one substep", moved, qvel[:3], 0.01, "m/s", one_step),
        ]


@needs("jacobian")
def jacobian(make: BackendFactory) -> list[Measurement]:
    """The Jacobian is the derivative of poses by coordinates, and times qvel it is the velocity."""
    info = model("tree").info
    qpos, qvel = _random_tree(2)
    why = "central difference of the pose; its error is about 1e-9"
    measured = []
    with opened(make, "tree", WORLDS) as backend:
        backend.write_state(qpos, qvel)
        for kind, names in (("site", ("eye", "mark")), ("body", ("wrist", "lever"))):
            columns = _derivatives(qpos, kind)
            for name in names:
                found, wanted = backend.jacobian(kind, name), columns[:, info.index(kind, name)]
                measured.append(near(f"Jacobian of {kind} {name}", found, wanted, 1e-6, "m, rad", why))
        eye = backend.state.site("eye")
        twist = np.einsum("nij,nj->ni", backend.jacobian("site", "eye"), qvel)
        rates = np.concatenate([eye.lin_vel, eye.ang_vel], axis=1)
        some = backend.jacobian("site", "eye", worlds=np.array([1, 3]))
        full = backend.jacobian("site", "eye")[[1, 3]]
        return [
            *measured,
            near("Jacobian times qvel", twist, rates, 1e-9, "m/s, rad/s", "J v is the site's velocity"),
            near("Jacobian of some worlds", some, full, 1e-12, "", "rows 1 and 3 of all of them"),
        ]


def inertia(make: BackendFactory) -> list[Measurement]:
    """The mass matrix is the analytic one, and masses read back as declared."""
    elbows = np.array([0.0, -1.1, 2.0])
    quat = normalize(np.array([0.8, 0.2, -0.4, 0.4]))
    with opened(make, "arm", 3) as backend:
        backend.write(Start(joints={"shoulder": [[0.3], [0.7], [-1.0]], "elbow": elbows[:, None]}))
        wanted = np.stack([arm_mass_matrix(elbow) for elbow in elbows])
        found = backend.mass_matrix()
        arm = near("mass matrix of an arm", found, wanted, 1e-6, "kg m^2", "two-link formula; shoulder first")
        masses = np.array([backend.get_parameter("mass", b) for b in ("upper", "fore")])
        read = near("masses read back", masses, [[1.2] * 3, [0.7] * 3], 1e-9, "kg", "as declared, in every world")
    with opened(make, "offset") as backend:
        backend.write_state(np.concatenate([[0, 0, 0], quat])[None], np.zeros((1, 6)))
        wanted = free_mass_matrix(HULL_KG, HULL_INERTIA, CENTRE, quat)
        free = near(
            "mass matrix of a free body",
            backend.mass_matrix()[0],
            wanted,
            1e-6,
            "kg, kg m, kg m^2",
            "rigid body formula",
        )
        total = near("mass of a free body", backend.get_parameter("mass", "hull"), [HULL_KG], 1e-9, "kg", "as declared")
    return [arm, read, free, total]


def _random_tree(seed: int) -> tuple[Array, Array]:
    mj, rng = model("tree").mj, np.random.default_rng(seed)
    qpos, qvel = rng.uniform(-0.8, 0.8, (WORLDS, mj.nq)), rng.uniform(-1.0, 1.0, (WORLDS, mj.nv))
    qpos[:, 3:7] = normalize(rng.normal(size=(WORLDS, 4)))
    return qpos, qvel


def _derivatives(qpos: Array, kind: str) -> Array:
    """Jacobians ``(N, K, 6, nv)`` of all frames of a kind, by central difference."""
    mj = model("tree").mj
    worlds = [[np.concatenate(rates(mj, q, unit, kind), axis=-1) for unit in np.eye(mj.nv)] for q in qpos]
    return np.moveaxis(np.array(worlds), 1, -1)


def _rates(qpos: Array, qvel: Array, kind: str, k: int) -> tuple[Array, Array]:
    """Rates ``(N, 3)``, ``(N, 3)`` of one frame's pose while the coordinates move at ``qvel``."""
    found = [rates(model("tree").mj, q, v, kind) for q, v in zip(qpos, qvel, strict=True)]
    return np.stack([linear[k] for linear, _ in found]), np.stack([angular[k] for _, angular in found])


CHECKS = (forward, velocities, free_joint, jacobian, inertia)
