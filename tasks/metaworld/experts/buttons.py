"""Plans for buttons: button-press, button-press-topdown, and both behind a wall."""

import numpy as np

from metasim.tasks.metaworld.experts.plan import CLOSE, Array, Phase, Plan, View, expert, gap_xy, over, point

DEEP_M = 0.015  # how far before the hole a button is held
SWING_M = 0.01  # how far beyond the hole it is pushed until then: its rim binds in the box before it counts as pressed


@expert
def button_press(see: View) -> Plan:
    """Push the button in with the tips of the closed fingers."""
    front = see.obj + (0.0, -0.07, 0.006)
    return _push_in(see, front, front)


@expert
def button_press_wall(see: View) -> Plan:
    """Come over the wall and down between it and the button, and push the button in."""
    front = see.obj + (0.0, -0.03, 0.045)
    return _push_in(see, front, over(see, front, 0.25))


def _push_in(see: View, front: Array, approach: Array) -> Plan:
    """Approach `front`, the spot before the button, and push on until the button has gone in."""
    off = see.hand - front
    before = (np.abs(off[:, 0]) < 0.02) & (off[:, 1] > -0.06) & (np.abs(off[:, 2]) < 0.02)
    rest = see.goal[:, 1] - see.obj[:, 1]
    on_to = point(front[:, 0], see.hand[:, 1] + np.where(rest > DEEP_M, rest + SWING_M, 0.0), front[:, 2])
    return (
        Phase(before, on_to, CLOSE),
        Phase(gap_xy(see.hand, front) < 0.015, front, CLOSE),
        Phase(True, approach, CLOSE),
    )


@expert
def button_press_topdown(see: View) -> Plan:
    """Press the button down from above."""
    return _push_down(see)


@expert
def button_press_topdown_wall(see: View) -> Plan:
    """Press the button down from above; the wall is lower than the button."""
    return _push_down(see)


def _push_down(see: View) -> Plan:
    """Come down on the button with closed fingers until it has gone in."""
    tips_on_it = gap_xy(see.hand, see.obj) < 0.02
    return (
        Phase(tips_on_it, see.goal + (0.0, 0.0, 0.05), CLOSE),
        Phase(True, over(see, see.obj, see.goal[:, 2] + 0.2), CLOSE),
    )
