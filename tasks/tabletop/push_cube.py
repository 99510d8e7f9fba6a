"""Push a cube over the table to a goal, with closed fingers."""

import numpy as np

from metasim.core.factors import Place
from metasim.core.scene import Box, Goal
from metasim.tasks.tabletop.factors import Stand
from metasim.tasks.tabletop.family import Tabletop, tabletop
from metasim.tasks.tabletop.plan import CLOSE, Phase, Plan, View, approach, dot_xy, expert, gap_xy, heading

SIZE_M = 0.04
BEHIND_M = 0.055  # from the cube's centre to where the fingers come down
TOUCH_M = 0.032  # from the cube's centre to the fingers that push it


def _plan(see: View) -> Plan:
    """Come down behind the cube, seen from the goal, and push; steer by staying on the line through both."""
    way = heading(see.cube, see.goal)
    spot = see.cube - BEHIND_M * way
    back = -dot_xy(see.hand - see.cube, way)
    line = see.cube - back[:, None] * way
    left = np.minimum(gap_xy(see.cube, see.goal) + np.maximum(back - TOUCH_M, 0.0), 0.06)
    low = see.hand[:, 2] < spot[:, 2] + 0.02
    behind = (back > 0.5 * TOUCH_M) & (back < 2 * BEHIND_M) & (gap_xy(see.hand, line) < 0.025)
    there = gap_xy(see.cube, see.goal) < 0.006
    return (
        Phase(there, see.hand, CLOSE),
        Phase(low & behind, line + left[:, None] * way, CLOSE, 0.2),
        approach(see, spot, CLOSE),
    )


@tabletop("push-cube", "push the cube to the green point on the table", horizon=150)
class PushCube(Tabletop):
    """Success: the cube's centre is within 2.5 cm of the goal."""

    things = {
        "cube": Box(
            size_m=(SIZE_M, SIZE_M, SIZE_M),
            mass_kg=0.06,
            pos=(0.45, 0.0, SIZE_M / 2),
            rgba=(0.2, 0.4, 0.85, 1.0),
        )
    }
    goals = {"goal": Goal(pos=(0.6, 0.0, SIZE_M / 2))}
    watched = ("cube",)
    factors = (
        Stand("cube", (0.36, -0.12, -0.4), (0.46, 0.12, 0.4), test=((0.36, -0.2, -0.7), (0.48, 0.2, 0.7))),
        Place("goal", (0.56, -0.12), (0.66, 0.12), test=((0.56, -0.2), (0.68, 0.2))),
    )
    expert = expert(_plan, cube=3, cube_quat=4, goal=3)

    def success(self, state, memory):
        """Tell whether the cube is at the goal."""
        return gap_xy(state.body("cube").pos, state.site("goal").pos) < 0.025
