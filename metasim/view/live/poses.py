"""Where everything is: poses of all bodies and sites of N worlds, in any engine, by the canonical kinematics.

Positions in metres, quaternions wxyz, world frame. Every world has its own fixed bodies and sites where an episode
moved them; an engine is asked for those only when an episode begins.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from metasim.core.rotation import quat_from_matrix
from metasim.envs import Episodes
from metasim.model import Model

Array = Any
_OWN = ("body_pos", "body_quat", "site_pos")


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """Poses of N worlds; B bodies and S sites in the model's order.

    Attributes:
        body_pos: ``(N, B, 3)`` [m], world.
        body_quat: ``(N, B, 4)`` wxyz.
        site_pos: ``(N, S, 3)`` [m], world.
        site_quat: ``(N, S, 4)`` wxyz.
    """

    body_pos: Array
    body_quat: Array
    site_pos: Array
    site_quat: Array

    def of(self, kind: str) -> tuple[Array, Array]:
        """Return positions and quaternions of ``"body"`` or ``"site"``."""
        return (self.body_pos, self.body_quat) if kind == "body" else (self.site_pos, self.site_quat)


class Poses:
    """Reads poses of worlds of one model.

    Args:
        model: The model.
        num_worlds: N.
    """

    def __init__(self, model: Model, num_worlds: int) -> None:
        self._info, self._n = model.info, num_worlds
        self._model = copy.copy(model.mj)  # its fixed bodies and sites are moved
        self._data = mujoco.MjData(self._model)
        self._own = {name: np.repeat(getattr(model.mj, name)[None], num_worlds, axis=0) for name in _OWN}

    def refresh(self, episodes: Episodes) -> None:
        """Ask the engine where the fixed bodies and the sites of its worlds are; once an episode."""
        backend = episodes.backend
        if "parameters" not in backend.capabilities:
            return
        for parameter, values in self._own.items():
            names = self._info.sites if parameter == "site_pos" else self._info.bodies
            for k, name in enumerate(names):
                values[:, k] = backend.get_parameter(parameter, name)

    def read(self, episodes: Episodes) -> Frame:
        """Return the poses now."""
        m, d, targets = self._model, self._data, episodes.backend.targets
        qpos = episodes.backend.state.qpos
        bodies, sites = np.zeros((self._n, m.nbody, 7)), np.zeros((self._n, m.nsite, 7))
        for i in range(self._n):  # a person looks at few worlds
            for name, values in self._own.items():
                getattr(m, name)[:] = values[i]
            d.qpos[:] = qpos[i]
            if m.nmocap:
                d.mocap_pos[:], d.mocap_quat[:] = targets.mocap_pos[i], targets.mocap_quat[i]
            mujoco.mj_kinematics(m, d)
            bodies[i, :, :3], bodies[i, :, 3:] = d.xpos, d.xquat
            sites[i, :, :3], sites[i, :, 3:] = d.site_xpos, quat_from_matrix(d.site_xmat.reshape(-1, 3, 3))
        return Frame(
            body_pos=bodies[..., :3], body_quat=bodies[..., 3:], site_pos=sites[..., :3], site_quat=sites[..., 3:]
        )
