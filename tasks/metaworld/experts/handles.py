"""Plans for handles: handle-press, handle-press-side, handle-pull, handle-pull-side."""

import numpy as np

from metasim.tasks.metaworld.experts.plan import (
    CLOSE,
    OPEN,
    TIP_M,
    Array,
    Phase,
    Plan,
    View,
    expert,
    gap_xy,
    grasp,
    over,
    point,
)

PULL_M = 0.012  # how far ahead of the hand it is sent: pulled faster, the viscous handle slips from the fingers


@expert
def handle_press(see: View) -> Plan:
    """Press the bar down; a hand that starts around it moves to its middle and presses with the palm."""
    off, tips = np.abs(see.hand - see.obj), _tips(see)
    around = (tips > -0.08) & (tips < 0.01) & (off[:, 0] < 0.085) & (off[:, 1] < 0.085)
    middle = (off[:, 0] < 0.04) & (off[:, 1] < 0.04)
    level = point(see.obj[:, 0], see.obj[:, 1], see.hand[:, 2])
    return (
        Phase(around & middle, _down_to(see), OPEN),
        Phase(around, level, OPEN),
        *_press(see),
    )


@expert
def handle_press_side(see: View) -> Plan:
    """Press the bar down."""
    return _press(see)


def _press(see: View) -> Plan:
    """Press with the tips of closed fingers until the handle is where it should be."""
    tips = _tips(see)
    on_top = (tips > -0.012) & (gap_xy(see.hand, see.obj) < 0.025) & (see.opening < 0.6)
    above = over(see, see.obj, see.obj[:, 2] + 0.1)
    return (
        Phase(on_top, _down_to(see), CLOSE),
        Phase(tips < 0.01, above, OPEN),
        Phase(True, above, CLOSE),
    )


def _tips(see: View) -> Array:
    """Height of the fingertips above the bar."""
    return see.hand[:, 2] - TIP_M - see.obj[:, 2]


def _down_to(see: View) -> Array:
    """Where the hand has to be for the handle to be where it should be."""
    return point(see.obj[:, 0], see.obj[:, 1], see.hand[:, 2] + see.goal[:, 2] - see.obj[:, 2])


@expert
def handle_pull(see: View) -> Plan:
    """Grasp the bar from above, as low as the palm allows, and lift it."""
    return _pull(see, see.obj + (0.0, 0.0, 0.004), see.goal[:, 2] - 0.01)


@expert
def handle_pull_side(see: View) -> Plan:
    """Grasp the arm that carries the bar from above and lift it."""
    return _pull(see, see.obj + (0.0, 0.0, 0.022), see.goal[:, 2] - 0.014)


def _pull(see: View, spot: Array, height: Array) -> Plan:
    """Grasp at `spot` and lift slowly by what the handle lacks to `height`."""
    up_to = see.hand[:, 2] + np.clip(height - see.obj[:, 2], -PULL_M, PULL_M)
    return grasp(see, spot, (Phase(True, point(spot[:, 0], spot[:, 1], up_to), CLOSE),))
