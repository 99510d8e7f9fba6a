"""Plans for the coffee machine: coffee-button, coffee-pull, coffee-push."""

import numpy as np

from metasim.tasks.metaworld.experts.plan import CLOSE, Phase, Plan, View, carry, expert, grasp, point


@expert
def coffee_button(see: View) -> Plan:
    """Press the button with the side of the closed fingers' tips, the gripper above the machine."""
    spot = see.obj + (0.0, 0.0, 0.04)
    before = point(spot[:, 0], see.obj[:, 1] - 0.08, spot[:, 2])
    press = point(spot[:, 0], see.goal[:, 1] - 0.018, spot[:, 2])
    lined_up = (np.abs(see.hand[:, 0] - spot[:, 0]) < 0.015) & (np.abs(see.hand[:, 2] - spot[:, 2]) < 0.01)
    return (Phase(lined_up, press, CLOSE), Phase(True, before, CLOSE))


@expert
def coffee_pull(see: View) -> Plan:
    """Grasp the mug from above and draw it to the goal."""
    return grasp(see, see.obj + (0.0, 0.0, 0.055), (carry(see, see.obj, see.goal + (0.0, 0.0, 0.01)),))


@expert
def coffee_push(see: View) -> Plan:
    """Grasp the mug from above and bring it under the spout."""
    return grasp(see, see.obj + (0.0, 0.0, 0.055), (carry(see, see.obj, see.goal + (0.0, 0.0, 0.01)),))
