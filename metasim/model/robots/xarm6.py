"""UFACTORY xArm 6: 6 joints. Source: pybullet_data."""

from metasim.core.scene import Drive
from metasim.model.robots.entry import RobotEntry, posture

ROBOT = RobotEntry(
    file="pybullet:xarm/xarm6_robot.urdf",
    maker="UFACTORY",
    effector="link6",
    home=posture([f"joint{i}" for i in range(1, 7)], (0.0, -0.6, -0.9, 0.0, 1.5, 0.0)),
    hold=Drive(stiffness=1000.0, damping=50.0),
)
