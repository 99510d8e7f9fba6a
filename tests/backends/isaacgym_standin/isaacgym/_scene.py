"""Worlds of URDF actors in MuJoCo, read from the files without any help of metasim's."""

# pyright: basic, reportOptionalMemberAccess=false, reportArgumentType=false, reportAssignmentType=false
import xml.etree.ElementTree as ET
from pathlib import Path

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

POSITION, VELOCITY, EFFORT = 1, 2, 3


def _numbers(text):
    return [float(word) for word in (text or "0 0 0").split()]


def _pose(element):
    origin = element.find("origin")
    if origin is None:
        return [0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]
    x, y, z, w = Rotation.from_euler("xyz", _numbers(origin.get("rpy"))).as_quat()
    return _numbers(origin.get("xyz")), [w, x, y, z]


class Asset:
    """A file: its links in the tree's order, its joints by child link."""

    def __init__(self, path, fixed):
        self.path, self.fixed = Path(path), fixed
        robot = ET.parse(path).getroot()
        self.links = {link.get("name"): link for link in robot.findall("link")}
        self.joints = {joint.find("child").get("link"): joint for joint in robot.findall("joint")}
        (self.base,) = [name for name in self.links if name not in self.joints]

    def add_to(self, spec, prefix, pos, quat):
        """Add the actor's bodies; return the shapes of each link."""
        body = spec.worldbody.add_body(name=prefix + self.base, pos=pos, quat=quat, mocap=self.fixed)
        if not self.fixed:
            body.add_freejoint(name=prefix + "free")
        shapes = {}
        self._fill(spec, body, self.base, prefix, shapes)
        return shapes

    def _fill(self, spec, body, name, prefix, shapes):
        link = self.links[name]
        inertial = link.find("inertial")
        body.explicitinertial = True
        body.mass, body.ipos = float(inertial.find("mass").get("value")), _pose(inertial)[0]
        body.fullinertia = [float(inertial.find("inertia").get(k)) for k in ("ixx", "iyy", "izz", "ixy", "ixz", "iyz")]
        shapes[name] = [
            self._geom(spec, body, c, f"{prefix}{name}.{k}") for k, c in enumerate(link.findall("collision"))
        ]
        for child, joint in self.joints.items():
            if joint.find("parent").get("link") == name:
                pos, quat = _pose(joint)
                inner = body.add_body(name=prefix + child, pos=pos, quat=quat)
                slide = joint.get("type") == "prismatic"
                kind = mujoco.mjtJoint.mjJNT_SLIDE if slide else mujoco.mjtJoint.mjJNT_HINGE
                made = inner.add_joint(
                    name=prefix + joint.get("name"), type=kind, axis=_numbers(joint.find("axis").get("xyz"))
                )
                limit = joint.find("limit")
                if limit is not None and float(limit.get("upper")) < 1e5:
                    made.limited, made.range = True, [float(limit.get("lower")), float(limit.get("upper"))]
                self._fill(spec, inner, child, prefix, shapes)

    def _geom(self, spec, body, collision, name):
        pos, quat = _pose(collision)
        (shape,) = collision.find("geometry")
        size, kind, options = [0.0, 0.0, 0.0], shape.tag, {}
        if kind == "sphere":
            size[0] = float(shape.get("radius"))
        elif kind == "box":
            size = [v / 2 for v in _numbers(shape.get("size"))]
        elif kind == "cylinder":
            size[:2] = float(shape.get("radius")), float(shape.get("length")) / 2
        else:
            assert kind == "mesh", kind
            options["meshname"] = name
            spec.add_mesh(name=name, file=str(self.path.parent / shape.get("filename")))
        geom = getattr(mujoco.mjtGeom, f"mjGEOM_{kind.upper()}")
        body.add_geom(name=name, type=geom, size=size, pos=pos, quat=quat, contype=0, conaffinity=0, **options)
        return name


class Actor:
    """An asset in a world; its links and degrees of freedom are numbered backwards."""

    def __init__(self, asset, name, pos, quat, dtype):
        self.asset, self.name, self.pos, self.quat = asset, name, pos, quat
        self.links = list(reversed(asset.links))
        self.dofs = [joint.get("name") for joint in reversed(asset.joints.values())]
        self.shape_count = {name: len(link.findall("collision")) for name, link in asset.links.items()}
        self.shapes = [(1.0, 0)] * sum(self.shape_count.values())
        self.drives, self.masses = np.zeros(len(self.dofs), dtype), {}


