"""Names, addresses and ranges of a compiled model, read once."""

from __future__ import annotations

from collections.abc import Mapping

import mujoco
import numpy as np

from metasim.core.errors import UnknownName
from metasim.core.model import ModelInfo

_TYPES = {0: "free", 1: "ball", 2: "slide", 3: "hinge"}


def model_info(
    model: mujoco.MjModel, home: Mapping[str, float], robots: Mapping[str, tuple[str, ...]], digest: str
) -> ModelInfo:
    """Return what is known of ``model`` without the engine; ``home`` overrides initial joint positions by name."""
    joints = tuple(model.joint(j).name or _unnamed_joint(model, j) for j in range(model.njnt))
    qpos_start = np.array(model.jnt_qposadr)
    home_qpos = np.array(model.qpos0)
    for name, value in home.items():
        if name not in joints:
            raise UnknownName("joint", name, joints, hint="(in the home position)")
        home_qpos[qpos_start[joints.index(name)]] = value
    actuator_joints = np.where(model.actuator_trntype == int(mujoco.mjtTrn.mjTRN_JOINT), model.actuator_trnid[:, 0], -1)
    kinds = tuple(_kind(model, a) for a in range(model.nu))
    driven = [
        home_qpos[qpos_start[j]] if k == "position" and j >= 0 else 0.0
        for j, k in zip(actuator_joints, kinds, strict=True)
    ]
    ctrl_range = np.where(
        np.array(model.actuator_ctrllimited, bool)[:, None], model.actuator_ctrlrange, [[-np.inf, np.inf]]
    )
    mocap_bodies = [b for b in range(model.nbody) if model.body_mocapid[b] >= 0]
    mocap_bodies.sort(key=lambda b: int(model.body_mocapid[b]))
    home_ctrl = np.clip(np.array(driven, float).reshape(-1), ctrl_range[:, 0], ctrl_range[:, 1])
    arrays = {
        "qpos_start": qpos_start,
        "dof_start": np.array(model.jnt_dofadr),
        "joint_range": np.where(np.array(model.jnt_limited, bool)[:, None], model.jnt_range, [[-np.inf, np.inf]]),
        "home_qpos": home_qpos,
        "ctrl_range": ctrl_range,
        "home_ctrl": home_ctrl,
        "actuator_joints": actuator_joints,
        "mocap_home": np.array([[*model.body_pos[b], *model.body_quat[b]] for b in mocap_bodies], float).reshape(-1, 7),
    }
    for array in arrays.values():
        array.setflags(write=False)
    return ModelInfo(
        bodies=tuple(model.body(b).name or f"body{b}" for b in range(model.nbody)),
        joints=joints,
        sites=tuple(model.site(s).name or f"site{s}" for s in range(model.nsite)),
        geoms=tuple(model.geom(g).name or f"geom{g}" for g in range(model.ngeom)),
        actuators=tuple(
            model.actuator(a).name or _joint_name(joints, int(actuator_joints[a]), a) for a in range(model.nu)
        ),
        cameras=tuple(model.camera(c).name or f"camera{c}" for c in range(model.ncam)),
        mocaps=tuple(model.body(b).name for b in mocap_bodies),
        joint_types=tuple(_TYPES[int(t)] for t in model.jnt_type),
        actuator_kinds=kinds,
        robots=dict(robots),
        timestep_s=float(model.opt.timestep),
        digest=digest,
        **arrays,
    )


def _unnamed_joint(model: mujoco.MjModel, j: int) -> str:
    """Return the name of the body if this is its only joint, else one made of the number."""
    body = model.body(int(model.jnt_bodyid[j]))
    return body.name if body.name and model.body_jntnum[body.id] == 1 else f"joint{j}"


def _joint_name(joints: tuple[str, ...], joint: int, actuator: int) -> str:
    return joints[joint] if joint >= 0 else f"actuator{actuator}"


def _kind(model: mujoco.MjModel, a: int) -> str:
    gain, bias = model.actuator_gainprm[a], model.actuator_biasprm[a]
    affine = int(model.actuator_biastype[a]) == int(mujoco.mjtBias.mjBIAS_AFFINE)
    if int(model.actuator_dyntype[a]) != int(mujoco.mjtDyn.mjDYN_NONE):
        return "other"
    if not affine and int(model.actuator_biastype[a]) == int(mujoco.mjtBias.mjBIAS_NONE):
        return "effort"
    if affine and gain[0] == -bias[1] and gain[0] != 0:
        return "position"
    if affine and bias[1] == 0 and gain[0] == -bias[2]:
        return "velocity"
    return "other"
