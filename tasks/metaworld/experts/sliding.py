"""Plans for objects pushed over the table: push-back, push-wall, soccer, sweep, sweep-into, and reach-wall."""

import numpy as np

from metasim.tasks.metaworld.experts.plan import (
    OPEN,
    PUCK_GRIP,
    TIP_M,
    Phase,
    Plan,
    View,
    carry,
    expert,
    grasp,
    point,
)

HAIR = (0.0, 0.0, 0.01)  # how far a puck that slides is lifted
WALL_TOP_M, WALL_BACK_M = 0.12, 0.76


@expert
def reach_wall(see: View) -> Plan:
    """Bring the fingertips to the goal, high until they are past the wall."""
    goal = see.goal + (0.0, 0.0, TIP_M)
    low = see.hand[:, 2] < WALL_TOP_M + TIP_M + 0.02
    above = np.maximum(goal[:, 2], WALL_TOP_M + TIP_M + 0.04)
    before = see.hand[:, 1] < WALL_BACK_M + 0.04
    return (
        Phase(before & low, point(see.hand[:, 0], see.hand[:, 1], above), OPEN),
        Phase(before, point(goal[:, 0], goal[:, 1], above), OPEN),
        Phase(True, goal, OPEN),
    )


@expert
def push_back(see: View) -> Plan:
    """Grasp the block and slide it to the goal."""
    return grasp(see, see.obj + PUCK_GRIP, (carry(see, see.obj, see.goal + HAIR),))


@expert
def push_wall(see: View) -> Plan:
    """Grasp the puck and slide it around the wall's left end to the goal."""
    x, y, z = see.obj[:, 0], see.obj[:, 1], see.goal[:, 2] + HAIR[2]
    before, inside = y < WALL_BACK_M + 0.04, x > -0.085
    left = point(np.full_like(x, -0.1), np.minimum(y, 0.67), z)
    past = point(np.full_like(x, -0.1), np.full_like(y, WALL_BACK_M + 0.08), z)
    return grasp(
        see,
        see.obj + PUCK_GRIP,
        (
            carry(see, see.obj, left)._replace(when=before & inside),
            carry(see, see.obj, past)._replace(when=before),
            carry(see, see.obj, see.goal + HAIR),
        ),
    )


@expert
def sweep(see: View) -> Plan:
    """Grasp the block, whose observed point is its underside, and slide it to the goal."""
    return grasp(see, see.obj + (-0.004, 0.0, 0.05), (carry(see, see.obj, see.goal),))


@expert
def sweep_into(see: View) -> Plan:
    """Grasp the block, slide it over the hole and drop it in."""
    spot, rest = see.obj + PUCK_GRIP, see.goal + (0.0, 0.0, 0.05)
    inside = see.obj[:, 2] < see.goal[:, 2] + 0.03
    off = np.abs(see.obj - see.goal)
    there = (off[:, 0] < 0.01) & (off[:, 1] < 0.01) & (np.abs(see.drift[:, 1]) < 0.0005)
    high = rest + (0.0, 0.0, 0.08)
    return (
        Phase(inside, high, OPEN),
        Phase(there, see.hand, OPEN),
        *grasp(see, spot, (carry(see, see.obj, rest + HAIR),)),
    )


@expert
def soccer(see: View) -> Plan:
    """Grasp the ball, take it into the goal, which the hand fits in when low, and keep it there."""
    mouth = see.goal + (0.0, -0.045, 0.028)
    aside = (see.obj[:, 1] < mouth[:, 1] - 0.06) & (np.abs(see.obj[:, 0] - mouth[:, 0]) > 0.02)
    before = mouth + (0.0, -0.08, 0.0)
    return grasp(
        see,
        see.obj + (-0.004, 0.0, 0.026),
        (carry(see, see.obj, before)._replace(when=aside), carry(see, see.obj, mouth)),
    )
