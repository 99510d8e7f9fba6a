"""Isaac Gym's side of the border: all worlds, in an interpreter of their own, driven through shared memory and pipes.

Python 3.8; the standard library, numpy and isaacgym, nothing else, and no other file. What changes in every step lies
in the shared memory, float32, worlds first; everything else is a line of JSON each way. Isaac Gym's own order of
actors, joints and bodies is never relied on: all are found by name.

Physics may run on the GPU; states and targets come to the CPU (``use_gpu_pipeline`` off), so that numpy can see them.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import math
import mmap
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from isaacgym import gymapi

PROTOCOL = 1
SPREAD = ("root", "dof", "target", "force", "torque")
POSITION, VELOCITY, EFFORT = 1, 2, 3


class Worlds:
    """N worlds of one recipe.

    Args:
        api: The module ``isaacgym.gymapi``.
        arrays: The shared arrays by name: root ``(N, A, 13)``, dof ``(N, D, 2)``, target ``(N, D)``, force and torque
            ``(N, L, 3)``, in the recipe's order.
        recipe: What to build.
    """

    def __init__(self, api: Any, arrays: dict[str, np.ndarray], recipe: dict[str, Any]) -> None:
        self.api, self.arrays, self.recipe = api, arrays, recipe
        self.count = int(recipe["worlds"])
        self.gym: gymapi.Gym = api.acquire_gym()
        self.sim: gymapi.Sim = self._make_sim()
        self.envs: list[gymapi.Env] = []
        self.handles: list[list[int]] = []
        self._populate()
        if not self.gym.prepare_sim(self.sim):
            raise RuntimeError("Isaac Gym did not prepare the simulation")
        self._find()
        self._read()
        given = np.array([actor["pose"][:3] for actor in recipe["actors"]], np.float32)
        self.origins = (self.root[self.actor_rows][:, :, :3] - given).mean(axis=1) if len(given) else np.zeros((1, 3))

    # -- building -----------------------------------------------------------------------------------------------
    def _make_sim(self) -> gymapi.Sim:
        api, recipe = self.api, self.recipe
        params: gymapi.SimParams = api.SimParams()
        params.dt, params.substeps = float(recipe["timestep_s"]), 1
        params.up_axis = api.UP_AXIS_Z
        params.gravity = api.Vec3(*recipe["gravity"])
        params.use_gpu_pipeline = False
        physx = params.physx
        physx.use_gpu = bool(recipe["gpu"])
        physx.num_threads = int(recipe["threads"])
        physx.solver_type = 1
        physx.num_position_iterations, physx.num_velocity_iterations = 8, 1
        physx.contact_offset, physx.rest_offset = 0.002, 0.0
        physx.bounce_threshold_velocity = 0.2
        physx.max_depenetration_velocity = 10.0
        sim = self.gym.create_sim(int(recipe["device"]), -1, api.SIM_PHYSX, params)
        if sim is None:
            raise RuntimeError("Isaac Gym did not create a simulation; its own messages say why")
        ground = recipe["ground"]
        if ground is not None:
            plane: gymapi.PlaneParams = api.PlaneParams()
            plane.normal = api.Vec3(*ground["normal"])
            plane.distance = float(ground["distance"])
            plane.static_friction = plane.dynamic_friction = float(ground["friction"])
            plane.restitution = 0.0
            self.gym.add_ground(sim, plane)
        return sim

    def _options(self, fixed: bool) -> gymapi.AssetOptions:
        options: gymapi.AssetOptions = self.api.AssetOptions()
        options.fix_base_link = fixed
        options.collapse_fixed_joints = False
        options.disable_gravity = False
        options.override_com = options.override_inertia = False
        options.replace_cylinder_with_capsule = False
        options.flip_visual_attachments = False
        options.vhacd_enabled = False
        options.use_physx_armature = True
        options.enable_gyroscopic_forces = True
        options.armature = options.thickness = 0.0
        options.linear_damping = options.angular_damping = 0.0
        options.max_linear_velocity = options.max_angular_velocity = 1e4
        options.default_dof_drive_mode = int(self.api.DOF_MODE_NONE)
        return options

    def _populate(self) -> None:
        api, gym, recipe = self.api, self.gym, self.recipe
        assets = []
        for actor in recipe["actors"]:
            asset = gym.load_asset(self.sim, recipe["folder"], actor["file"], self._options(actor["fixed"]))
            if asset is None:
                raise RuntimeError(f"Isaac Gym did not load {actor['file']}")
            assets.append(asset)
        half = float(recipe["spacing_m"]) / 2
        lower, upper = api.Vec3(-half, -half, 0.0), api.Vec3(half, half, 2 * half)
        for world in range(self.count):
            env = gym.create_env(self.sim, lower, upper, max(1, math.isqrt(self.count)))
            handles = []
            for actor, asset in _pairs(recipe["actors"], assets):
                x, y, z, qx, qy, qz, qw = actor["pose"]
                pose = api.Transform(api.Vec3(x, y, z), api.Quat(qx, qy, qz, qw))
                handle = gym.create_actor(env, asset, pose, actor["name"], world, 0, 0)
                handles.append(handle)
                self._shape(env, handle, actor)
                self._set_dofs(env, handle, actor, actor["dofs"])
            self.envs.append(env)
            self.handles.append(handles)

    def _shape(self, env: gymapi.Env, handle: int, actor: dict[str, Any]) -> None:
        """Set friction and filters of an actor's shapes, which are found by their link."""
        gym = self.gym
        properties = gym.get_actor_rigid_shape_properties(env, handle)
        ranges = gym.get_actor_rigid_body_shape_indices(env, handle)
        index = gym.get_actor_rigid_body_dict(env, handle)
        for link in actor["links"]:
            found, wanted = ranges[index[link["name"]]], link["shapes"]
            if found.count != len(wanted):
                raise RuntimeError(
                    f"Isaac Gym made {found.count} shapes of link {link['name']} of {actor['name']},"
                    f" and the file has {len(wanted)}"
                )
            for k, (friction, mask) in enumerate(wanted):
                shape = properties[found.start + k]
                shape.friction, shape.filter = float(friction), int(mask)
                shape.rolling_friction = shape.torsion_friction = shape.restitution = 0.0
        if properties and not gym.set_actor_rigid_shape_properties(env, handle, properties):
            raise RuntimeError(f"Isaac Gym did not take the shapes of {actor['name']}")

    def _set_dofs(self, env: gymapi.Env, handle: int, actor: dict[str, Any], values: list[dict[str, float]]) -> None:
        if not actor["dofs"]:
            return
        gym = self.gym
        properties = gym.get_actor_dof_properties(env, handle)
        index = gym.get_actor_dof_dict(env, handle)
        for dof, value in _pairs(actor["dofs"], values):
            row = index[dof["name"]]
            properties["driveMode"][row] = int(_mode(self.api, dof["mode"]))
            properties["stiffness"][row], properties["damping"][row] = value["stiffness"], value["damping"]
            properties["effort"][row], properties["velocity"][row] = dof["limit"], 1e6
            properties["friction"][row], properties["armature"][row] = 0.0, dof["armature"]
        if not gym.set_actor_dof_properties(env, handle, properties):
            raise RuntimeError(f"Isaac Gym did not take the drives of {actor['name']}")

    def _find(self) -> None:
        """Find, once, where everything of the recipe stands in Isaac Gym's buffers; acquire these."""
        gym, api, actors = self.gym, self.api, self.recipe["actors"]
        sim = api.DOMAIN_SIM
        rows: list[int] = []
        dofs: list[int] = []
        links: list[int] = []
        for env, handles in _pairs(self.envs, self.handles):
            for actor, handle in _pairs(actors, handles):
                rows.append(gym.get_actor_index(env, handle, sim))
                dofs += [gym.find_actor_dof_index(env, handle, dof["name"], sim) for dof in actor["dofs"]]
                links += [gym.find_actor_rigid_body_index(env, handle, link["name"], sim) for link in actor["links"]]
        self.actor_rows, self.dof_rows, self.link_rows = (
            np.array(found, np.int64).reshape(self.count, len(found) // self.count) for found in (rows, dofs, links)
        )
        if min(self.dof_rows.min(initial=0), self.link_rows.min(initial=0)) < 0:
            raise RuntimeError("Isaac Gym lost a joint or link of the files")
        self.jointed = np.array([bool(actor["dofs"]) for actor in actors], bool)
        names = [dof for actor in actors for dof in actor["dofs"]]
        self.modes = np.array([dof["mode"] for dof in names], int)
        self.effort = self.modes == EFFORT
        self.rest = np.array([dof["rest"] for dof in names], np.float32)
        self.leader = np.array([dof["leader"] for dof in names], int)
        shape = (self.count, len(names))
        self.follow = np.broadcast_to(np.array([d["follow"] for d in names], np.float32), shape).copy()
        self.springs = np.broadcast_to(np.array([d["feed_stiffness"] for d in names], np.float32), shape).copy()
        self.dampers = np.broadcast_to(np.array([d["feed_damping"] for d in names], np.float32), shape).copy()
        self.root = _view(gym.acquire_actor_root_state_tensor(self.sim), (-1, 13)) if actors else np.zeros((0, 13))
        total = gym.get_sim_dof_count(self.sim)
        self.dof = _view(gym.acquire_dof_state_tensor(self.sim), (-1, 2)) if total else np.zeros((0, 2), np.float32)
        self.told = {mode: np.zeros(total, np.float32) for mode in (POSITION, VELOCITY, EFFORT)}
        bodies = gym.get_sim_rigid_body_count(self.sim)
        self.push = np.zeros((bodies, 3), np.float32), np.zeros((bodies, 3), np.float32)
        self.pending = np.zeros((self.count, len(actors)), bool)

    # -- what may be asked --------------------------------------------------------------------------------------
    def step(self, substeps: int) -> None:
        """Advance all worlds with the shared targets, forces and torques; share the states."""
        gym, shared = self.gym, self.arrays
        self._flush()
        target = shared["target"]
        feed, followers = np.where(self.effort, target, 0.0), self.leader >= 0
        if self.dof.size:
            self.told[POSITION][self.dof_rows] = np.where(self.modes == POSITION, target, 0.0)
            self.told[VELOCITY][self.dof_rows] = np.where(self.modes == VELOCITY, target, 0.0)
            gym.set_dof_position_target_tensor(self.sim, _tensor(self.api, self.told[POSITION]))
            gym.set_dof_velocity_target_tensor(self.sim, _tensor(self.api, self.told[VELOCITY]))
        pushed = bool(shared["force"].any() or shared["torque"].any())
        if pushed:
            self.push[0][self.link_rows], self.push[1][self.link_rows] = shared["force"], shared["torque"]
        for _ in range(substeps):
            if self.effort.any():
                q, v = self.dof[self.dof_rows, 0], self.dof[self.dof_rows, 1]
                own = self.springs * (self.rest - q) - self.dampers * v
                self.told[EFFORT][self.dof_rows] = feed + np.where(self.effort, own, 0.0)
                gym.set_dof_actuation_force_tensor(self.sim, _tensor(self.api, self.told[EFFORT]))
            if followers.any():
                pulled = target + self.follow * self.dof[self.dof_rows, 0][:, self.leader]
                self.told[POSITION][self.dof_rows[:, followers]] = pulled[:, followers]
                gym.set_dof_position_target_tensor(self.sim, _tensor(self.api, self.told[POSITION]))
            if pushed:
                force, torque = (_tensor(self.api, a) for a in self.push)
                gym.apply_rigid_body_force_tensors(self.sim, force, torque, self.api.GLOBAL_SPACE)
            gym.simulate(self.sim)
            gym.fetch_results(self.sim, True)
            self._read()
        self._share()

    def write(self, rows: list[int]) -> None:
        """Take the shared states of some worlds; they enter the engine before its next step."""
        if not rows:
            return
        root = self.arrays["root"][rows].copy()
        root[:, :, :3] += self.origins[rows][:, None]
        self.root[self.actor_rows[rows]] = root
        self.dof[self.dof_rows[rows]] = self.arrays["dof"][rows]
        self.pending[rows] = True

    def inertia(self, world: int, values: dict[str, dict[str, Any]]) -> None:
        """Set mass and inertia of links of one world: actor name to link name to mass and nine numbers."""
        api, gym, env = self.api, self.gym, self.envs[world]
        for actor, handle in _pairs(self.recipe["actors"], self.handles[world]):
            changed = values.get(actor["name"], {})
            if not changed:
                continue
            properties = gym.get_actor_rigid_body_properties(env, handle)
            index = gym.get_actor_rigid_body_dict(env, handle)
            for name, (mass, moments) in changed.items():
                body = properties[index[name]]
                body.mass = float(mass)
                matrix: gymapi.Mat33 = api.Mat33()
                matrix.x, matrix.y, matrix.z = (api.Vec3(*moments[k : k + 3]) for k in (0, 3, 6))
                body.inertia = matrix
            if not gym.set_actor_rigid_body_properties(env, handle, properties, False):
                raise RuntimeError(f"Isaac Gym did not take the masses of {actor['name']}")

    def drives(self, world: int, values: list[dict[str, float]]) -> None:
        """Set stiffness and damping of every degree of freedom of one world."""
        start = 0
        for actor, handle in _pairs(self.recipe["actors"], self.handles[world]):
            stop = start + len(actor["dofs"])
            self._set_dofs(self.envs[world], handle, actor, values[start:stop])
            start = stop
        self.springs[world] = [value["feed_stiffness"] for value in values]
        self.dampers[world] = [value["feed_damping"] for value in values]
        self.follow[world] = [value["follow"] for value in values]

    def friction(self, world: int, values: list[list[list[list[float]]]]) -> None:
        """Set friction and filter of every shape of one world, by actor and link."""
        for k, (actor, handle) in enumerate(_pairs(self.recipe["actors"], self.handles[world])):
            links = [dict(link, shapes=shapes) for link, shapes in _pairs(actor["links"], values[k])]
            self._shape(self.envs[world], handle, dict(actor, links=links))

    def close(self) -> None:
        """Free the engine."""
        self.gym.destroy_sim(self.sim)

    # -- inside -------------------------------------------------------------------------------------------------
    def _flush(self) -> None:
        """Put written states into the engine, all worlds at once: a second call before a step would undo the first."""
        if not self.pending.any():
            return
        gym, api = self.gym, self.api
        chosen = np.ascontiguousarray(self.actor_rows[self.pending], np.int32)
        gym.set_actor_root_state_tensor_indexed(self.sim, _tensor(api, self.root), _tensor(api, chosen), len(chosen))
        jointed = np.ascontiguousarray(self.actor_rows[self.pending & self.jointed], np.int32)
        if len(jointed):
            gym.set_dof_state_tensor_indexed(self.sim, _tensor(api, self.dof), _tensor(api, jointed), len(jointed))
        self.pending[:] = False

    def _read(self) -> None:
        if self.root.size:
            self.gym.refresh_actor_root_state_tensor(self.sim)
        if self.dof.size:
            self.gym.refresh_dof_state_tensor(self.sim)

    def _share(self) -> None:
        root = self.root[self.actor_rows]
        root[:, :, :3] -= self.origins[:, None]
        self.arrays["root"][:] = root
        self.arrays["dof"][:] = self.dof[self.dof_rows]


def _pairs(first: Any, second: Any) -> Any:
    """Return pairs of two sequences of one length; Python 3.8's ``zip`` cannot be told to mind it."""
    if len(first) != len(second):
        raise ValueError(f"{len(first)} things for {len(second)}")
    return zip(first, second)  # noqa: B905


def _mode(api: Any, mode: int) -> Any:
    return {POSITION: api.DOF_MODE_POS, VELOCITY: api.DOF_MODE_VEL, EFFORT: api.DOF_MODE_EFFORT}[mode]


def _view(tensor: gymapi.Tensor, shape: tuple[int, ...]) -> np.ndarray:
    """Return numpy's view of a buffer of Isaac Gym's, without copying."""
    if tensor.device >= 0:
        raise RuntimeError("Isaac Gym keeps its states on the GPU, where numpy does not see them")
    count = int(np.prod([int(n) for n in tensor.shape]))
    buffer: Any = (ctypes.c_float * count).from_address(tensor.data_address)
    return np.frombuffer(buffer, np.float32).reshape(shape)


def _tensor(api: Any, array: np.ndarray) -> gymapi.Tensor:
    """Return Isaac Gym's description of a contiguous array, which must outlive it."""
    tensor: gymapi.Tensor = api.Tensor()
    tensor.device = -1
    tensor.dtype = api.DTYPE_FLOAT32 if array.dtype == np.float32 else api.DTYPE_UINT32
    tensor.shape = list(array.shape)  # type: ignore[assignment]  # what its own torch bridge gives it
    tensor.data_address = array.ctypes.data
    tensor.own_data = False
    return tensor


def _share_memory(descriptor: int, forms: dict[str, list[int]]) -> dict[str, np.ndarray]:
    arrays, start = {}, 0
    size = sum(4 * int(np.prod(forms[name])) for name in SPREAD)
    memory = mmap.mmap(descriptor, max(size, 1))
    for name in SPREAD:
        count = int(np.prod(forms[name]))
        arrays[name] = np.frombuffer(memory, np.float32, count, start).reshape(forms[name])
        start += 4 * count
    return arrays


def serve(requests: Any, answers: Any, memory: int) -> None:
    """Answer until the caller's end of the pipe closes."""

    def say(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    hello = {"protocol": PROTOCOL, "python": sys.version.split()[0], "numpy": np.__version__}
    try:
        api: Any = importlib.import_module("isaacgym.gymapi")
    except Exception as error:  # an engine that does not load may raise anything
        say(dict(hello, ok=False, error=f"{type(error).__name__}: {error}"))
        return
    say(dict(hello, ok=True))
    worlds: Any = None
    for line in requests:
        request = json.loads(line)
        try:
            value = None
            if request["call"] == "load":
                worlds = Worlds(api, _share_memory(memory, request["forms"]), request["recipe"])
            else:
                value = getattr(worlds, request["call"])(*request["args"])
            say({"ok": True, "value": value})
        except Exception as error:  # handed to the caller, whatever it is
            traceback.print_exc()
            say({"ok": False, "error": f"{type(error).__name__}: {error}"})
    if worlds is not None:
        worlds.close()


def main() -> None:
    """Serve through the descriptors that the command line names: requests, answers, memory."""
    sys.path[:] = sys.path[1:]  # this file's folder, whose other modules are not for this interpreter
    requests, answers, memory = (int(word) for word in sys.argv[1:4])
    try:
        with os.fdopen(requests, "r") as source, os.fdopen(answers, "w") as sink:
            serve(source, sink, memory)
    except BrokenPipeError:
        sys.exit(1)


if __name__ == "__main__":
    main()
