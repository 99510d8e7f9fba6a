"""Ghost Robotics Vision 60: 4 legs of 3 joints, numbered as Spirit 40's. Source: pybullet_data."""

from dataclasses import replace

from metasim.core.scene import Drive
from metasim.model.robots.spirit40 import ROBOT as SPIRIT40

ROBOT = replace(
    SPIRIT40,
    file="pybullet:quadruped/vision60.urdf",
    height_m=0.4423,
    hold=Drive(stiffness=300.0, damping=8.0),
)
