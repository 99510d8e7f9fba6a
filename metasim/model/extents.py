"""Where the parts of a model are and how far they reach, at its initial state; without any engine's state."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from metasim.model.model import Model

Array = Any


def geom_boxes(model: Model) -> tuple[Array, Array]:
    """Return what stands where in the world at home.

    Returns:
        Box of every geom, ``(G, 2, 3)``: lower and upper corner [m]; planes have no extent.
        Origin of every body, ``(B, 3)`` [m].
    """
    m = model.mj
    data = mujoco.MjData(m)
    data.qpos[:] = model.info.home_qpos
    mujoco.mj_kinematics(m, data)
    turn = data.geom_xmat.reshape(-1, 3, 3)
    centre = data.geom_xpos + (turn @ m.geom_aabb[:, :3, None])[..., 0]
    reach = (np.abs(turn) @ m.geom_aabb[:, 3:, None])[..., 0]
    reach[m.geom_type == int(mujoco.mjtGeom.mjGEOM_PLANE)] = 0.0
    return np.stack([centre - reach, centre + reach], axis=1), data.xpos.copy()
