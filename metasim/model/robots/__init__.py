"""The robot table: a row and a small file for each robot; `metasim list robots` shows it, docs/robots.md explains it.

A package adds robots by registering them in a module that its entry point in the group ``metasim.robots`` names.
"""

from __future__ import annotations

from metasim.core.registry import Registry
from metasim.model.robots.entry import UNSTATED, RobotEntry, legs, posture

__all__ = ["ROBOTS", "UNSTATED", "RobotEntry", "legs", "posture"]

ROBOTS: Registry[RobotEntry] = Registry(
    "robot", group="metasim.robots", accepts=lambda item: isinstance(item, RobotEntry)
)
for _name in (
    "panda",
    "kuka_iiwa",
    "xarm6",
    "sawyer",
    "aloha",
    "leap_right",
    "leap_left",
    "a1",
    "aliengo",
    "laikago",
    "mini_cheetah",
    "go1",
    "spirit40",
    "vision60",
    "g1",
):
    ROBOTS.register(_name, f"metasim.model.robots.{_name}:ROBOT")
