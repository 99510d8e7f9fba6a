"""One Bullet world: a DIRECT client with every part of a plan in it, and how coordinates get in and out.

Bullet's surprises, and where each is undone:

* base poses and velocities are those of the centre of mass in principal axes: ``put_base``, ``bases_to_canonical``;
* quaternions are xyzw, and the base's angular velocity is in world axes, where MuJoCo has the body's: same place;
* there is damping of 0.04, and a motor on every joint, until told otherwise: ``_calm``;
* filters ask for both sides, MuJoCo's for one: ``collisionFilterMode=1``;
* without ``URDF_USE_INERTIA_FROM_FILE`` inertia comes from the shapes: ``build``;
* contacts live in caches that no call restores exactly: ``forget_contacts``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pybullet as p

from metasim.backends.pybullet.model import Plan, link_offset, may_touch
from metasim.backends.pybullet.surface import Contacts, solve_friction, solve_softness
from metasim.core.errors import EngineFailure
from metasim.core.rotation import cross, quat_conj, quat_mul, rotate

Array = Any
_FLAGS = p.URDF_USE_INERTIA_FROM_FILE | p.URDF_USE_IMPLICIT_CYLINDER
ITERATIONS = 150
"""Sweeps of the contact solver at most: a light body squeezed between stiff contacts needs more than Bullet's 50."""
RESIDUAL = 1e-11
"""Squared change of velocity [m^2/s^2] in a sweep below which the solver stops."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tree:
    """Where one moving part stands in Bullet and in the canonical coordinates.

    Attributes:
        body: Bullet's body id.
        root: Root group.
        links: Bullet link of each joint.
        joints: Canonical joint of each.
        qpos: Canonical qpos column of each.
        dofs: Canonical dof of each.
        base_qpos: First column of the free base, -1 without one.
        base_dof: Its first dof.
        com: ``(3,)`` centre of mass of the base in its body's frame.
        axes: Principal axes of the base in its body's frame, wxyz.
    """

    body: int
    root: int
    links: tuple[int, ...]
    joints: tuple[int, ...]
    qpos: Array
    dofs: Array
    base_qpos: int
    base_dof: int
    com: Array
    axes: Array


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """Ids that are the same in every world of a plan.

    Attributes:
        trees: Moving parts.
        fixed: Bullet body and canonical body of every fixed part.
        colliders: ``(S,)`` pairs of Bullet body and link, one for each surface.
        links: Group to Bullet body and link.
        offsets: Group to the origin of its link in the group's frame ``(3,)``.
    """

    trees: tuple[Tree, ...]
    fixed: tuple[tuple[int, int], ...]
    colliders: tuple[tuple[int, int], ...]
    links: dict[int, tuple[int, int]]
    offsets: dict[int, Array]


def build(m: mujoco.MjModel, plan: Plan, contacts: Contacts, folder: Path) -> int:
    """Return a new client with all parts in it.

    Raises:
        EngineFailure: If Bullet does not connect or does not load a part.
    """
    client = p.connect(p.DIRECT)
    if client < 0:
        raise EngineFailure(
            "pybullet did not open another physics client; its limit is 1024 in one process, use more workers"
        )
    p.setPhysicsEngineParameter(
        fixedTimeStep=float(m.opt.timestep),
        numSolverIterations=ITERATIONS,
        numSubSteps=0,
        erp=0.2,
        contactERP=0.2,
        frictionERP=0.2,
        contactSlop=0.0,
        enableConeFriction=1,
        deterministicOverlappingPairs=1,
        collisionFilterMode=1,
        solverResidualThreshold=RESIDUAL,
        enableFileCaching=0,
        physicsClientId=client,
    )
    p.setGravity(*gravity(m), physicsClientId=client)
    for k, part in enumerate(plan.parts):
        path = folder / f"part{k}.urdf"
        path.write_text(part.urdf)
        flags = _FLAGS | (p.URDF_USE_SELF_COLLISION if part.moving else 0)
        try:
            body = p.loadURDF(str(path), useFixedBase=not part.free, flags=flags, physicsClientId=client)
        except p.error as error:
            raise EngineFailure(
                f"pybullet did not load the part of body {m.body(part.root).name!r}: {error}"
            ) from error
        _calm(client, body)
    wired = wire(m, plan, client)
    _set_filters(m, plan, wired, client)
    set_softness(client, wired, *solve_softness(contacts, len(plan.surfaces)))
    set_friction(client, wired, solve_friction(m, contacts, plan.surfaces, m.geom_friction))
    return client


def gravity(m: mujoco.MjModel) -> Array:
    """Return gravity ``(3,)`` as the model's flags have it."""
    return np.zeros(3) if m.opt.disableflags & int(mujoco.mjtDisableBit.mjDSBL_GRAVITY) else np.array(m.opt.gravity)


