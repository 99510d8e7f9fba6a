"""Plans for containers: bin-picking, basketball, box-close."""

import numpy as np

from metasim.tasks.metaworld.experts.placing import carry_over
from metasim.tasks.metaworld.experts.plan import OPEN, Phase, Plan, View, expert, gap_xy, grasp, over, point


@expert
def bin_picking(see: View) -> Plan:
    """Grasp the cube and hold it on the other bin's floor.

    The open fingers just fit between the cube and its bin's walls: they come down once the hand is within 5 mm.
    """
    spot = point(see.obj[:, 0], np.clip(see.obj[:, 1], 0.673, 0.727), see.obj[:, 2] + 0.04)
    beside = (np.abs(see.hand[:, 1] - spot[:, 1]) > 0.005) & (see.hand[:, 2] - spot[:, 2] > 0.012)
    floor = see.goal + (0.0, 0.0, 0.03)
    return (
        Phase(beside & (see.opening > 0.8), over(see, spot, spot[:, 2] + 0.06), OPEN),
        *grasp(see, spot, carry_over(see, see.obj, floor, 0.12, gap_xy(see.obj, floor) < 0.02)),
    )


@expert
def basketball(see: View) -> Plan:
    """Grasp the ball, pull it out from under the ring while lifting it, and hold it above the ring."""
    above = see.goal + (0.0, 0.0, 0.05)
    dunk = carry_over(see, see.obj, above, 0.33, gap_xy(see.obj, above) < 0.03, lift_y=see.goal[:, 1] - 0.13)
    return grasp(see, see.obj + (0.0, 0.0, 0.025), dunk)


@expert
def box_close(see: View) -> Plan:
    """Grasp the lid by its handle's bar and press it onto the box."""
    closed = point(see.goal[:, 0], see.goal[:, 1], 0.076)
    return grasp(
        see, see.obj + (0.0, 0.0, 0.09), carry_over(see, see.obj, closed, 0.13, gap_xy(see.obj, closed) < 0.01)
    )
