"""End-effector control by damped least squares on the engine's own Jacobian.

Source: S. R. Buss, "Introduction to Inverse Kinematics with Jacobian Transpose, Pseudoinverse and Damped Least Squares
Methods", 2009, eqn. 11: dq = J^T (J J^T + lambda^2 I)^-1 e.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metasim.control.grip import Grip
from metasim.core.backend import Backend
from metasim.core.control import BoundControl, Control
from metasim.core.errors import InvalidConfig, UnknownName
from metasim.core.model import ModelInfo
from metasim.core.reads import Reads
from metasim.core.rotation import quat_conj, quat_mul, rotation_vector
from metasim.core.state import State

Array = Any


@dataclass(frozen=True, kw_only=True)
class EndEffectorDelta(Control):
    """Actions ``(dx, dy, dz[, rx, ry, rz][, grip])`` of a site or body, tracked by position-driven joints.

    Args:
        frame: The site or body that is moved.
        kind: ``"site"`` or ``"body"``.
        actuators: Position actuators of the arm; empty for all that are not in ``grip``.
        step_m: Translation at 1, per action.
        step_rad: Rotation at 1, per action, about the world axes; 0 keeps the orientation and drops the components.
        low: Lower corner of the target's box ``(3,)`` [m], world.
        high: Upper corner.
        damping: lambda of the damped least squares.
        gain: Share of the pose error that one action adds to the joint targets; they integrate it, so that a load such
            as gravity leaves no steady error.
        lead_rad: How far the joint targets may run ahead of the joints, which bounds the force on what is in the way.
        grip: Gripper actuator to its controls at -1 (open) and +1 (closed).
    """

    frame: str
    kind: str = "site"
    actuators: tuple[str, ...] = ()
    step_m: float = 0.02
    step_rad: float = 0.0
    low: tuple[float, float, float] = (-np.inf, -np.inf, -np.inf)
    high: tuple[float, float, float] = (np.inf, np.inf, np.inf)
    damping: float = 0.05
    gain: float = 0.5
    lead_rad: float = 0.15
    grip: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the kind of frame."""
        if self.kind not in ("site", "body"):
            raise InvalidConfig(f"EndEffectorDelta.kind must be 'site' or 'body', got {self.kind!r}")

    def reads(self, info: ModelInfo | None = None) -> Reads:
        """Return the controlled frame."""
        return Reads(sites=(self.frame,)) if self.kind == "site" else Reads(bodies=(self.frame,))

    def bind(self, backend: Backend) -> BoundControl:
        """Resolve names."""
        return _BoundEndEffectorDelta(self, backend)


class _BoundEndEffectorDelta(BoundControl):
    def __init__(self, control: EndEffectorDelta, backend: Backend) -> None:
        info = backend.info
        self.targets, self._backend, self._control = backend.targets, backend, control
        names = control.actuators or tuple(
            a
            for a, k in zip(info.actuators, info.actuator_kinds, strict=True)
            if k == "position" and a not in control.grip
        )
        self._columns = np.array([info.index("actuator", n) for n in names], int)
        joints = info.actuator_joints[self._columns]
        bad = [n for n, c in zip(names, self._columns, strict=True) if info.actuator_kinds[c] != "position"]
        if bad or not len(names):
            have = [a for a, k in zip(info.actuators, info.actuator_kinds, strict=True) if k == "position"]
            raise UnknownName("position actuator", bad[0] if bad else "(any)", have, hint="(for EndEffectorDelta)")
        self._dofs, self._qpos = info.dof_start[joints], info.qpos_start[joints]
        self._range = info.joint_range[joints]
        self._turns = control.step_rad > 0
        self._grip = Grip(backend, control.grip)
        self.size = 3 + 3 * self._turns + self._grip.size
        self._low, self._high = np.array(control.low), np.array(control.high)
        self._pos = np.zeros((backend.num_worlds, 3))
        self._quat = np.tile([1.0, 0.0, 0.0, 0.0], (backend.num_worlds, 1))
        self.memory = {"target_pos": self._pos, "target_quat": self._quat}
        self._ridge = control.damping**2 * np.eye(6)

    def reset(self, state: State, worlds: Array) -> None:
        """Take the present pose for the target, and hold the joints."""
        here = self._frame(state)
        self._pos[worlds], self._quat[worlds] = here.pos[worlds], here.quat[worlds]
        self.targets.ctrl[np.ix_(worlds, self._columns)] = state.qpos[np.ix_(worlds, self._qpos)]

    def apply(self, action: Array, state: State) -> None:
        """Move the target pose, and the joint targets towards it."""
        c = self._control
        np.clip(self._pos + action[:, :3] * c.step_m, self._low, self._high, out=self._pos)
        if self._turns:
            half = action[:, 3:6].astype(float) * (0.5 * c.step_rad)
            angle = np.sqrt((half * half).sum(axis=1, keepdims=True))
            turn = np.concatenate([np.cos(angle), half * np.sinc(angle / np.pi)], axis=1)
            self._quat[:] = quat_mul(turn, self._quat)
        here = self._frame(state)
        error = np.concatenate(
            [self._pos - here.pos, rotation_vector(quat_mul(self._quat, quat_conj(here.quat)))], axis=1
        )
        jacobian = self._backend.jacobian(c.kind, c.frame)[:, :, self._dofs]
        transposed = jacobian.transpose(0, 2, 1)
        step = transposed @ np.linalg.solve(jacobian @ transposed + self._ridge, (c.gain * error)[:, :, None])
        joints = state.qpos[:, self._qpos]
        low, high = (
            np.maximum(self._range[:, 0], joints - c.lead_rad),
            np.minimum(self._range[:, 1], joints + c.lead_rad),
        )
        goal = np.minimum(np.maximum(self.targets.ctrl[:, self._columns] + step[:, :, 0], low), high)
        self.targets.ctrl[:, self._columns] = goal
        self._grip.apply(action[:, 3 + 3 * self._turns :])

    def _frame(self, state: State) -> Any:
        return state.site(self._control.frame) if self._control.kind == "site" else state.body(self._control.frame)