def wire(m: mujoco.MjModel, plan: Plan, client: int) -> Wiring:
    """Find every joint, group and surface in a world."""
    names: list[dict[str, int]] = []
    for body in range(len(plan.parts)):
        infos = [
            p.getJointInfo(body, k, physicsClientId=client) for k in range(p.getNumJoints(body, physicsClientId=client))
        ]
        names.append({**{i[1].decode(): i[0] for i in infos}, **{"link " + i[12].decode(): i[0] for i in infos}})
    trees, links = [], {}
    for body, part in enumerate(plan.parts):
        if not part.moving:
            continue
        links.update({g: (body, names[body].get(f"link b{g}", -1)) for g in part.groups})
        free = int(m.body_jntadr[part.root])
        info = p.getDynamicsInfo(body, -1, physicsClientId=client)
        trees.append(
            Tree(
                body=body,
                root=part.root,
                links=tuple(names[body][f"j{j}"] for j in part.joints),
                joints=part.joints,
                qpos=np.array([m.jnt_qposadr[j] for j in part.joints], int),
                dofs=np.array([m.jnt_dofadr[j] for j in part.joints], int),
                base_qpos=int(m.jnt_qposadr[free]) if part.free else -1,
                base_dof=int(m.jnt_dofadr[free]) if part.free else -1,
                com=np.array(info[3]),
                axes=np.array([info[4][3], *info[4][:3]]),
            )
        )
    return Wiring(
        trees=tuple(trees),
        fixed=tuple((body, part.root) for body, part in enumerate(plan.parts) if not part.moving),
        colliders=tuple((s.part, names[s.part].get("link " + s.link, -1)) for s in plan.surfaces),
        links=links,
        offsets={g: link_offset(m, g) for g in links},
    )


def _calm(client: int, body: int) -> None:
    """Take away what Bullet adds by itself: damping, motors, limits on speed."""
    joints = range(p.getNumJoints(body, physicsClientId=client))
    for link in (-1, *joints):
        p.changeDynamics(
            body,
            link,
            linearDamping=0,
            angularDamping=0,
            jointDamping=0,
            restitution=0,
            maxJointVelocity=1e6,
            physicsClientId=client,
        )
    for link in joints:
        if p.getJointInfo(body, link, physicsClientId=client)[2] != p.JOINT_FIXED:
            p.setJointMotorControl2(body, link, p.VELOCITY_CONTROL, force=0, physicsClientId=client)


def _set_filters(m: mujoco.MjModel, plan: Plan, wired: Wiring, client: int) -> None:
    forget_contacts(client, m, plan, wired)
    for i, a in enumerate(plan.surfaces):
        for k, b in enumerate(plan.surfaces[i + 1 :], i + 1):
            if not may_touch(m, a.geoms[0], b.geoms[0]):
                (body_a, link_a), (body_b, link_b) = wired.colliders[i], wired.colliders[k]
                p.setCollisionFilterPair(body_a, body_b, link_a, link_b, 0, physicsClientId=client)


def forget_contacts(client: int, m: mujoco.MjModel, plan: Plan, wired: Wiring) -> None:
    """Drop every contact that Bullet remembers: setting a collider's filter makes it new to the broad phase."""
    for surface, (body, link) in zip(plan.surfaces, wired.colliders, strict=True):
        g = surface.geoms[0]
        p.setCollisionFilterGroupMask(
            body, link, int(m.geom_contype[g]), int(m.geom_conaffinity[g]), physicsClientId=client
        )


def set_friction(client: int, wired: Wiring, friction: Array) -> None:
    """Set sliding, torsional and rolling friction ``(S, 3)`` of the surfaces."""
    for (body, link), (sliding, torsional, rolling) in zip(wired.colliders, friction.tolist(), strict=True):
        p.changeDynamics(
            body,
            link,
            lateralFriction=sliding,
            spinningFriction=torsional,
            rollingFriction=rolling,
            physicsClientId=client,
        )


def set_softness(client: int, wired: Wiring, stiffness: Array, damping: Array) -> None:
    """Set stiffness [N/m] and damping [N s/m] ``(S,)`` of the surfaces."""
    for (body, link), k, c in zip(wired.colliders, stiffness.tolist(), damping.tolist(), strict=True):
        p.changeDynamics(body, link, contactStiffness=k, contactDamping=c, physicsClientId=client)


def set_mass(client: int, body: int, link: int, mass: float, moments: Array) -> None:
    """Set mass and principal moments of a link; the moments last, for Bullet derives its own from a new mass."""
    held = p.getDynamicsInfo(body, link, physicsClientId=client)
    if held[0] != mass or list(held[2]) != moments.tolist():
        p.changeDynamics(body, link, mass=mass, physicsClientId=client)
        p.changeDynamics(body, link, localInertiaDiagonal=moments.tolist(), physicsClientId=client)


