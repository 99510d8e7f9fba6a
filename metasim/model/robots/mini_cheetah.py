"""MIT Mini Cheetah: 4 legs of 3 joints. Source: pybullet_data."""

from metasim.core.scene import Drive
from metasim.model.robots.entry import RobotEntry, legs

LEGS = ("fr", "fl", "hr", "hl")

ROBOT = RobotEntry(
    file="pybullet:mini_cheetah/mini_cheetah.urdf",
    maker="MIT Biomimetic Robotics Lab",
    floating=True,
    feet=tuple(f"toe_{leg}" for leg in LEGS),
    home=legs(LEGS, {"torso_to_abduct_*_j": 0.0, "abduct_*_to_thigh_*_j": -0.8, "thigh_*_to_knee_*_j": 1.6}),
    height_m=0.286,
    overlapping=tuple(("body", f"thigh_{leg}") for leg in LEGS),
    hold=Drive(stiffness=100.0, damping=2.0),
)
