"""Tabletop manipulation with an arm and a parallel gripper."""

from metasim.tasks.tabletop import (
    close_box,
    move_slider,
    objects,
    open_drawer,
    peg_in_hole,
    pick_cube,
    place_mug,
    push_cube,
    stack_cube,
)
from metasim.tasks.tabletop.arms import ARMS, Arm
from metasim.tasks.tabletop.family import Tabletop, tabletop

__all__ = [
    "ARMS",
    "Arm",
    "Tabletop",
    "close_box",
    "move_slider",
    "objects",
    "open_drawer",
    "peg_in_hole",
    "pick_cube",
    "place_mug",
    "push_cube",
    "stack_cube",
    "tabletop",
]
