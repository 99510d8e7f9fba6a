"""Plans for furniture that moves on a joint: drawer, button, window, door."""

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
def button_press_topdown(see: View) -> Plan:
    """Press the button down from above with closed fingers."""
    return (
        Phase(gap_xy(see.hand, see.obj) < 0.02, see.goal + (0.0, 0.0, 0.05), CLOSE),
        Phase(True, over(see, see.obj, see.goal[:, 2] + 0.2), CLOSE),
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


@expert
def door_open(see: View) -> Plan:
    """Hook the bar and pull the door ajar, then step over it and push its inside until it stands open.

    `u` points along the door away from the hinge, `n` to its inside; the handle's centre is at
    0.3757 u - 0.1071 n, which is 0.3907 m from the hinge and 15.92 degrees out of the door. Pulled wide open,
    the bar would be where the hand cannot go.
    """
    hinge = see.goal + (0.115, 0.35, 0.0)
    arm = (see.obj - hinge) / 0.3907
    u = np.stack([0.9616 * arm[:, 0] - 0.2743 * arm[:, 1], 0.2743 * arm[:, 0] + 0.9616 * arm[:, 1]], axis=1)
    n = np.stack([-u[:, 1], u[:, 0]], axis=1)

    def on_door(along: float, depth: float, z: float) -> Array:
        xy = along * u + depth * n
        return hinge + point(xy[:, 0], xy[:, 1], z)

    rel = see.hand - hinge
    along, depth = rel[:, 0] * u[:, 0] + rel[:, 1] * u[:, 1], rel[:, 0] * n[:, 0] + rel[:, 1] * n[:, 1]
    ajar, more = u[:, 1] < -0.6, u[:, 1] < -0.7  # 37 and 44 degrees
    low = rel[:, 2] < 0.07
    hook, inside = on_door(0.40, -0.07, 0.02), on_door(0.25, 0.09, 0.0)
    hooked = low & (np.abs(along - 0.40) < 0.04) & (depth > -0.1) & (depth < -0.04)
    return (
        Phase(hooked & ~more, on_door(0.40, -0.17, 0.02), CLOSE),
        Phase(ajar & low & (depth > -0.005), see.goal + (0.136, 0.1, 0.0), CLOSE),
        Phase(ajar & (gap_xy(see.hand, inside) < 0.03), inside, CLOSE),
        Phase(ajar, over(see, inside, see.goal[:, 2] + 0.25), CLOSE),
        Phase(gap_xy(see.hand, hook) < 0.02, hook, CLOSE),
        Phase(True, over(see, hook, see.goal[:, 2] + 0.13), CLOSE),
    )
