"""Put one cube on another."""

from typing import Any

from metasim.core.factors import Place
from metasim.core.reads import Reads
from metasim.core.rewards import norm
from metasim.core.scene import Box
from metasim.tasks.tabletop.family import Tabletop, tabletop
from metasim.tasks.tabletop.plan import Plan, View, bring, expert, gap_xy, grasp, let_go, shifted

Array = Any
SIZE_M = 0.04
RED, BLUE = (0.85, 0.2, 0.2, 1.0), (0.2, 0.4, 0.85, 1.0)


def _stacked(red: Array, blue: Array, aside_m: float, apart_m: float) -> Array:
    """Tell whether one cube is on the other."""
    return (gap_xy(red, blue) < aside_m) & (abs(red[:, 2] - blue[:, 2] - SIZE_M) < apart_m)


def _plan(see: View) -> Plan:
    on_top = shifted(see.blue, z=SIZE_M)
    placed = _stacked(see.red, see.blue, 0.012, 0.003)
    carried = bring(see, see.red, on_top)
    return (*let_go(see, placed, see.red, SIZE_M + 0.02), *grasp(see, see.red, SIZE_M, (carried,)))


@tabletop("stack-cube", "put the red cube on the blue cube", horizon=160)
class StackCube(Tabletop):
    """Success: the red cube is on the blue one (2 cm aside, 5 mm in height), slower than 5 cm/s, the gripper open."""

    things = {
        "red": Box(size_m=(SIZE_M, SIZE_M, SIZE_M), stiff=True, mass_kg=0.06, pos=(0.5, -0.12, SIZE_M / 2), rgba=RED),
        "blue": Box(size_m=(SIZE_M, SIZE_M, SIZE_M), stiff=True, mass_kg=0.06, pos=(0.5, 0.12, SIZE_M / 2), rgba=BLUE),
    }
    sizes = {"train": (0.95, 1.0, 1.05), "test": (0.925, 1.07)}  # within what success allows in height
    watched = ("red", "blue")
    more_reads = Reads(bodies=("red",), velocities=("red",))
    factors = (
        Place("red", (0.4, -0.18), (0.6, -0.07), test=((0.38, -0.25), (0.62, -0.07))),
        Place("blue", (0.4, 0.07), (0.6, 0.18), test=((0.38, 0.07), (0.62, 0.25))),
    )
    expert = expert(_plan, red=3, red_quat=4, blue=3, blue_quat=4)

    def success(self, state, memory):
        """Tell whether the red cube lies still on the blue one, let go."""
        red = state.body("red")
        placed = _stacked(red.pos, state.body("blue").pos, 0.02, 0.005)
        return placed & (norm(red.lin_vel) < 0.05) & (memory["opening"][:, 0] > SIZE_M + 0.01)
