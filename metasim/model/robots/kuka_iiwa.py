"""KUKA LBR iiwa: 7 joints. Source: pybullet_data."""

from metasim.core.scene import Drive
from metasim.model.robots.entry import RobotEntry, posture

ROBOT = RobotEntry(
    file="pybullet:kuka_iiwa/model.urdf",
    maker="KUKA",
    effector="lbr_iiwa_link_7",
    home=posture([f"lbr_iiwa_joint_{i}" for i in range(1, 8)], (0.0, 0.6, 0.0, -1.6, 0.0, 0.94, 0.0)),
    hold=Drive(stiffness=1000.0, damping=50.0),
)
