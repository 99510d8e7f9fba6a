"""What the worker is told to build, and what it is told afterwards about single worlds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mujoco
import numpy as np

from metasim.backends.isaacgym import shapes
from metasim.backends.isaacgym.drives import Drives, Properties
from metasim.backends.isaacgym.model import Actor, Frames, group_inertia
from metasim.core.errors import UnsupportedFeature
from metasim.core.rotation import cross

Array = Any
GROUPS = {
    "inertia": ("body_mass", "body_inertia"),
    "friction": ("geom_friction",),
    "drives": ("actuator_gainprm", "dof_damping"),
}
"""What the worker is told at once, and the canonical model's fields that it depends on."""
_ALONE = 1e-6


class Recipe:
    """The actors of a model in the worker's words.

    Args:
        m: The canonical model.
        f: Its frames.
        actors: What was written to files.
        drives: What drives the joints.
    """

    def __init__(self, m: mujoco.MjModel, f: Frames, actors: Sequence[Actor], drives: Drives) -> None:
        self._m, self._f, self._actors, self._drives = m, f, actors, drives
        self._links = [(actor, name) for actor in actors for name in actor.geoms]
        self._filters = shapes.filters(m)
        self._friction = shapes.friction(m, m.geom_friction[:, 0])
        groups = {f"b{group}": group for actor in actors for group in actor.groups}
        self._column = {groups[name]: k for k, (_, name) in enumerate(self._links) if name in groups}

    def forms(self, num_worlds: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of every shared array."""
        joints = sum(len(actor.joints) for actor in self._actors)
        return {
            "root": (num_worlds, len(self._actors), 13),
            "dof": (num_worlds, joints, 2),
            "target": (num_worlds, joints),
            "force": (num_worlds, len(self._links), 3),
            "torque": (num_worlds, len(self._links), 3),
        }

    def build(
        self, folder: str, num_worlds: int, threads: int, spacing_m: float, device: tuple[bool, int]
    ) -> dict[str, Any]:
        """Return the whole recipe, for files that lie in ``folder``."""
        m = self._m
        data = mujoco.MjData(m)
        mujoco.mj_kinematics(m, data)
        off = m.opt.disableflags & int(mujoco.mjtDisableBit.mjDSBL_GRAVITY)
        properties = self._drives.properties(m.actuator_gainprm[:, 0], m.dof_damping)
        friction, start, actors = self._friction, 0, []
        for actor in self._actors:
            stop = start + len(actor.joints)
            pos, (w, x, y, z) = data.xpos[actor.root], data.xquat[actor.root]
            links = [{"name": k, "shapes": self._shapes(geoms, friction)} for k, geoms in actor.geoms.items()]
            actors.append(
                {
                    "name": actor.name,
                    "file": f"{actor.name}.urdf",
                    "fixed": not actor.free,
                    "pose": [*map(float, pos), float(x), float(y), float(z), float(w)],
                    "links": links,
                    "dofs": self._dofs(actor, properties, start, stop),
                }
            )
            start = stop
        return {
            "worlds": num_worlds,
            "folder": folder,
            "timestep_s": float(m.opt.timestep),
            "gravity": [0.0, 0.0, 0.0] if off else m.opt.gravity.tolist(),
            "gpu": device[0],
            "device": device[1],
            "threads": threads,
            "spacing_m": spacing_m,
            "ground": self._ground(friction),
            "actors": actors,
        }

    def marks(self, fields: Sequence[str]) -> Array:
        """Return the shared model's values of some fields, in a row."""
        return np.concatenate([np.ravel(getattr(self._m, name)) for name in fields])

    def parameters(self, group: str, row: Mapping[str, Array]) -> Any:
        """Return what the worker is told of one world whose fields are ``row``."""
        if group == "inertia":
            return self._inertia(row["body_mass"], row["body_inertia"])
        if group == "friction":
            found = shapes.planes(self._m)
            ground = float(self._friction[found[0]]) if found else None
            friction = shapes.friction(self._m, row["geom_friction"][:, 0], ground)
            return [[self._shapes(geoms, friction) for geoms in actor.geoms.values()] for actor in self._actors]
        p = self._drives.properties(row["actuator_gainprm"][:, 0], row["dof_damping"])
        return [self._values(p, k) for k in range(len(p.stiffness))]

    def check_alone(self, body: int, name: str) -> None:
        """Raise UnsupportedFeature for a body that is rigidly joined to others that have mass."""
        m = self._m
        rest = m.body_mass[m.body_weldid == m.body_weldid[body]].sum() - m.body_mass[body]
        if m.body_dofnum[m.body_weldid[body]] and rest > _ALONE * m.body_mass[body]:
            raise UnsupportedFeature(
                f"isaacgym cannot set mass or inertia of body {name!r}, which is rigidly joined to others; use mujoco"
            )

    def wrenches(self, applied: Array, centers: Array, pos: Array, mat: Array, shared: Mapping[str, Array]) -> None:
        """Write the forces and torques of links from those at bodies' centres.

        Args:
            applied: ``(N, nbody, 6)`` force [N] and torque [N m], world axes.
            centers: ``(N, nbody, 3)`` centres of mass of bodies.
            pos: ``(N, nbody, 3)`` positions of bodies.
            mat: ``(N, nbody, 9)`` their orientations.
            shared: The arrays to write to.
        """
        shared["force"][:], shared["torque"][:] = 0.0, 0.0
        if not applied.any():
            return
        for body in np.flatnonzero(applied.any(axis=(0, 2))).tolist():
            group = int(self._m.body_weldid[body])
            if group in self._column:
                turn = mat[:, group].reshape(-1, 3, 3)
                arm = centers[:, body] - (pos[:, group] + turn @ self._f.com[group])
                force, torque = applied[:, body, :3], applied[:, body, 3:]
                shared["force"][:, self._column[group]] += force
                shared["torque"][:, self._column[group]] += torque + cross(arm, force)

    def _inertia(self, mass: Array, inertia: Array) -> dict[str, dict[str, Any]]:
        told: dict[str, dict[str, Any]] = {}
        for actor in self._actors:
            for group in actor.groups:
                kg, moments = group_inertia(self._m, self._f, group, mass, inertia)
                told.setdefault(actor.name, {})[f"b{group}"] = [kg, moments.ravel().tolist()]
        return told

    def _shapes(self, geoms: Sequence[int], friction: Array) -> list[list[float]]:
        return [[float(friction[g]), self._filters[g]] for g in geoms]

    def _ground(self, friction: Array) -> dict[str, Any] | None:
        m = self._m
        found = shapes.planes(m)
        if not found:
            return None
        data = mujoco.MjData(m)
        mujoco.mj_kinematics(m, data)
        normal = np.array(data.geom_xmat[found[0]]).reshape(3, 3)[:, 2]
        distance = -float(normal @ data.geom_xpos[found[0]])
        return {"normal": normal.tolist(), "distance": distance, "friction": float(friction[found[0]])}

    def _dofs(self, actor: Actor, p: Properties, start: int, stop: int) -> list[dict[str, Any]]:
        return [
            {
                "name": f"j{joint}",
                "leader": int(self._drives.leader[k]),
                "mode": int(self._drives.mode[k]),
                "limit": float(self._drives.limit[k]),
                "rest": float(self._drives.rest[k]),
                "armature": float(self._m.dof_armature[self._m.jnt_dofadr[joint]]),
                **self._values(p, k),
            }
            for k, joint in zip(range(start, stop), actor.joints, strict=True)
        ]

    def _values(self, p: Properties, k: int) -> dict[str, float]:
        names = ("stiffness", "damping", "feed_stiffness", "feed_damping", "follow")
        return {name: float(getattr(p, name)[k]) for name in names}
