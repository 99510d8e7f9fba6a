"""Fields of all bodies: places, inertia and velocity by their formulas, external wrenches by the laws of motion."""

from __future__ import annotations

from typing import Any

import numpy as np

from metasim.conformance.measurement import BackendFactory, Measurement, holds, near, needs
from metasim.conformance.oracles import forward_kinematics, rates, turn_between
from metasim.conformance.scenes import GRAVITY, STEP_S, model, opened
from metasim.core.rotation import matrix_from_quat, normalize, quat_mul, rotate

Array = Any
WORLDS = 3
ROUNDING = "the same kinematics in double precision"


@needs("fields")
def field_places(make: BackendFactory) -> list[Measurement]:
    """Right after a write fields are of the written state; after a step they are at most a substep behind."""
    mj = model("bodies").mj
    rng = np.random.default_rng(7)
    qpos = np.tile(mj.qpos0, (WORLDS, 1)) + 0.4 * rng.standard_normal((WORLDS, mj.nq))
    qpos[:, 3:7] = normalize(qpos[:, 3:7])
    qvel = rng.standard_normal((WORLDS, mj.nv))
    wanted = [_places(mj, q, v) for q, v in zip(qpos, qvel, strict=True)]
    expected = {name: np.stack([w[name] for w in wanted]) for name in wanted[0]}
    with opened(make, "bodies", WORLDS) as backend:
        backend.write_state(qpos, qvel)
        state = backend.state
        measured = [
            near(name, state.field(name), expected[name], 1e-6 if name == "cvel" else 1e-9, "SI", ROUNDING)
            for name in ("xpos", "xipos", "subtree_com", "cinert", "cvel")
        ]
        turned = turn_between(state.field("xquat"), expected["xquat"]).max()
        measured.append(near("xquat", turned, 0.0, 1e-6, "rad", ROUNDING))
        backend.step(3)
        names = state.layout.frames["body"]
        late = max(np.abs(state.field("xpos", name) - state.body(name).pos).max() for name in names)
        fastest = max(np.linalg.norm(state.body(name).lin_vel, axis=1).max() for name in names)
        why = "an engine may show where its last substep began"
        return [*measured, holds("at most one substep behind", bool(late <= 1.1 * fastest * STEP_S), why)]


@needs("fields", "wrench")
def field_wrenches(make: BackendFactory) -> list[Measurement]:
    """What rests feels its weight from outside, however it is pushed; what flies feels only what pushes it."""
    push = np.array([[1.0, 2.0, 3.0, 0.1, 0.2, 0.3]])
    with opened(make, "pucks") as backend:
        backend.step(2)
        backend.apply_wrench("left", push)
        backend.step(2)
        seen = backend.state.field("cfrc_ext")[0].copy()
        backend.write_state(backend.state.qpos.copy(), backend.state.qvel.copy())
        after = backend.state.field("cfrc_ext")[0]
        left, right = (model("pucks").info.index("body", name) for name in ("left", "right"))
        measured = [
            near("torque and force on what is pushed", seen[left], push[0, [3, 4, 5, 0, 1, 2]], 1e-12, "N", "applied"),
            near("on what is not", seen[right], np.zeros(6), 0.0, "N", "nothing touches it"),
            near("on the world", seen[0], np.zeros(6), 0.0, "N", "it has no outside"),
            near("after a write", after, np.zeros_like(after), 0.0, "N", "no substep since"),
        ]
    with opened(make, "blocks") as backend:
        for what, force in (("at rest", [0.0] * 6), ("pushed", [0.4, 0.2, -1.0, 0.0, 0.0, 0.0])):
            backend.apply_wrench("top", np.array([force]))
            backend.step(750)
            for name, weight in (("top", 0.5 * GRAVITY), ("bottom", 1.5 * GRAVITY)):
                wrench = backend.state.field("cfrc_ext", name)[0]
                why = "external forces of a body at rest carry its weight"
                wanted = np.array([0.0, 0.0, 0.0, 0.0, 0.0, weight])
                measured += [
                    near(f"torque on {name}, {what}", wrench[:3], wanted[:3], 4e-3 * weight, "N m", why),
                    near(f"force on {name}, {what}", wrench[3:], wanted[3:], 4e-3 * weight, "N", why),
                ]
    return measured


def _places(mj: Any, qpos: Array, qvel: Array) -> dict[str, Array]:
    """Return the fields of one world that follow from its coordinates, by their definitions."""
    pos, quat = forward_kinematics(mj, qpos)["body"]
    centre, axes = pos + rotate(quat, mj.body_ipos), quat_mul(quat, mj.body_iquat)
    below = np.eye(mj.nbody, dtype=bool)
    for body in range(mj.nbody - 1, 0, -1):
        below[mj.body_parentid[body]] |= below[body]
    mass = below * mj.body_mass
    total = mass.sum(axis=1, keepdims=True)
    com = np.where(total > 0, mass @ centre / np.maximum(total, 1e-15), centre)
    lever = centre - com[mj.body_rootid]
    turn = matrix_from_quat(axes)
    skew = np.cross(lever[:, None, :], np.eye(3))
    about = turn * mj.body_inertia[:, None, :] @ turn.transpose(0, 2, 1)
    about += mj.body_mass[:, None, None] * skew @ skew.transpose(0, 2, 1)
    upper = about[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    moments = mj.body_mass[:, None] * lever
    linear, angular = rates(mj, qpos, qvel, "body")
    at_com = linear + np.cross(angular, com[mj.body_rootid] - pos)
    moving = (np.arange(mj.nbody) > 0)[:, None]  # the world has neither
    return {
        "xpos": pos,
        "xquat": quat,
        "xipos": centre,
        "subtree_com": com,
        "cinert": moving * np.hstack([upper, moments, mj.body_mass[:, None]]),
        "cvel": np.hstack([angular, at_com]),
    }


CHECKS = (field_places, field_wrenches)
