"""The arms of the suite, a row each: all that a task needs to know of an arm, so that changing one is one word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from metasim.control import EndEffectorDelta, JointPosition
from metasim.core.control import Control
from metasim.core.rotation import rotate
from metasim.core.scene import Drive, Quat, Robot, Vec3
from metasim.core.state import State

Array = Any
STEP_M = 0.02
SAWYER = tuple(f"right_j{i}" for i in range(7))


@dataclass(frozen=True, kw_only=True)
class Arm:
    """An arm with a parallel gripper, standing at the edge of the table.

    Args:
        model: Its name in the robot table.
        frame: The body that is moved; its orientation is kept.
        fingers: Joints of the two fingers.
        opening_m: Gap between the pads for all finger joints at 0, and how it grows with each of them.
        grip: Finger actuator to its controls open and closed.
        drive: Actuators of the arm.
        tip: From the frame to the point between the fingertips, in the frame's axes.
        pos: Place of the base.
        quat: Its orientation.
        home: Joint to angle at the start.
    """

    model: str
    frame: str
    fingers: tuple[str, str]
    opening_m: tuple[float, float, float]
    grip: Mapping[str, tuple[float, float]]
    drive: Drive
    tip: Vec3 = (0.0, 0.0, 0.0)
    pos: Vec3 = (0.0, 0.0, 0.0)
    quat: Quat = (1.0, 0.0, 0.0, 0.0)
    home: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def robot(self) -> Robot:
        """The arm as a part of a scene."""
        return Robot(model=self.model, drive=self.drive, pos=self.pos, quat=self.quat, home=self.home)

    def control(self, name: str) -> Control:
        """Return what actions mean: ``"ee"``, displacements of the hand, or ``"joint"``, changes of the joints."""
        if name == "joint":
            return JointPosition(delta=0.1, grip=self.grip)
        return EndEffectorDelta(frame=self.frame, kind="body", step_m=STEP_M, grip=self.grip, low=(0.2, -0.5, 0.0))

    def tip_of(self, state: State) -> Array:
        """Return the point between the fingertips ``(N, 3)``, world [m]."""
        frame = state.body(self.frame)
        return frame.pos + rotate(frame.quat, np.array(self.tip))

    def opening(self, state: State) -> Array:
        """Return the gap between the pads ``(N, 1)`` [m]."""
        still, left, right = self.opening_m
        moved = left * state.joint(self.fingers[0]).pos + right * state.joint(self.fingers[1]).pos
        return (still + moved).reshape(-1, 1)


ARMS: Mapping[str, Arm] = MappingProxyType(
    {
        "panda": Arm(
            model="panda",
            frame="panda_grasptarget",
            fingers=("panda_finger_joint1", "panda_finger_joint2"),
            opening_m=(0.0, 1.0, 1.0),
            grip={"panda_finger_joint1": (0.04, 0.0), "panda_finger_joint2": (0.04, 0.0)},
            drive=Drive(kind="position", stiffness=4000.0, damping=150.0),
        ),
        "sawyer": Arm(  # turned, because its model reaches along y; the home posture is by inverse kinematics
            model="sawyer",
            frame="hand",
            fingers=("r_close", "l_close"),
            opening_m=(0.088, -1.0, 1.0),
            grip={"r_close": (-0.1, 0.2), "l_close": (0.1, -0.2)},
            drive=Drive(kind="position", stiffness=4000.0, damping=150.0, joints=SAWYER, armature=0.3),
            tip=(0.035, 0.0, 0.0),
            quat=(0.5**0.5, 0.0, 0.0, -(0.5**0.5)),
            home=dict(zip(SAWYER, (1.9994, -1.1866, -1.017, 1.8773, 0.369, 1.0842, 1.0124), strict=True)),
        ),
    }
)
