"""Plans for the plate: plate-slide, plate-slide-side, plate-slide-back, plate-slide-back-side."""

import numpy as np

from metasim.tasks.metaworld.experts.plan import CLOSE, OPEN, Array, Phase, Plan, View, expert, gap_xy, over, point

HAND_LOW_M = 0.05  # where the hand's target cannot go lower
INSIDE_Y_M = 0.635  # as far as the plate goes without jamming at the wall of the cabinet at its side


@expert
def plate_slide(see: View) -> Plan:
    """Stand on the plate with one finger, which fits under the cabinet's upper bar, and drag it in."""
    return _drag(see, see.obj + (0.0, -0.055, 0.0), OPEN)


@expert
def plate_slide_side(see: View) -> Plan:
    """Push the plate's edge along -x with closed fingers, and go on pushing: beyond its range it would spring back.

    Towards y only friction moves the plate, which takes the weight of pushing against the end of its range.
    """
    behind = see.obj + (0.08, 0.0, 0.035)
    reach, aside = see.hand[:, 0] - see.obj[:, 0], np.abs(see.hand[:, 1] - see.obj[:, 1])
    low = see.hand[:, 2] < see.obj[:, 2] + 0.05
    y = np.where(see.obj[:, 0] < -0.21, np.minimum(see.goal[:, 1], INSIDE_Y_M), see.obj[:, 1])
    return (
        Phase(
            low & (reach > 0.05) & (reach < 0.1) & (aside < 0.065), point(see.goal[:, 0] + 0.065, y, HAND_LOW_M), CLOSE
        ),
        Phase(gap_xy(see.hand, behind) < 0.02, behind, CLOSE),
        Phase(True, over(see, behind, see.obj[:, 2] + 0.1), CLOSE),
    )


@expert
def plate_slide_back(see: View) -> Plan:
    """Stand on the plate's front with closed fingers and drag it out."""
    return _drag(see, see.obj + (0.0, -0.03, 0.0), CLOSE)


@expert
def plate_slide_back_side(see: View) -> Plan:
    """Stand on the plate's right with closed fingers and drag it out."""
    return _drag(see, see.obj + (0.025, 0.0, 0.0), CLOSE)


def _drag(see: View, spot: Array, grip: float) -> Plan:
    """Come down on `spot` (N, 3) of the plate and bring the plate to the goal.

    A hand that stands on the plate cannot come down to where it should; that is what presses it on.
    """
    on = gap_xy(see.hand, spot) < 0.02
    low = see.hand[:, 2] < see.obj[:, 2] + 0.065
    with_plate = see.hand + (see.goal - see.obj)
    return (
        Phase(on & low, point(with_plate[:, 0], with_plate[:, 1], HAND_LOW_M), grip),
        Phase(on, point(spot[:, 0], spot[:, 1], HAND_LOW_M), grip),
        Phase(True, over(see, spot, see.obj[:, 2] + 0.12), grip),
    )