def put_base(client: int, tree: Tree, qpos: Array, qvel: Array) -> None:
    """Set a free base from position, quaternion wxyz, and velocities (linear world, angular body axes)."""
    quat = qpos[3:7] / np.sqrt((qpos[3:7] * qpos[3:7]).sum())
    offset = rotate(quat, tree.com)
    spin = rotate(quat, qvel[3:6])
    place(client, tree.body, qpos[:3] + offset, quat_mul(quat, tree.axes))
    p.resetBaseVelocity(tree.body, (qvel[:3] + np.cross(spin, offset)).tolist(), spin.tolist(), physicsClientId=client)


def place(client: int, body: int, pos: Array, quat: Array) -> None:
    """Set the pose of a Bullet body's base (inertial frame)."""
    w, x, y, z = quat.tolist()
    p.resetBasePositionAndOrientation(body, pos.tolist(), (x, y, z, w), physicsClientId=client)


def bases_to_canonical(tree: Tree, poses: Array, velocities: Array) -> tuple[Array, Array]:
    """Return qpos ``(n, 7)`` and qvel ``(n, 6)`` of free bases.

    Args:
        tree: Which tree.
        poses: ``(n, 7)`` position and quaternion xyzw of the inertial frame, world.
        velocities: ``(n, 6)`` linear velocity of the centre of mass and angular velocity, world axes.
    """
    quat = quat_mul(poses[:, [6, 3, 4, 5]], quat_conj(tree.axes))
    offset = rotate(quat, np.broadcast_to(tree.com, (len(poses), 3)))
    linear = velocities[:, :3] - cross(velocities[:, 3:], offset)
    return np.hstack([poses[:, :3] - offset, quat]), np.hstack([linear, rotate(quat_conj(quat), velocities[:, 3:])])


def base_wrench(tree: Tree, quat: Array, force: Array) -> Array:
    """Return force and torque about the centre of mass ``(n, 6)``, world axes, of a base's forces ``(n, 6)``."""
    offset = rotate(quat, np.broadcast_to(tree.com, (len(quat), 3)))
    return np.hstack([force[:, :3], rotate(quat, force[:, 3:]) - cross(offset, force[:, :3])])


def read_base(client: int, tree: Tree) -> tuple[float, ...]:
    """Return position, quaternion xyzw, linear and angular velocity of a base as Bullet has them, 13 numbers."""
    pos, quat = p.getBasePositionAndOrientation(tree.body, physicsClientId=client)
    linear, angular = p.getBaseVelocity(tree.body, physicsClientId=client)
    return (*pos, *quat, *linear, *angular)


def push(client: int, wired: Wiring, group: int, point: Array, wrench: Array) -> None:
    """Apply a wrench ``(6,)``, world axes, at a point of a group's frame for one substep."""
    body, link = wired.links[group]
    force, torque = wrench[:3].tolist(), wrench[3:].tolist()
    where = _point(client, wired, group, point)
    p.applyExternalForce(body, link, force, where, p.WORLD_FRAME, physicsClientId=client)
    p.applyExternalTorque(body, link, torque, p.WORLD_FRAME, physicsClientId=client)


def _point(client: int, wired: Wiring, group: int, point: Array) -> list[float]:
    """Return where a point of a group's frame is in the world."""
    body, link = wired.links[group]
    if link >= 0:
        state = p.getLinkState(body, link, computeForwardKinematics=1, physicsClientId=client)
        pos, (x, y, z, w), local = state[4], state[5], point - wired.offsets[group]
        return (np.array(pos) + rotate(np.array([w, x, y, z]), local)).tolist()
    tree = next(t for t in wired.trees if t.body == body)
    numbers = np.array([read_base(client, tree)])
    qpos, _ = bases_to_canonical(tree, numbers[:, :7], numbers[:, 7:])
    return (qpos[0, :3] + rotate(qpos[0, 3:], point)).tolist()


def push_base(client: int, tree: Tree, force: Sequence[float], torque: Sequence[float]) -> None:
    """Apply a force and a torque about the centre of mass to a base for one substep, world axes."""
    pos, _ = p.getBasePositionAndOrientation(tree.body, physicsClientId=client)
    p.applyExternalForce(tree.body, -1, force, pos, p.WORLD_FRAME, physicsClientId=client)
    p.applyExternalTorque(tree.body, -1, torque, p.WORLD_FRAME, physicsClientId=client)


def disconnect(clients: Sequence[int]) -> None:
    """Close clients that are still open."""
    for client in clients:
        if p.isConnected(client):
            p.disconnect(client)
