"""Franka Emika Panda with its gripper: 7 joints and 2 fingers. Source: pybullet_data."""

from metasim.core.scene import Drive
from metasim.model.robots.entry import RobotEntry, posture

JOINTS = tuple(f"panda_joint{i}" for i in range(1, 8))
FINGERS = ("panda_finger_joint1", "panda_finger_joint2")

ROBOT = RobotEntry(
    file="pybullet:franka_panda/panda.urdf",
    maker="Franka Robotics",
    effector="panda_grasptarget",
    home=posture((*JOINTS, *FINGERS), (0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785, 0.04, 0.04)),
    hold=Drive(stiffness=2000.0, damping=100.0),
    licence="Apache-2.0",
)
