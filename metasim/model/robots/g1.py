"""Unitree G1: a humanoid of 29 joints with position actuators. Source: MuJoCo Menagerie."""

from metasim.model.robots.entry import RobotEntry, legs

LEG = ("hip_pitch", "hip_roll", "hip_yaw", "knee", "ankle_pitch", "ankle_roll")
ARM = {"shoulder_pitch": 0.2, "shoulder_yaw": 0.0, "elbow": 1.28, "wrist_roll": 0.0, "wrist_pitch": 0.0}
SIDES = ("left", "right")

ROBOT = RobotEntry(
    file="menagerie:unitree_g1/g1.xml",
    maker="Unitree",
    floating=True,
    feet=tuple(f"{side}_ankle_roll_link" for side in SIDES),
    home={
        **legs(SIDES, {f"*_{joint}_joint": 0.0 for joint in LEG}),
        **{f"waist_{axis}_joint": 0.0 for axis in ("yaw", "roll", "pitch")},
        **legs(SIDES, {f"*_{joint}_joint": q for joint, q in ARM.items()}),
        **legs(SIDES, {"*_wrist_yaw_joint": 0.0}),
        "left_shoulder_roll_joint": 0.2,
        "right_shoulder_roll_joint": -0.2,
    },
    height_m=0.7919,
    licence="BSD-3-Clause",
)
