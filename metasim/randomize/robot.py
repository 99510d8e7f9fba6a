"""The axis of where the robot starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metasim.core.backend import Start
from metasim.core.model import ModelInfo
from metasim.core.task import Task
from metasim.randomize.axis import StartAxis
from metasim.randomize.parts import parts_of
from metasim.randomize.ranges import Span, named

Json = Any


class RobotState(StartAxis):
    """Value: joint of the arm to how far from home it starts [rad]; targets begin where that puts the hand."""

    name = "robot-state"
    summary = "Joints of the arm at the start, moved off home."
    span = Span(train=((-0.02, 0.02),), test=((-0.08, -0.02), (0.02, 0.08)))

    def sample(self, rng: np.random.Generator, split: str, task: type[Task]) -> Json:
        """Draw an offset for each joint of the arm."""
        return {joint: self.span.draw(rng, split) for joint in parts_of(task).arm_joints}

    def refuse(self, task: type[Task], backend: str) -> str:
        """Refuse arms whose joints no actuator holds."""
        return "" if parts_of(task).arm_joints else "no actuators hold the joints of its arm"

    def start(self, task: type[Task], info: ModelInfo, value: Sequence[Json]) -> Start:
        """Return the joints, kept within their ranges."""
        home = parts_of(task).arm_joints
        joints = {}
        for joint, offset in named(self.name, value, list(home), 0.0).items():
            low, high = info.joint_range[info.index("joint", joint)]
            joints[joint] = np.clip(home[joint] + offset, low, high)[:, None]
        return Start(joints=joints)


ROBOT_STATE = RobotState()
