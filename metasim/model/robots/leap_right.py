"""LEAP Hand, right: 3 fingers and a thumb of 4 joints each, with position actuators. Source: MuJoCo Menagerie."""

from metasim.model.robots.entry import RobotEntry, legs, posture

FINGERS = legs(("if", "mf", "rf"), {"*_mcp": 0.5, "*_rot": 0.0, "*_pip": 0.5, "*_dip": 0.5})
THUMB = posture(("th_cmc", "th_axl", "th_mcp", "th_ipl"), (0.8, 0.4, 0.3, 0.3))

ROBOT = RobotEntry(
    file="menagerie:leap_hand/right_hand.xml",
    maker="Carnegie Mellon University",
    effector="palm",
    home={**FINGERS, **THUMB},
    licence="MIT",
)
