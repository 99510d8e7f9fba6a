"""Scene to canonical model: assets in, one ``MjSpec`` assembled, one ``mjModel`` out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np

from metasim.core.errors import InvalidModel, UnknownName
from metasim.core.reads import Reads
from metasim.core.rotation import quat_from_matrix, quat_mul, rotate
from metasim.core.scene import (
    Asset,
    Body,
    Box,
    Camera,
    Capsule,
    Cylinder,
    Drive,
    Goal,
    Mesh,
    Robot,
    Scene,
    Sphere,
    Weld,
)
from metasim.model.assets import locate
from metasim.model.info import model_info
from metasim.model.mesh import add_mesh, load_mesh
from metasim.model.model import Model, compile_spec, model_digest
from metasim.model.pieces import UNTOUCHED, add_pieces
from metasim.model.robots import ROBOTS
from metasim.model.sensors import add_sensors
from metasim.model.urdf import spec_from_urdf


def compile_scene(scene: Scene, reads: Reads | None = None) -> Model:
    """Compile a scene and the sensors for what is read of it.

    Raises:
        InvalidModel: For a file or combination that does not compile, naming the element.
        UnknownName: For a read, weld or robot that is not there, with the nearest names.
    """
    reads = reads or Reads()
    robots = scene.all_robots
    home: dict[str, float] = {}
    members: dict[str, tuple[str, ...]] = {}
    if len(robots) == 1 and scene.base is None:  # the robot's own file is the base, so its names need no prefix
        name, robot = next(iter(robots.items()))
        spec, height, members[name] = _load_robot(robot, "", home)
        _move_roots(spec, robot, height)
    else:
        spec = load_asset(scene.base) if scene.base else mujoco.MjSpec()
        for name, robot in robots.items():
            child, height, members[name] = _load_robot(robot, f"{name}/", home)
            frame = spec.worldbody.add_frame(pos=[*robot.pos[:2], robot.pos[2] + height], quat=list(robot.quat))
            spec.attach(child, prefix=f"{name}/", frame=frame)
    if scene.has_ground:
        _add_ground(spec)
    for name, item in scene.objects.items():
        _add_object(spec, name, item)
    for name, goal in scene.all_goals.items():
        _add_goal(spec, name, goal)
    for name, camera in scene.cameras.items():
        _add_camera(spec, name, camera)
    _add_lights(spec, scene)
    for weld in scene.welds:
        _set_weld(spec, weld)
    _set_physics(spec, scene)
    return finish(spec, reads, home, members)


def finish(
    spec: mujoco.MjSpec, reads: Reads, home: Mapping[str, float], robots: Mapping[str, tuple[str, ...]]
) -> Model:
    """Add the sensors, compile without visuals, and collect names and addresses."""
    probe = spec.copy()
    _discard_visuals(probe)
    layout_of = add_sensors(probe, reads)
    physical = compile_spec(probe)
    physical.site_sameframe[:] = 0  # else MuJoCo ignores a site's position when it is moved per world
    layout, contact_start = layout_of(physical)
    info = model_info(physical, home, robots, model_digest(physical))
    return Model(mj=physical, spec=spec, info=info, reads=reads, layout=layout, contact_start=contact_start)


def _discard_visuals(spec: mujoco.MjSpec) -> None:
    """Have geoms that touch nothing left out, while bodies keep the inertia that such geoms give them."""
    spec.compiler.discardvisual = True
    if spec.compiler.inertiafromgeom == mujoco.mjtInertiaFromGeom.mjINERTIAFROMGEOM_TRUE:  # refused with the above
        spec.compiler.inertiafromgeom = mujoco.mjtInertiaFromGeom.mjINERTIAFROMGEOM_AUTO
        for body in spec.bodies:
            body.explicitinertial = False


def load_asset(asset: Asset) -> mujoco.MjSpec:
    """Return the specification of an MJCF or URDF file.

    Raises:
        InvalidModel: If the file is missing, is neither, or does not parse.
    """
    path = locate(asset.path)
    if not path.is_file():
        raise InvalidModel(f"no file {path}; an asset is an MJCF (.xml) or URDF (.urdf) file")
    if path.suffix.lower() == ".urdf" or b"<robot" in path.read_bytes()[:4096]:
        return spec_from_urdf(path, floating_base=asset.floating)
    try:
        spec = mujoco.MjSpec.from_file(str(path))
    except (ValueError, mujoco.FatalError) as error:
        raise InvalidModel(f"{path} is not a valid MJCF: {error}") from error
    if asset.floating:
        roots = spec.worldbody.bodies
        if not roots:
            raise InvalidModel(f"{path} has no body that a free joint could be added to")
        roots[0].add_freejoint()
    return spec


def _add_ground(spec: mujoco.MjSpec) -> None:
    spec.worldbody.add_geom(
        name="ground",
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=[5, 5, 0.1],
        rgba=[0.55, 0.6, 0.62, 1],
        friction=[1, 0.005, 0.0001],
    )


def _load_robot(robot: Robot, prefix: str, home: dict[str, float]) -> tuple[mujoco.MjSpec, float, tuple[str, ...]]:
    """Return a robot's specification, the height of its base, and its joints' names in the scene; add to ``home``."""
    if isinstance(robot.model, Asset):
        child, table_home, height = load_asset(robot.model), {}, 0.0
    else:
        entry = ROBOTS[robot.model]
        (child, table_home), height = entry.load(), entry.height_m
    actuated = {a.target for a in child.actuators}
    joints = tuple(j.name for j in child.joints if j.type in (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE))
    if robot.drive:
        _add_drive(child, robot.drive, joints, actuated)
    for joint, value in {**table_home, **robot.home}.items():
        if joint not in joints:
            raise UnknownName("joint", joint, joints, hint="(in the robot's home position)")
        home[prefix + joint] = value
    return child, height, tuple(prefix + j for j in joints)


def _move_roots(spec: mujoco.MjSpec, robot: Robot, height: float) -> None:
    """Put what stands in the world of a robot's own specification to the robot's pose."""
    turn = np.array(robot.quat, float) / np.linalg.norm(robot.quat)
    offset = np.array([*robot.pos[:2], robot.pos[2] + height])
    world = spec.worldbody
    for item in [*world.bodies, *world.geoms, *world.sites, *world.cameras]:
        item.pos = offset + rotate(turn, np.array(item.pos))
        item.quat = quat_mul(turn, np.array(item.quat))


def _add_drive(spec: mujoco.MjSpec, drive: Drive, joints: tuple[str, ...], actuated: set[str]) -> None:
    for name in drive.joints or tuple(j for j in joints if j not in actuated):
        if name not in joints:
            raise UnknownName("joint", name, joints, hint="(in Drive.joints)")
        if name in actuated:
            raise InvalidModel(f"joint {name!r} already has an actuator in its file; leave it out of Drive.joints")
        joint = spec.joint(name)
        joint.armature = joint.armature if drive.armature is None else drive.armature
        limit = drive.effort_limit
        if limit is None and np.any(np.asarray(joint.actfrcrange)):
            limit = float(np.max(np.abs(joint.actfrcrange)))
        actuator = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        if drive.kind == "position":
            actuator.set_to_position(kp=drive.stiffness, kv=drive.damping)
        elif drive.kind == "velocity":
            actuator.set_to_velocity(kv=drive.damping)
        else:
            actuator.set_to_motor()
        if limit is not None:
            actuator.forcelimited, actuator.forcerange = True, [-limit, limit]
            if drive.kind == "effort":
                actuator.ctrllimited, actuator.ctrlrange = True, [-limit, limit]
        if drive.kind == "position" and joint.limited and np.diff(joint.range)[0] > 0:
            actuator.ctrllimited, actuator.ctrlrange = True, list(joint.range)


def _add_object(spec: mujoco.MjSpec, name: str, item: Body | Asset) -> None:
    if isinstance(item, Asset):
        frame = spec.worldbody.add_frame(pos=list(item.pos), quat=list(item.quat))
        spec.attach(load_asset(item), prefix=f"{name}/", frame=frame)
        return
    body = spec.worldbody.add_body(name=name, pos=list(item.pos), quat=list(item.quat))
    if not item.fixed:
        body.add_freejoint(name=name)
    if isinstance(item, Mesh) and item.solid != "hull":
        return add_pieces(spec, body, name, item, _contact(item))
    shape = _shape(spec, name, item)
    mass = {"mass": item.mass_kg} if item.mass_kg is not None else {"density": item.density}
    body.add_geom(name=name, rgba=list(item.rgba), **shape, **_contact(item), **mass)
    if spec.compiler.inertiagrouprange[0] > 0:  # the base scene's file has other geoms decide on masses
        _set_inertia(body, name, item, mass)


def _set_inertia(body: mujoco.MjsBody, name: str, item: Body, mass: dict[str, float]) -> None:
    """Give a body of one geom the mass and inertia that it would have in a scene of its own."""
    alone = mujoco.MjSpec()
    alone.worldbody.add_body(name=name).add_geom(**_shape(alone, name, item), **mass)
    m = compile_spec(alone)
    body.explicitinertial, body.mass, body.inertia = True, float(m.body_mass[1]), m.body_inertia[1]
    body.ipos, body.iquat = m.body_ipos[1], m.body_iquat[1]


def _contact(item: Body) -> dict[str, Any]:
    contact: dict[str, Any] = {"friction": list(item.friction)}
    if not item.collides:
        contact |= UNTOUCHED
    if item.stiff:
        contact |= {"solref": [0.006, 1.0], "solimp": [0.97, 0.99, 0.001, 0.5, 2.0], "priority": 1}
    return contact


def _shape(spec: mujoco.MjSpec, name: str, item: Body) -> dict[str, Any]:
    geom = mujoco.mjtGeom
    match item:
        case Box(size_m=size):
            return {"type": geom.mjGEOM_BOX, "size": [s / 2 for s in size]}
        case Sphere(radius_m=radius):
            return {"type": geom.mjGEOM_SPHERE, "size": [radius, 0, 0]}
        case Cylinder(radius_m=radius, height_m=height):
            return {"type": geom.mjGEOM_CYLINDER, "size": [radius, height / 2, 0]}
        case Capsule(radius_m=radius, length_m=length):
            return {"type": geom.mjGEOM_CAPSULE, "size": [radius, length / 2, 0]}
        case Mesh(path=path, scale=scale):
            add_mesh(spec, name, load_mesh(locate(path), scale))
            return {"type": geom.mjGEOM_MESH, "meshname": name}
        case _:
            raise InvalidModel(
                f"object {name!r} has the unknown shape {type(item).__name__}"
                "; use Box, Sphere, Cylinder, Capsule, Mesh or Asset"
            )


def _add_goal(spec: mujoco.MjSpec, name: str, goal: Goal) -> None:
    spec.worldbody.add_site(name=name, pos=list(goal.pos), size=[goal.radius_m] * 3, rgba=list(goal.rgba))


def _add_camera(spec: mujoco.MjSpec, name: str, camera: Camera) -> None:
    back = np.subtract(camera.pos, camera.target)
    z = back / np.linalg.norm(back)
    up = np.array([0.0, 0.0, 1.0]) if abs(z[2]) < 0.999 else np.array([0.0, 1.0, 0.0])
    x = np.cross(up, z)
    x /= np.linalg.norm(x)
    quat = quat_from_matrix(np.stack([x, np.cross(z, x), z], axis=-1))
    spec.worldbody.add_camera(name=name, pos=list(camera.pos), quat=list(quat), fovy=float(np.degrees(camera.fov_rad)))


def _add_lights(spec: mujoco.MjSpec, scene: Scene) -> None:
    for name, light in scene.lights.items():
        spec.worldbody.add_light(name=name, pos=list(light.pos), dir=list(light.direction), diffuse=list(light.colour))
    if scene.base is None and not scene.lights:
        spec.worldbody.add_light(name="light", pos=[0, 0, 3], dir=[0, 0, -1], diffuse=[0.7, 0.7, 0.7])


def _set_weld(spec: mujoco.MjSpec, weld: Weld) -> None:
    bodies = [b.name for b in spec.bodies]
    for name in (weld.mocap, weld.body):
        if name not in bodies:
            raise UnknownName("body", name, bodies, hint="(in Scene.welds)")
    pair = {weld.mocap, weld.body}
    equality = next((e for e in spec.equalities if {e.name1, e.name2} == pair), None) or spec.add_equality()
    equality.type = mujoco.mjtEq.mjEQ_WELD
    equality.objtype = mujoco.mjtObj.mjOBJ_BODY
    equality.name1, equality.name2 = weld.mocap, weld.body
    equality.data = [0, 0, 0, *weld.relative_pos, *weld.relative_quat, weld.torque_scale, 0]
    equality.solref = [weld.time_constant_s, weld.damping_ratio]


def _set_physics(spec: mujoco.MjSpec, scene: Scene) -> None:
    physics = scene.physics
    if physics.timestep_s is not None:
        spec.option.timestep = physics.timestep_s
    if physics.gravity is not None:
        spec.option.gravity = list(physics.gravity)
    if physics.multiccd is not None:
        bit = int(mujoco.mjtDisableBit.mjDSBL_MULTICCD)
        spec.option.disableflags = (
            spec.option.disableflags & ~bit if physics.multiccd else spec.option.disableflags | bit
        )
