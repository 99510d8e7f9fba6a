"""Plans for loose objects: reach, push, pick-place, peg-insert-side."""

import numpy as np

from metasim.tasks.metaworld.experts.plan import OPEN, PUCK_GRIP, TIP_M, Phase, Plan, View, carry, expert, grasp


@expert
def reach(see: View) -> Plan:
    """Bring the fingertips to the goal."""
    return (Phase(True, see.goal + (0.0, 0.0, TIP_M), OPEN),)


@expert
def push(see: View) -> Plan:
    """Grasp the puck and slide it, lifted by a hair, to the goal."""
    return grasp(see, see.obj + PUCK_GRIP, (carry(see, see.obj, see.goal + (0.0, 0.0, 0.01)),))


@expert
def pick_place(see: View) -> Plan:
    """Grasp the puck and carry it to the goal in the air."""
    return grasp(see, see.obj + PUCK_GRIP, (carry(see, see.obj, see.goal),))


@expert
def peg_insert_side(see: View) -> Plan:
    """Grasp the peg, line its head up before the hole, and push it in along -x."""
    head = see.obj + (-0.13, 0.0, -0.01)
    off = see.goal - head
    aligned = (np.abs(off[:, 1]) < 0.01) & (np.abs(off[:, 2]) < 0.01)
    outside = off[:, 0] < -0.075  # the hole's mouth is 60 mm before the goal
    before_hole = carry(see, head, see.goal + (0.12, 0.0, 0.0))
    insert = carry(see, head, see.goal, gain=0.05)
    return grasp(see, see.obj + (0.0, 0.0, 0.02), (before_hole._replace(when=outside & ~aligned), insert))
