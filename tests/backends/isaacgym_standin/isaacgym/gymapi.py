"""The part of ``isaacgym.gymapi`` that the worker uses, after ``isaacgym-stubs``; physics by MuJoCo.

Where order or frames could be guessed, this one does the other thing: degrees of freedom, bodies and actors are
numbered backwards, worlds stand beside each other in one space, root velocities are those of centres of mass.
"""

import ctypes
from types import SimpleNamespace

import numpy as np

from isaacgym._scene import Scene

DOF_MODE_NONE, DOF_MODE_POS, DOF_MODE_VEL, DOF_MODE_EFFORT = range(4)
DOMAIN_ACTOR, DOMAIN_ENV, DOMAIN_SIM = range(3)
ENV_SPACE, LOCAL_SPACE, GLOBAL_SPACE = range(3)
SIM_PHYSX, UP_AXIS_Z = 0, 1
DTYPE_FLOAT32, DTYPE_UINT32 = 0, 1
DOF_PROPERTIES = np.dtype(
    [("hasLimits", "?"), ("lower", "f4"), ("upper", "f4"), ("driveMode", "i4"), ("stiffness", "f4"), ("damping", "f4")]
    + [(name, "f4") for name in ("velocity", "effort", "friction", "armature")]
)


class Vec3:
    def __init__(self, x=0.0, y=0.0, z=0.0):
        self.x, self.y, self.z = float(x), float(y), float(z)

    def row(self):
        return np.array([self.x, self.y, self.z])


class Quat(Vec3):
    def __init__(self, x=0.0, y=0.0, z=0.0, w=1.0):
        super().__init__(x, y, z)
        self.w = float(w)


class Transform:
    def __init__(self, p=None, r=None):
        self.p, self.r = p or Vec3(), r or Quat()


class SimParams:
    def __init__(self):
        self.physx = SimpleNamespace()


class Mat33(SimpleNamespace):
    pass


class PlaneParams(SimpleNamespace):
    pass


class AssetOptions(SimpleNamespace):
    pass


class Tensor:
    def __init__(self):
        self.device, self.dtype, self.shape, self.data_address, self.own_data = -1, DTYPE_FLOAT32, (), 0, False


def acquire_gym():
    return Gym()


def _describe(array):
    tensor = Tensor()
    tensor.shape, tensor.data_address = array.shape, array.ctypes.data
    return tensor


def _values(tensor):
    kind = {DTYPE_FLOAT32: ctypes.c_float, DTYPE_UINT32: ctypes.c_uint32}[tensor.dtype]
    buffer = (kind * int(np.prod(tensor.shape))).from_address(tensor.data_address)
    return np.frombuffer(buffer, kind).reshape(tensor.shape)


