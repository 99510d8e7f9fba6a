"""Unitree Laikago: 4 legs of 3 joints. Source: pybullet_data, in its version with z up."""

from metasim.core.scene import Drive
from metasim.model.robots.entry import RobotEntry, legs

LEGS = ("FR", "FL", "RR", "RL")

ROBOT = RobotEntry(
    file="pybullet:laikago/laikago_toes_zup.urdf",
    maker="Unitree",
    floating=True,
    feet=tuple(f"toe{leg}" for leg in LEGS),
    home=legs(
        LEGS,
        {
            "*_hip_motor_2_chassis_joint": 0.0,
            "*_upper_leg_2_hip_motor_joint": 0.2,
            "*_lower_leg_2_upper_leg_joint": -1.0,
        },
    ),
    height_m=0.4255,
    hold=Drive(stiffness=200.0, damping=5.0),
    licence="meshes by permission of Unitree; asks to cite PyBullet",
)
