"""Plans for putting together and taking apart: assembly, disassemble, peg-unplug-side."""

import numpy as np

from metasim.tasks.metaworld.experts.plan import (
    CLOSE,
    Array,
    Phase,
    Plan,
    View,
    carry,
    expert,
    gap_xy,
    grasp,
    over,
    point,
)

HANDLE_M = 0.13  # from the middle of the nut's ring to the middle of its handle


@expert
def assembly(see: View) -> Plan:
    """Grasp the nut by its handle, carry its ring over the peg, and lower it."""
    ring = _ring(see)
    top = see.goal[:, 2] + 0.06
    over = gap_xy(ring, see.goal) < 0.012
    low = ring[:, 2] < see.goal[:, 2] + 0.03
    down = carry(see, ring, see.goal + (0.0, 0.0, -0.05))
    up = carry(see, ring, point(ring[:, 0], ring[:, 1], top))
    across = carry(see, ring, point(see.goal[:, 0], see.goal[:, 1], top))
    return grasp(see, see.obj + (-0.01, 0.0, 0.03), (down._replace(when=over), up._replace(when=low), across))


@expert
def disassemble(see: View) -> Plan:
    """Grasp the nut by its handle and lift it off the peg; turn it first where its handle lies across the fingers."""
    lift = carry(see, _ring(see), see.goal + (0.0, 0.0, 0.08))
    return (*_turn(see), *grasp(see, see.obj + (-0.01, 0.0, 0.03), (lift,)))


def _turn(see: View) -> Plan:
    """With closed fingers beside the handle, push it the short way around until it lies along x."""
    handle = (see.obj - _ring(see)) / HANDLE_M
    around = np.where(handle[:, 0] * handle[:, 1] < 0.0, 1.0, -1.0)
    ahead = point(-around * handle[:, 1], around * handle[:, 0], 0.0)
    beside, rel = see.obj - 0.08 * ahead + (0.0, 0.0, 0.03), see.hand - see.obj
    behind = -(rel[:, 0] * ahead[:, 0] + rel[:, 1] * ahead[:, 1])
    off = np.abs(rel[:, 0] * handle[:, 0] + rel[:, 1] * handle[:, 1])
    across, lying = np.abs(handle[:, 1]), see.obj[:, 2] < 0.04
    pushing = (behind > 0.01) & (behind < 0.1) & (off < 0.05) & (see.hand[:, 2] < see.obj[:, 2] + 0.055)
    closed = see.opening < 0.6
    return (
        Phase(lying & pushing & closed & (across > 0.15), see.obj + (0.0, 0.0, 0.03), CLOSE),
        Phase(lying & (across > 0.5) & (gap_xy(see.hand, beside) < 0.02), beside, CLOSE),
        Phase(lying & (across > 0.5), over(see, beside, see.obj[:, 2] + 0.12), CLOSE),
    )


@expert
def peg_unplug_side(see: View) -> Plan:
    """Grasp the plug from above and pull it out along +x."""
    return grasp(see, see.obj + (-0.02, 0.0, 0.025), (carry(see, see.obj, see.goal),), closed_at=0.95)


def _ring(see: View) -> Array:
    """Return the middle of the nut's ring ``(N, 3)``, which lies along the nut's own +y from its handle."""
    w, x, y, z = see.quat.T
    return see.obj + HANDLE_M * np.stack([2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)], axis=1)