class Gym:
    def create_sim(self, compute_device, graphics_device, kind, params):
        assert graphics_device == -1 and kind == SIM_PHYSX and not params.use_gpu_pipeline and params.substeps == 1
        return Scene(params.dt, params.gravity.row())

    def destroy_sim(self, sim):
        sim.envs.clear()

    def add_ground(self, sim, params):
        sim.ground = (params.normal.row(), params.distance, params.static_friction)

    def load_asset(self, sim, root, name, options):
        assert not options.collapse_fixed_joints and not options.override_inertia and options.linear_damping == 0
        return sim.read(f"{root}/{name}", fixed=options.fix_base_link)

    def create_env(self, sim, lower, upper, per_row):
        k, size = len(sim.envs), upper.x - lower.x
        return sim.add_env(np.array([k % per_row * size, k // per_row * size, 0.0]))

    def create_actor(self, env, asset, pose, name, group, mask, segmentation):
        assert group == env.index and mask == 0
        return env.add(asset, name, pose.p.row(), np.array([pose.r.w, *pose.r.row()]), DOF_PROPERTIES)

    def prepare_sim(self, sim):
        sim.prepare()
        return True

    def simulate(self, sim):
        sim.simulate()

    def fetch_results(self, sim, wait):
        assert wait

    # -- names --------------------------------------------------------------------------------------------------
    def get_actor_index(self, env, handle, domain):
        assert domain == DOMAIN_SIM
        return env.scene.actor_row(env, handle)

    def find_actor_dof_index(self, env, handle, name, domain):
        assert domain == DOMAIN_SIM
        return env.scene.dof_row(env, handle, name)

    def find_actor_rigid_body_index(self, env, handle, name, domain):
        assert domain == DOMAIN_SIM
        return env.scene.body_row(env, handle, name)

    def get_actor_dof_dict(self, env, handle):
        return {name: k for k, name in enumerate(env.actors[handle].dofs)}

    def get_actor_rigid_body_dict(self, env, handle):
        return {name: k for k, name in enumerate(env.actors[handle].links)}

    def get_sim_dof_count(self, sim):
        return sum(len(actor.dofs) for env in sim.envs for actor in env.actors)

    def get_sim_rigid_body_count(self, sim):
        return sum(len(actor.links) for env in sim.envs for actor in env.actors)

    # -- properties ---------------------------------------------------------------------------------------------
    def get_actor_dof_properties(self, env, handle):
        return env.actors[handle].drives.copy()

    def set_actor_dof_properties(self, env, handle, properties):
        env.actors[handle].drives[:] = properties
        env.changed = True
        return True

    def get_actor_rigid_shape_properties(self, env, handle):
        actor = env.actors[handle]
        return [SimpleNamespace(friction=f, filter=int(m)) for f, m in actor.shapes]

    def get_actor_rigid_body_shape_indices(self, env, handle):
        actor = env.actors[handle]
        starts = np.concatenate([[0], np.cumsum([actor.shape_count[name] for name in actor.links])]).astype(int)
        return [SimpleNamespace(start=int(a), count=int(b - a)) for a, b in zip(starts, starts[1:], strict=False)]

    def set_actor_rigid_shape_properties(self, env, handle, properties):
        env.actors[handle].shapes[:] = [(p.friction, p.filter) for p in properties]
        env.changed = True
        return True

    def get_actor_rigid_body_properties(self, env, handle):
        return [SimpleNamespace(mass=None, inertia=None) for _ in env.actors[handle].links]

    def set_actor_rigid_body_properties(self, env, handle, properties, recompute):
        assert not recompute
        actor = env.actors[handle]
        for name, p in zip(actor.links, properties, strict=True):
            if p.mass is not None:
                actor.masses[name] = (p.mass, np.array([v.row() for v in (p.inertia.x, p.inertia.y, p.inertia.z)]))
        env.changed = True
        return True

    # -- tensors ------------------------------------------------------------------------------------------------
    def acquire_actor_root_state_tensor(self, sim):
        return _describe(sim.root)

    def acquire_dof_state_tensor(self, sim):
        return _describe(sim.dof)

    def refresh_actor_root_state_tensor(self, sim):
        sim.show_roots()
        return True

    def refresh_dof_state_tensor(self, sim):
        sim.show_dofs()
        return True

    def set_actor_root_state_tensor_indexed(self, sim, states, rows, count):
        sim.take_roots(_values(states), _values(rows)[:count])
        return True

    def set_dof_state_tensor_indexed(self, sim, states, rows, count):
        sim.take_dofs(_values(states), _values(rows)[:count])
        return True

    def set_dof_position_target_tensor(self, sim, values):
        sim.targets[DOF_MODE_POS] = _values(values).copy()
        return True

    def set_dof_velocity_target_tensor(self, sim, values):
        sim.targets[DOF_MODE_VEL] = _values(values).copy()
        return True

    def set_dof_actuation_force_tensor(self, sim, values):
        sim.targets[DOF_MODE_EFFORT] = _values(values).copy()
        return True

    def apply_rigid_body_force_tensors(self, sim, force, torque, space):
        assert space == GLOBAL_SPACE
        sim.push = _values(force).copy(), _values(torque).copy()
        return True
