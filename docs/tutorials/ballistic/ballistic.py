"""An engine for bodies in flight: gravity, and Euler's equations for their spin; no joints, drives or contacts."""

from __future__ import annotations

from typing import Any

import numpy as np

from metasim.backends.mujoco import MujocoBackend
from metasim.core.backend import Start
from metasim.core.errors import UnsupportedFeature
from metasim.core.rotation import cross, normalize, quat_conj, quat_mul, rotate
from metasim.core.state import State
from metasim.model import Model

Array = Any
FASTEST = 1e10  # m/s or rad/s; beyond it a world counts as diverged


class Ballistic(MujocoBackend):
    """N worlds of thrown bodies. MuJoCo mirrors them: it holds and shows what is computed here, and never steps."""

    name = "ballistic"
    capabilities = frozenset({"mesh", "jacobian", "rgb", "depth", "segmentation"})

    def load(self, model: Model) -> None:
        """Load a model, or say what in it this engine cannot express."""
        mj = model.mj
        solid = (mj.geom_contype | mj.geom_conaffinity) > 0
        riders = (mj.body_dofnum[mj.body_rootid] > 0) & (mj.body_dofnum == 0)
        refused = {
            "joints but free ones": set(model.info.joint_types) - {"free"},
            "bodies that are fixed to moving ones": riders.any(),
            "drives, mocap bodies, welds or tendons": mj.nu + mj.nmocap + mj.neq + mj.ntendon,
            "damping, medium or gravity compensation": mj.dof_damping.any()
            or mj.opt.density
            or mj.opt.viscosity
            or mj.body_gravcomp.any(),
            "contacts, and here shapes may touch": solid.sum() > 1,
            "contacts or fields to read": model.reads.contacts or model.reads.fields,
        }
        for what, found in refused.items():
            if found:
                raise UnsupportedFeature(f"ballistic knows no {what}; use mujoco")
        super().load(model)
        body = mj.jnt_bodyid
        self._centre, self._axes, self._moments = mj.body_ipos[body], mj.body_iquat[body], mj.body_inertia[body]
        self._h, self._gravity = float(mj.opt.timestep), mj.opt.gravity.copy()

    def step(self, substeps: int = 1) -> State:
        """Advance every world, all bodies of all worlds at once."""
        rows = (self.num_worlds, len(self._moments), -1)
        qpos, qvel = self.state.qpos.reshape(rows), self.state.qvel.reshape(rows)
        for _ in range(substeps):
            qpos, qvel = self._substep(qpos, qvel)
        sound = (np.abs(qvel) < FASTEST).all(axis=(1, 2)) & ~self._diverged.any(axis=1)  # here, and in the mirror
        self.write_state(qpos[sound].reshape(sound.sum(), -1), qvel[sound].reshape(sound.sum(), -1), sound)
        self._failures.update({int(world): "faster than any body flies" for world in np.flatnonzero(~sound)})
        return self.state

    def _substep(self, qpos: Array, qvel: Array) -> tuple[Array, Array]:
        """Return coordinates ``(N, B, 7)`` and velocities ``(N, B, 6)`` one step later."""
        h, pos, quat, velocity, rate = self._h, qpos[..., :3], qpos[..., 3:], qvel[..., :3], qvel[..., 3:]
        arm = rotate(quat, self._centre)  # from a body's origin to its centre of mass, world axes
        velocity = velocity + cross(rotate(quat, rate), arm) + h * self._gravity  # of the centre of mass
        spin = rotate(quat_conj(self._axes), rate)  # along the principal axes
        spin = spin - h * cross(spin, self._moments * spin) / self._moments
        rate = rotate(self._axes, spin)
        turned = normalize(quat_mul(quat, _turn(h * rate)))
        swung = rotate(turned, self._centre)
        pos = pos + arm + h * velocity - swung
        velocity = velocity - cross(rotate(turned, rate), swung)  # of the origin, as the contract says
        return np.concatenate([pos, turned], axis=-1), np.concatenate([velocity, rate], axis=-1)

    def write(self, start: Start, worlds: Array | None = None) -> None:
        """Write places and velocities."""
        if start.parameters or start.scales:
            raise UnsupportedFeature("ballistic does not change a model's parameters; use mujoco")
        super().write(start, worlds)

    def set_parameter(self, parameter: str, name: str, values: Array, worlds: Array | None = None) -> None:
        """Refuse."""
        raise UnsupportedFeature(f"ballistic does not change a model's {parameter}; use mujoco")

    def apply_wrench(self, body: str, wrench: Array, worlds: Array | None = None) -> None:
        """Refuse."""
        raise UnsupportedFeature("ballistic knows no force but gravity; use mujoco")


def _turn(vector: Array) -> Array:
    """Return the quaternion of rotation vectors ``(..., 3)`` [rad]."""
    half = np.linalg.norm(vector, axis=-1, keepdims=True) / 2
    return np.concatenate([np.cos(half), vector / 2 * np.sinc(half / np.pi)], axis=-1)