class Env:
    """One world."""

    def __init__(self, scene, index, origin):
        self.scene, self.index, self.origin, self.actors, self.changed = scene, index, origin, [], False

    def add(self, asset, name, pos, quat, dtype):
        self.actors.append(Actor(asset, name, pos, quat, dtype))
        return len(self.actors) - 1

    def build(self):
        spec = mujoco.MjSpec()
        spec.option.timestep, spec.option.gravity = self.scene.dt, self.scene.gravity
        spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST  # PhysX's drives are implicit, too
        spec.compiler.balanceinertia = spec.compiler.discardvisual = spec.compiler.degree = False
        shapes = []
        for actor in self.actors:
            made = actor.asset.add_to(spec, f"{actor.name}/", actor.pos, actor.quat)
            shapes += zip((s for link in actor.links for s in made[link]), actor.shapes, strict=True)
        self.order = [name for name, _ in shapes]
        for name in (f"{actor.name}/{dof}" for actor in self.actors for dof in actor.dofs):
            spec.add_actuator(
                name=name,
                target=name,
                trntype=mujoco.mjtTrn.mjTRN_JOINT,
                biastype=mujoco.mjtBias.mjBIAS_AFFINE,
                forcelimited=True,
                forcerange=[-1, 1],
            )
        self._pairs(spec, shapes)
        self.m, self.d = (m := spec.compile()), mujoco.MjData(m)
        self.take_properties()
        mujoco.mj_forward(self.m, self.d)

    def _pairs(self, spec, shapes):
        """Let shapes touch that share no bit of their filters, with the mean of their frictions."""
        bodies = {name: name.rsplit(".", 1)[0] for name, _ in shapes}
        if self.scene.ground:
            normal, distance, friction = self.scene.ground
            turn, _ = Rotation.align_vectors([normal], [[0, 0, 1]])
            x, y, z, w = turn.as_quat()
            ground = spec.worldbody.add_geom(name="ground", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[50, 50, 1])
            ground.pos, ground.quat, ground.contype, ground.conaffinity = -distance * normal, [w, x, y, z], 0, 0
            for name, (own, _) in shapes:
                self._pair(spec, name, "ground", (own + friction) / 2)
        for k, (a, (fa, ma)) in enumerate(shapes):
            for b, (fb, mb) in shapes[:k]:
                if bodies[a] != bodies[b] and not ma & mb:
                    self._pair(spec, a, b, (fa + fb) / 2)

    def _pair(self, spec, a, b, friction):
        # a wide solref keeps MuJoCo's contacts as soft as the canonical model's
        spec.add_pair(geomname1=a, geomname2=b, friction=[friction, friction, 0.005, 0.0001, 0.0001], condim=3)

    def take_properties(self):
        """Take masses, armatures and frictions as they are set now."""
        for actor in self.actors:
            for name, drive in zip(actor.dofs, actor.drives, strict=True):
                self.m.dof_armature[self.m.joint(f"{actor.name}/{name}").dofadr[0]] = drive["armature"]
                motor, mode = self.m.actuator(f"{actor.name}/{name}"), int(drive["driveMode"])
                motor.forcerange[:] = -drive["effort"], drive["effort"]
                motor.biasprm[1] = -drive["stiffness"] if mode == POSITION else 0.0
                motor.biasprm[2] = -drive["damping"] if mode != EFFORT else 0.0
            for name, (mass, inertia) in actor.masses.items():
                body = self.m.body(f"{actor.name}/{name}")
                axes = Rotation.from_quat(body.iquat[[1, 2, 3, 0]]).as_matrix()
                body.mass[0], body.inertia[:] = mass, np.diag(axes.T @ inertia @ axes)
        frictions = dict(zip(self.order, (f for actor in self.actors for f, _ in actor.shapes), strict=True))
        frictions["ground"] = self.scene.ground[2] if self.scene.ground else 0.0
        for k in range(self.m.npair):
            pair = self.m.geom(self.m.pair_geom1[k]).name, self.m.geom(self.m.pair_geom2[k]).name
            self.m.pair_friction[k, :2] = sum(frictions[name] for name in pair) / 2
        mujoco.mj_setConst(self.m, mujoco.MjData(self.m))
        self.changed = False


