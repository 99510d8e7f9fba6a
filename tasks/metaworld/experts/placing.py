"""Plans for objects carried to a place: pick-place-wall, pick-out-of-hole, shelf-place, hand-insert."""

import numpy as np

from metasim.tasks.metaworld.experts.plan import (
    PUCK_GRIP,
    Array,
    Plan,
    View,
    carry,
    expert,
    gap_xy,
    grasp,
    point,
)

UNDER_HAND = (0.0, 0.0, 0.03)  # from a block to the hand


def carry_over(
    see: View, held: Array, to: Array, height: Array | float, across: Array, lift_y: Array | float = np.inf
) -> Plan:
    """Lift `held`, which moves with the hand, to `height`, bring it above `to`, and once `across` (N,) let it down.

    It is lifted where it is, but not beyond y = `lift_y` (N,).
    """
    low = ~across & (held[:, 2] < height - 0.02)
    up = point(held[:, 0], np.minimum(held[:, 1], lift_y), height)
    above = point(to[:, 0], to[:, 1], height)
    return (
        carry(see, held, up)._replace(when=low),
        carry(see, held, above)._replace(when=~across),
        carry(see, held, to),
    )


@expert
def pick_place_wall(see: View) -> Plan:
    """Grasp the puck, lift it over the wall and let it down to the goal's height."""
    height = np.maximum(see.goal[:, 2], 0.2)
    return grasp(see, see.obj + PUCK_GRIP, carry_over(see, see.obj, see.goal, height, see.obj[:, 1] > 0.81))


@expert
def pick_out_of_hole(see: View) -> Plan:
    """Grasp the puck in the hole, lift it out and carry it to the goal."""
    return grasp(see, see.obj + PUCK_GRIP, carry_over(see, see.obj, see.goal, 0.12, see.obj[:, 1] < 0.62), 0.12)


@expert
def shelf_place(see: View) -> Plan:
    """Grasp the block, lift it before the shelf, and hold it above the board."""
    height = see.goal[:, 2] + 0.01
    inside = see.obj[:, 1] > see.goal[:, 1] - 0.05
    return grasp(see, see.obj + UNDER_HAND, carry_over(see, see.obj, see.goal, height, inside))


@expert
def hand_insert(see: View) -> Plan:
    """Grasp the block, bring it above the hole, and press it onto the hole's floor."""
    above_hole = gap_xy(see.obj, see.goal) < 0.02
    floor = point(see.goal[:, 0], see.goal[:, 1], 0.015)
    return grasp(see, see.obj + UNDER_HAND, carry_over(see, see.obj, floor, 0.11, above_hole))
