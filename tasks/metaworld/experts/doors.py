"""Plans for doors and locks: door-open, door-close, door-lock, door-unlock."""

import numpy as np

from metasim.tasks.metaworld.experts.links import lead, link
from metasim.tasks.metaworld.experts.plan import CLOSE, OPEN, Phase, Plan, View, expert, gap_xy, over, point

HINGE_FROM_OPEN, HINGE_FROM_SHUT = (0.115, 0.35, 0.0), (-0.385, 0.1, 0.0)  # from either task's goal
PALM = (0.0, 0.0, 0.0)
HANDLE = (0.3757, -0.1071)  # the handle's centre, along the door and to its inside


@expert
def door_open(see: View) -> Plan:
    """Hook the bar and pull the door ajar, then step over it and push its inside until it stands open.

    Pulled wide open, the bar would be where the hand cannot go.
    """
    door = link(see.obj, see.goal + HINGE_FROM_OPEN, (0, 1), HANDLE, 1.0)
    along, depth, _ = door.see(see.hand, PALM)
    ajar, more = door.along[:, 1] < -0.6, door.along[:, 1] < -0.7  # 37 and 44 degrees
    low = see.hand[:, 2] - see.goal[:, 2] < 0.07
    hook, inside = door.at(0.40, -0.07) + (0.0, 0.0, 0.02), door.at(0.25, 0.09)
    hooked = low & (np.abs(along - 0.40) < 0.04) & (depth > -0.1) & (depth < -0.04)
    return (
        Phase(hooked & ~more, door.at(0.40, -0.17) + (0.0, 0.0, 0.02), CLOSE),
        Phase(ajar & low & (depth > -0.005), see.goal + (0.136, 0.1, 0.0), CLOSE),
        Phase(ajar & (gap_xy(see.hand, inside) < 0.03), inside, CLOSE),
        Phase(ajar, over(see, inside, see.goal[:, 2] + 0.25), CLOSE),
        Phase(gap_xy(see.hand, hook) < 0.02, hook, CLOSE),
        Phase(True, over(see, hook, see.goal[:, 2] + 0.13), CLOSE),
    )


@expert
def door_close(see: View) -> Plan:
    """Go to the outside of the handle and push it round, up to the frame."""
    door = link(see.obj, see.goal + HINGE_FROM_SHUT, (0, 1), HANDLE, 1.0)
    along, ahead, aside = door.see(see.hand, PALM)
    behind = (np.abs(along - 0.36) < 0.06) & (ahead < -0.1) & (aside < 0.06)
    outside = door.at(0.36, -0.16)
    return (
        Phase(behind, door.at(0.36, -0.16 + lead(-door.along[:, 1], 0.06, 0.2)), CLOSE),
        Phase(True, outside, CLOSE),
    )


@expert
def door_lock(see: View) -> Plan:
    """Come down on the lever with the left finger, and press it round until it hangs.

    At first the finger may touch the lever's front: the hand backs off before it rises.
    """
    finger = (-0.015, 0.075, -0.045)
    lever = link(see.obj, see.goal + (0.0, 0.04, 0.1), (0, 2), (0.09, -0.01), -1.0)
    along, ahead, aside = lever.see(see.hand, finger)
    on = (along > 0.0) & (along < 0.09) & (ahead > -0.06) & (ahead < 0.01) & (aside < 0.015)
    above, height = lever.at(0.06, -0.04, finger), see.goal[:, 2] + 0.2
    high = height - see.hand[:, 2] < 0.03
    return (
        Phase(on, lever.at(0.06, lead(lever.along[:, 0], 0.06) - 0.01, finger), OPEN),
        Phase((gap_xy(see.hand, above) < 0.02) & high, above, OPEN),
        Phase(high, point(above[:, 0], above[:, 1], height), OPEN),
        Phase(True, point(see.hand[:, 0], above[:, 1] - 0.07, height), OPEN),
    )


@expert
def door_unlock(see: View) -> Plan:
    """Reach in beside the hanging lever and push it round and up with the gripper's housing."""
    housing = (0.02, 0.06, 0.09)
    lever = link(see.obj, see.goal + (-0.1, 0.04, 0.0), (0, 2), (0.09, -0.01), 1.0)
    along, ahead, aside = lever.see(see.hand, housing)
    on = (along > 0.0) & (along < 0.11) & (ahead < 0.02) & (ahead > -0.08) & (aside < 0.03)
    beside = lever.at(0.06, -0.05, housing)
    left = np.abs(see.hand - beside)
    return (
        Phase(on, lever.at(0.06, lead(-lever.along[:, 2], 0.06) - 0.01, housing), CLOSE),
        Phase((left[:, 0] < 0.02) & (left[:, 2] < 0.03), beside, CLOSE),
        Phase(True, beside + (0.0, -0.1, 0.0), CLOSE),
    )
