"""LEAP Hand, left: the right one's mirror image, with the same joints. Source: MuJoCo Menagerie."""

from dataclasses import replace

from metasim.model.robots.leap_right import ROBOT as RIGHT

ROBOT = replace(RIGHT, file="menagerie:leap_hand/left_hand.xml")
