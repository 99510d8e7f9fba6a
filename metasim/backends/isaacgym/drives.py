"""Actuators, springs and dampers of the canonical model as Isaac Gym's drives.

A drive is K (target - q) - D v, solved by the engine with the rest; MuJoCo's actuators, passive springs and passive
dampers of a joint are summed into one. Only a motor (an effort) leaves no room for them: the worker adds them to the
effort, one substep late. Targets are shifted by ``qpos0``, where Isaac Gym's joints have their zero.

A joint that an equality constraint makes follow another one is pulled to it by a spring as stiff as the constraint,
whose rest the worker moves along.

Approximations: a joint that follows another does not push back on it; a limited actuator limits its joint's spring and
damper with it; a passive damper on a joint with a motor is explicit, and refused where that would be unstable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from metasim.backends.isaacgym.model import FREE
from metasim.core.errors import UnsupportedFeature
from metasim.core.model import ModelInfo

Array = Any
POSITION, VELOCITY, EFFORT = 1, 2, 3
"""Isaac Gym's numbers for its drive modes."""
UNLIMITED = 1e6


@dataclass(frozen=True, kw_only=True)
class Properties:
    """Drives of one or more worlds, ``(..., D)`` each, in the order of the worker's degrees of freedom.

    Attributes:
        stiffness: K [N/m or N m/rad].
        damping: D [N s/m or N m s/rad].
        scale: What a control is multiplied by to be a target, or an effort.
        offset: What is added then.
        feed_stiffness: Of springs that the worker adds to efforts.
        feed_damping: Of dampers that the worker adds to efforts.
        follow: What the leader's position, from its zero, is multiplied by, to be added to the target.
    """

    stiffness: Array
    damping: Array
    scale: Array
    offset: Array
    feed_stiffness: Array
    feed_damping: Array
    follow: Array


