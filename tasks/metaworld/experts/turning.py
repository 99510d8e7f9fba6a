"""Plans for what turns: faucet-open, faucet-close, dial-turn, lever-pull."""

import numpy as np

from metasim.tasks.metaworld.experts.links import lead, link
from metasim.tasks.metaworld.experts.plan import CLOSE, TIP_M, Phase, Plan, View, expert, gap_xy, over, point


@expert
def faucet_open(see: View) -> Plan:
    """Come down on the handle's left and push it round to the right."""
    return _faucet(see, 1.0)


@expert
def faucet_close(see: View) -> Plan:
    """Come down on the handle's right and push it round to the left."""
    return _faucet(see, -1.0)


def _faucet(see: View, sense: float) -> Plan:
    fingers = (0.0, 0.0, -0.02)
    handle = link(see.obj, see.goal + (-0.175 * sense, 0.0, -0.001), (0, 1), (0.175, -0.015), sense)
    along, ahead, aside = handle.see(see.hand, fingers)
    behind = (along > 0.08) & (along < 0.2) & (ahead < 0.0) & (ahead > -0.1) & (aside < 0.03)
    spot = handle.at(0.14, -0.06, fingers)
    done = handle.along[:, 1] > -0.1
    return (
        Phase(done, point(see.hand[:, 0], see.hand[:, 1], spot[:, 2] + 0.1), CLOSE),
        Phase(behind, handle.at(0.14, lead(-handle.along[:, 1], 0.06) - 0.035, fingers), CLOSE),
        Phase(gap_xy(see.hand, spot) < 0.02, spot, CLOSE),
        Phase(True, over(see, spot, see.goal[:, 2] + 0.12), CLOSE),
    )


@expert
def dial_turn(see: View) -> Plan:
    """Come down beside the near end of the dial's bar and push it round to the left."""
    fingers = (0.0, 0.0, -0.03)
    bar = link(see.obj, see.goal + (0.0, -0.03, 0.025), (0, 1), (0.05, 0.0), -1.0)
    along, ahead, aside = bar.see(see.hand, fingers)
    behind = (along > 0.0) & (along < 0.07) & (ahead < 0.0) & (ahead > -0.06) & (aside < 0.015)
    spot = bar.at(0.035, -0.045, fingers)
    done, ready = bar.along[:, 1] > 0.3, see.obj + (0.05, 0.02, 0.09 + TIP_M)  # where the reward wants the hand
    return (
        Phase(done, over(see, ready, ready[:, 2]), CLOSE),
        Phase(behind, bar.at(0.035, lead(0.4 - bar.along[:, 1], 0.05) - 0.03, fingers), CLOSE),
        Phase(gap_xy(see.hand, spot) < 0.015, spot, CLOSE),
        Phase(True, over(see, spot, see.goal[:, 2] + 0.12), CLOSE),
    )


@expert
def lever_pull(see: View) -> Plan:
    """Go under the lever with the gripper's housing, lift it, and hold it upright against its springy limit."""
    housing = (0.0, 0.045, 0.09)
    lever = link(see.obj, see.goal + (0.0, 0.0, -0.2), (1, 2), (0.2, 0.0), -1.0)
    along, ahead, aside = lever.see(see.hand, housing)
    under = (along > 0.05) & (along < 0.25) & (ahead < 0.02) & (ahead > -0.1) & (aside < 0.03)
    spot = lever.at(0.15, -0.06, housing)
    off = np.abs(see.hand - spot)
    left = -lever.along[:, 1]
    reach = np.clip(along, 0.18 - 0.06 * left, 0.21 - 0.04 * left)  # from the rod to the knob at its end
    return (
        Phase(under, lever.at(reach, lead(left + 0.03, 0.07, 0.2) - 0.03 + 0.02 * left, housing), CLOSE),
        Phase((off[:, 0] < 0.03) & (off[:, 2] < 0.03), spot, CLOSE),
        Phase(True, point(spot[:, 0], see.goal[:, 1] - 0.31, spot[:, 2]), CLOSE),
    )
