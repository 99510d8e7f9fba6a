"""ALOHA 2: two ViperX arms of 6 joints and a gripper each, with position actuators. Source: MuJoCo Menagerie.

The two fingers of a gripper are coupled; one of them has the actuator. The end of the other arm is
``right/gripper_base``.
"""

from metasim.model.robots.entry import RobotEntry, legs

ROBOT = RobotEntry(
    file="menagerie:aloha/aloha.xml",
    maker="Trossen Robotics, Google DeepMind",
    effector="left/gripper_base",
    home=legs(
        ("left", "right"),
        {
            "*/waist": 0.0,
            "*/shoulder": -0.96,
            "*/elbow": 1.16,
            "*/forearm_roll": 0.0,
            "*/wrist_angle": -0.3,
            "*/wrist_rotate": 0.0,
            "*/left_finger": 0.0084,
            "*/right_finger": 0.0084,
        },
    ),
    licence="BSD-3-Clause",
)
