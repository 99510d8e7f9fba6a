"""Plans for furniture that moves on a joint: drawer, window."""

import numpy as np

from metasim.tasks.metaworld.experts.plan import CLOSE, Array, Phase, Plan, View, expert, gap_xy, grasp, over, point


@expert
def drawer_open(see: View) -> Plan:
    """Grasp the handle's bar from above and pull."""
    spot = see.obj + (0.0, -0.003, 0.025)
    pull_to = point(spot[:, 0], see.hand[:, 1] + see.goal[:, 1] + 0.02 - see.obj[:, 1], spot[:, 2])
    return grasp(see, spot, (Phase(True, pull_to, CLOSE),))


@expert
def drawer_close(see: View) -> Plan:
    """Come down before the handle's bar and push it in."""
    front = see.obj + (0.0, -0.07, -0.02)
    low = see.hand[:, 2] < see.obj[:, 2] + 0.02
    before = (see.hand[:, 1] < see.obj[:, 1]) & (np.abs(see.hand[:, 0] - see.obj[:, 0]) < 0.03)
    return (
        Phase(low & before, point(see.obj[:, 0], see.goal[:, 1] - 0.035, front[:, 2]), CLOSE),
        Phase(gap_xy(see.hand, front) < 0.02, front, CLOSE),
        Phase(True, over(see, front, see.obj[:, 2] + 0.1), CLOSE),
    )


@expert
def window_open(see: View) -> Plan:
    """Reach in on the handle's left and push it along +x."""
    beside = see.obj + (-0.04, -0.005, 0.04)
    push_to = point(see.goal[:, 0] - 0.035, beside[:, 1], beside[:, 2])
    return _push_handle(see, beside, push_to)


@expert
def window_close(see: View) -> Plan:
    """Reach in on the handle's right and push it along -x."""
    beside = see.obj + (0.04, -0.005, 0.04)
    push_to = point(see.goal[:, 0] + 0.015, beside[:, 1], beside[:, 2])
    return _push_handle(see, beside, push_to)


def _push_handle(see: View, beside: Array, push_to: Array) -> Plan:
    off = np.abs(see.hand - beside)
    level = off[:, 2] < 0.03
    return (
        Phase(level & (off[:, 1] < 0.02) & (off[:, 0] < 0.075), push_to, CLOSE),
        Phase(level & (off[:, 0] < 0.02), beside, CLOSE),
        Phase(True, beside + (0.0, -0.1, 0.0), CLOSE),
    )