class Scene:
    """All worlds, and the buffers that show them."""

    def __init__(self, dt, gravity):
        self.dt, self.gravity, self.ground, self.envs = dt, gravity, None, []
        self.push: tuple[np.ndarray, np.ndarray] | None = None
        self.targets = {}

    def read(self, path, fixed):
        return Asset(path, fixed)

    def add_env(self, origin):
        self.envs.append(Env(self, len(self.envs), origin))
        return self.envs[-1]

    def prepare(self):
        for env in self.envs:
            env.build()
        places = [(env, k) for env in reversed(self.envs) for k in reversed(range(len(env.actors)))]
        self.places = places
        self.rows = {(env.index, k): row for row, (env, k) in enumerate(places)}
        self.dofs = [(env, k, name) for env, k in places for name in env.actors[k].dofs]
        self.bodies = [(env, k, name) for env, k in places for name in env.actors[k].links]
        self.root, self.dof = np.zeros((len(places), 13), np.float32), np.zeros((len(self.dofs), 2), np.float32)
        self.targets = {mode: np.zeros(len(self.dofs)) for mode in (POSITION, VELOCITY, EFFORT)}

    def actor_row(self, env, handle):
        return self.rows[env.index, handle]

    def dof_row(self, env, handle, name):
        return self.dofs.index((env, handle, name))

    def body_row(self, env, handle, name):
        return self.bodies.index((env, handle, name))

    def simulate(self):
        for env in self.envs:
            if env.changed:
                env.take_properties()
            env.d.xfrc_applied[:] = 0
        for row, (env, k, name) in enumerate(self.dofs):
            actor = env.actors[k]
            drive, mode = actor.drives[actor.dofs.index(name)], int(actor.drives["driveMode"][actor.dofs.index(name)])
            gain = {POSITION: drive["stiffness"], VELOCITY: drive["damping"], EFFORT: 1.0}[mode]
            env.d.ctrl[env.m.actuator(f"{actor.name}/{name}").id] = gain * self.targets[mode][row]
        if self.push is not None:
            for (env, k, name), force, torque in zip(self.bodies, *self.push, strict=True):
                env.d.xfrc_applied[env.m.body(f"{env.actors[k].name}/{name}").id] = [*force, *torque]
        for env in self.envs:
            mujoco.mj_step(env.m, env.d)
            mujoco.mj_kinematics(env.m, env.d)
            mujoco.mj_comPos(env.m, env.d)
        self.push = None

    def show_dofs(self):
        for row, (env, k, name) in enumerate(self.dofs):
            joint = env.m.joint(f"{env.actors[k].name}/{name}")
            self.dof[row] = env.d.qpos[joint.qposadr[0]], env.d.qvel[joint.dofadr[0]]

    def show_roots(self):
        for row, (env, k) in enumerate(self.places):
            actor = env.actors[k]
            body = env.m.body(f"{actor.name}/{actor.asset.base}").id
            linear = angular = np.zeros(3)
            if not actor.asset.fixed:
                v = int(env.m.body_dofadr[body])
                angular = env.d.xmat[body].reshape(3, 3) @ env.d.qvel[v + 3 : v + 6]
                linear = env.d.qvel[v : v + 3] + np.cross(angular, env.d.xipos[body] - env.d.xpos[body])
            w, x, y, z = env.d.xquat[body]
            self.root[row] = [*(env.d.xpos[body] + env.origin), x, y, z, w, *linear, *angular]

    def take_dofs(self, states, rows):
        chosen = {self.places[int(row)] for row in rows}
        for row, (env, k, name) in enumerate(self.dofs):
            if (env, k) in chosen:
                joint = env.m.joint(f"{env.actors[k].name}/{name}")
                env.d.qpos[joint.qposadr[0]], env.d.qvel[joint.dofadr[0]] = states[row]
                env.d.qacc_warmstart[:] = 0

    def take_roots(self, states, rows):
        for row in rows:
            env, k = self.places[int(row)]
            actor, state = env.actors[k], states[int(row)].astype(float)
            body = env.m.body(f"{actor.name}/{actor.asset.base}").id
            pos, quat = state[:3] - env.origin, state[[6, 3, 4, 5]]
            env.d.qacc_warmstart[:] = 0
            if actor.asset.fixed:
                mocap = int(env.m.body_mocapid[body])
                env.d.mocap_pos[mocap], env.d.mocap_quat[mocap] = pos, quat
                continue
            q, v = int(env.m.jnt_qposadr[env.m.body_jntadr[body]]), int(env.m.body_dofadr[body])
            turn = Rotation.from_quat(state[3:7])
            arm = turn.apply(env.m.body_ipos[body])
            env.d.qpos[q : q + 3], env.d.qpos[q + 3 : q + 7] = pos, quat
            env.d.qvel[v : v + 3] = state[7:10] - np.cross(state[10:13], arm)
            env.d.qvel[v + 3 : v + 6] = turn.inv().apply(state[10:13])
