"""Unitree Go1: 4 legs of 3 joints with position actuators. Source: MuJoCo Menagerie."""

from metasim.model.robots.entry import RobotEntry, legs

LEGS = ("FR", "FL", "RR", "RL")

ROBOT = RobotEntry(
    file="menagerie:unitree_go1/go1.xml",
    maker="Unitree",
    floating=True,
    feet=tuple(f"{leg}_calf" for leg in LEGS),
    home=legs(LEGS, {"*_hip_joint": 0.0, "*_thigh_joint": 0.9, "*_calf_joint": -1.8}),
    height_m=0.2878,
    licence="BSD-3-Clause",
)