class Drives:
    """What drives each degree of freedom.

    Args:
        m: The canonical model.
        info: Its names.
        joints: Canonical joint of each of the worker's degrees of freedom.

    Attributes:
        mode: ``(D,)`` drive modes.
        limit: ``(D,)`` largest force or torque.
        rest: ``(D,)`` where springs pull to, from the joints' zero.
        leader: ``(D,)`` which degree of freedom each follows, -1 for none.

    Raises:
        UnsupportedFeature: For an actuator that no drive can stand for, named.
    """

    def __init__(self, m: mujoco.MjModel, info: ModelInfo, joints: Array) -> None:
        self._m, self._joints = m, np.asarray(joints, int)
        self.actuator = np.full(len(joints), -1)
        self._kind = ["none"] * len(joints)
        for a in range(m.nu):
            column = self._column(info, a)
            self.actuator[column], self._kind[column] = a, info.actuator_kinds[a]
        kinds = np.array(self._kind)
        self.mode = np.select([kinds == "effort", kinds == "velocity"], [EFFORT, VELOCITY], POSITION)
        self._driven = self.actuator >= 0
        a = np.maximum(self.actuator, 0) if m.nu else np.zeros(len(joints), int)
        self._gear = np.where(self._driven, m.actuator_gear[a, 0], 1.0) if m.nu else np.ones(len(joints))
        self._column_of = a
        address = m.jnt_qposadr[self._joints]
        self.rest = m.qpos_spring[address] - m.qpos0[address]
        self._zero = m.qpos0[address]
        limited = self._driven & (np.array(m.actuator_forcelimited, bool)[a] if m.nu else False)
        force = np.abs(m.actuator_forcerange[a]).min(axis=1) if m.nu else np.zeros(len(joints))
        self.limit = np.where(limited, force * np.abs(self._gear), UNLIMITED)
        self._force = np.where(limited[:, None], m.actuator_forcerange[a], [-np.inf, np.inf]) if m.nu else None
        self._control = info.ctrl_range
        self.leader, self._ratio, self._shift = np.full(len(joints), -1), np.zeros(len(joints)), np.zeros(len(joints))
        self._pull, self._drag = np.zeros(len(joints)), np.zeros(len(joints))
        for e in range(m.neq):
            self._couple(info, e)
        self._refuse(info)

    def properties(self, gain: Array, damping: Array) -> Properties:
        """Return the drives for gains ``(..., A)`` and joint dampings ``(..., nv)``."""
        m, kinds = self._m, np.array(self._kind)
        passive = damping[..., m.jnt_dofadr[self._joints]]
        spring = np.broadcast_to(m.jnt_stiffness[self._joints], passive.shape)
        g = np.where(self._driven, gain[..., self._column_of], 0.0) if m.nu else np.zeros(passive.shape)
        r, effort = self._gear, kinds == "effort"
        bias = -m.actuator_biasprm[self._column_of, 2] if m.nu else np.zeros(len(kinds))
        drag = np.select([kinds == "position", kinds == "velocity"], [bias + 0 * g, g], 0.0) * r * r
        stiff = np.where(kinds == "position", g * r * r, 0.0)
        total, damped = stiff + spring + self._pull, drag + passive + self._drag
        pull = np.where(total > 0, total, 1.0)
        held = (stiff * -self._zero + spring * self.rest + self._pull * self._shift) / pull
        by = np.where(damped > 0, damped, 1.0)
        return Properties(
            stiffness=np.where(effort, 0.0, total),
            damping=np.where(effort, 0.0, damped),
            scale=np.select([kinds == "position", kinds == "velocity", effort], [r * g / pull, r * g / by, r * g], 0.0),
            offset=np.where((kinds == "position") | (kinds == "none"), held, 0.0),
            feed_stiffness=np.where(effort, spring, 0.0),
            feed_damping=np.where(effort, passive, 0.0),
            follow=self._pull * self._ratio / pull,
        )

    def targets(self, ctrl: Array, p: Properties) -> Array:
        """Return targets, or efforts, for the worker ``(N, D)`` from controls ``(N, A)``."""
        if not self._m.nu:
            return np.broadcast_to(p.offset, (len(ctrl), len(self._joints)))
        wanted = np.clip(ctrl, self._control[:, 0], self._control[:, 1])[:, self._column_of]
        told = np.where(self._driven, wanted * p.scale, 0.0) + p.offset
        bound = np.sort(self._force * self._gear[:, None], axis=1)  # type: ignore[operator]
        return np.where(self.mode == EFFORT, np.clip(told, bound[:, 0], bound[:, 1]), told)

    def _column(self, info: ModelInfo, a: int) -> int:
        m, name = self._m, info.actuators[a]
        joint = int(info.actuator_joints[a])
        if joint < 0 or int(m.jnt_type[joint]) == FREE:
            raise UnsupportedFeature(
                f"isaacgym drives hinges and slides only, not as actuator {name!r} does; use mujoco"
            )
        if info.actuator_kinds[a] == "other":
            raise UnsupportedFeature(
                f"isaacgym has position, velocity and effort drives; actuator {name!r} is none of these"
            )
        column = int(np.flatnonzero(self._joints == joint)[0])
        if self.actuator[column] >= 0:
            raise UnsupportedFeature(f"isaacgym has one drive for each joint; {info.joints[joint]!r} has two actuators")
        return column

    def _couple(self, info: ModelInfo, e: int) -> None:
        """Have a joint follow another, as stiffly as the constraint says for a joint of its inertia."""
        m, (one, two) = self._m, (int(m[e]) for m in (self._m.eq_obj1id, self._m.eq_obj2id))
        if int(m.eq_type[e]) != int(mujoco.mjtEq.mjEQ_JOINT) or two < 0 or np.any(m.eq_data[e, 2:5]):
            raise UnsupportedFeature(
                f"isaacgym knows no equality constraint but a joint that follows another in proportion"
                f" (not {m.equality(e).name or e!r}); soft welds need mujoco or pybullet"
            )
        column, leader = (int(np.flatnonzero(self._joints == joint)[0]) for joint in (one, two))
        if self._kind[column] not in ("position", "none"):
            raise UnsupportedFeature(
                f"isaacgym cannot have joint {info.joints[one]!r} follow another and drive it by"
                f" {self._kind[column]}, too; use a position drive, or none"
            )
        time, ratio = (float(v) for v in m.eq_solref[e])
        weight = 1.0 / float(m.dof_invweight0[m.jnt_dofadr[one]])
        self.leader[column], self._shift[column], self._ratio[column] = leader, m.eq_data[e, 0], m.eq_data[e, 1]
        self._pull[column], self._drag[column] = weight / (time * ratio) ** 2, 2 * weight / time

    def _refuse(self, info: ModelInfo) -> None:
        m = self._m
        for column, joint in enumerate(self._joints):
            dof = int(m.jnt_dofadr[joint])
            if self._kind[column] == "velocity" and m.jnt_stiffness[joint]:
                raise UnsupportedFeature(f"isaacgym cannot drive the speed of a sprung joint ({info.joints[joint]!r})")
            stiff = m.dof_damping[dof] * m.dof_invweight0[dof] * m.opt.timestep
            if self._kind[column] == "effort" and stiff > 1.0:
                raise UnsupportedFeature(
                    f"isaacgym would be unstable: joint {info.joints[joint]!r} has a motor, and a damping that stops it"
                    " within a time step; use a position or velocity drive, or a smaller time step"
                )
