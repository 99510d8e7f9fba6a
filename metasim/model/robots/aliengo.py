"""Unitree Aliengo: 4 legs of 3 joints. Source: pybullet_data."""

from metasim.core.scene import Drive
from metasim.model.robots.entry import RobotEntry, legs

LEGS = ("FR", "FL", "RR", "RL")

ROBOT = RobotEntry(
    file="pybullet:aliengo/aliengo.urdf",
    maker="Unitree",
    floating=True,
    feet=tuple(f"{leg}_toe" for leg in LEGS),
    home=legs(LEGS, {"*_hip_joint": 0.0, "*_upper_joint": 0.8, "*_lower_joint": -1.5}),
    height_m=0.3919,
    hold=Drive(stiffness=200.0, damping=5.0),
)
