"""Pick a cube up and hold it at a point in the air."""

from metasim.core.factors import Place
from metasim.core.rewards import distance
from metasim.core.scene import Box, Goal
from metasim.tasks.tabletop.family import Tabletop, tabletop
from metasim.tasks.tabletop.plan import carry, expert, grasp, shifted

SIZE_M = 0.04


@tabletop("pick-cube", "pick up the cube and hold it at the green point", horizon=120)
class PickCube(Tabletop):
    """Success: the cube's centre is within 2.5 cm of the goal."""

    things = {
        "cube": Box(
            size_m=(SIZE_M, SIZE_M, SIZE_M),
            stiff=True,
            mass_kg=0.06,
            pos=(0.5, 0.0, SIZE_M / 2),
            rgba=(0.85, 0.2, 0.2, 1.0),
        )
    }
    goals = {"goal": Goal()}
    watched = ("cube",)
    factors = (
        Place("cube", (0.4, -0.15), (0.6, 0.15), test=((0.38, -0.22), (0.62, 0.22))),
        Place("goal", (0.4, -0.15, 0.15), (0.6, 0.15, 0.3), test=((0.38, -0.22, 0.12), (0.62, 0.22, 0.35))),
    )
    expert = expert(
        lambda see: grasp(see, shifted(see.cube, z=-0.006), SIZE_M, (carry(see, see.cube, see.goal),)),
        cube=3,
        cube_quat=4,
        goal=3,
    )

    def success(self, state, memory):
        """Tell whether the cube is at the goal."""
        return distance(state.body("cube").pos, state.site("goal").pos) < 0.025
