"""Joint control: actions scaled to the controls of named actuators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from metasim.control.grip import Grip
from metasim.core.backend import Backend
from metasim.core.control import BoundControl, Control
from metasim.core.errors import InvalidConfig, UnsupportedFeature
from metasim.core.state import State

Array = Any


@dataclass(frozen=True, kw_only=True)
class _JointControl(Control):
    """Shared by the three kinds.

    Args:
        actuators: Names of the actuators, one action component each; empty for all of that kind not in ``grip``.
        grip: Gripper actuator to its controls at -1 (open) and +1 (closed), for one last component.
    """

    actuators: tuple[str, ...] = ()
    grip: Mapping[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    kind: ClassVar[str]

    def columns(self, backend: Backend) -> Array:
        """Return the controls' columns, checking that each actuator is of the right kind."""
        info = backend.info
        names = self.actuators or tuple(
            a for a, k in zip(info.actuators, info.actuator_kinds, strict=True) if k == self.kind and a not in self.grip
        )
        if not names:
            raise UnsupportedFeature(
                f"{type(self).__name__} needs {self.kind} actuators, and the model has none;"
                f" give the robot a Drive(kind={self.kind!r}, ...)"
            )
        columns = np.array([info.index("actuator", n) for n in names])
        wrong = [n for n, c in zip(names, columns, strict=True) if info.actuator_kinds[c] != self.kind]
        if wrong:
            raise InvalidConfig(f"{type(self).__name__}: actuators {wrong} are not {self.kind} actuators")
        return columns


@dataclass(frozen=True, kw_only=True)
class JointPosition(_JointControl):
    """Actions are joint positions.

    Args:
        actuators: Names of position actuators; empty for all not in ``grip``.
        grip: Gripper actuator to its controls at -1 (open) and +1 (closed), for one last component.
        delta: Largest change of the target per action [rad or m]; None maps [-1, 1] to the whole control range.
    """

    delta: float | None = None
    kind: ClassVar[str] = "position"

    def bind(self, backend: Backend) -> BoundControl:
        """Resolve names."""
        return _BoundPosition(backend, self.columns(backend), Grip(backend, self.grip), self.delta)


@dataclass(frozen=True, kw_only=True)
class JointVelocity(_JointControl):
    """Actions are joint velocities; ``limit`` is the velocity at 1 [rad/s or m/s]."""

    limit: float = 1.0
    kind: ClassVar[str] = "velocity"

    def bind(self, backend: Backend) -> BoundControl:
        """Resolve names."""
        return _BoundScaled(backend, self.columns(backend), Grip(backend, self.grip), self.limit)


@dataclass(frozen=True, kw_only=True)
class JointEffort(_JointControl):
    """Actions are joint forces or torques; ``limit`` is the effort at 1 [N or N m], None for the control range."""

    limit: float | None = None
    kind: ClassVar[str] = "effort"

    def bind(self, backend: Backend) -> BoundControl:
        """Resolve names."""
        columns = self.columns(backend)
        limit = self.limit if self.limit is not None else backend.info.ctrl_range[columns, 1]
        if not np.isfinite(limit).all():
            raise InvalidConfig("JointEffort needs limit= because the actuators have no control range")
        return _BoundScaled(backend, columns, Grip(backend, self.grip), limit)


class _BoundScaled(BoundControl):
    def __init__(self, backend: Backend, columns: Array, grip: Grip, scale: Array) -> None:
        self.targets, self.size = backend.targets, len(columns) + grip.size
        self._columns, self._grip, self._scale = columns, grip, scale

    def reset(self, state: State, worlds: Array) -> None:
        """Command nothing."""
        self.targets.ctrl[np.ix_(worlds, self._columns)] = 0.0

    def apply(self, action: Array, state: State) -> None:
        """Write scaled controls."""
        count = len(self._columns)
        self.targets.ctrl[:, self._columns] = action[:, :count] * self._scale
        self._grip.apply(action[:, count:])


class _BoundPosition(BoundControl):
    def __init__(self, backend: Backend, columns: Array, grip: Grip, delta: float | None) -> None:
        info = backend.info
        self.targets, self.size = backend.targets, len(columns) + grip.size
        self._columns, self._grip, self._delta = columns, grip, delta
        self._low, self._high = info.ctrl_range[columns].T
        if delta is None and not np.isfinite([self._low, self._high]).all():
            raise InvalidConfig("JointPosition needs delta= because some actuators have no control range")
        joints = info.actuator_joints[columns]
        self._qpos = np.where(joints >= 0, info.qpos_start[joints], 0)

    def reset(self, state: State, worlds: Array) -> None:
        """Hold the present position."""
        held = np.clip(state.qpos[np.ix_(worlds, self._qpos)], self._low, self._high)
        self.targets.ctrl[np.ix_(worlds, self._columns)] = held

    def apply(self, action: Array, state: State) -> None:
        """Write position targets."""
        ctrl, count = self.targets.ctrl, len(self._columns)
        joints = action[:, :count]
        if self._delta is None:
            ctrl[:, self._columns] = self._low + (joints + 1.0) * 0.5 * (self._high - self._low)
        else:
            ctrl[:, self._columns] = np.clip(ctrl[:, self._columns] + joints * self._delta, self._low, self._high)
        self._grip.apply(action[:, count:])
