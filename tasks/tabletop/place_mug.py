"""Put a mug on a coaster, upright."""

from pathlib import Path

from metasim.core.factors import Place
from metasim.core.reads import Reads
from metasim.core.rewards import norm
from metasim.core.scene import Cylinder, Mesh
from metasim.tasks.tabletop.factors import Stand
from metasim.tasks.tabletop.family import Tabletop, tabletop
from metasim.tasks.tabletop.plan import Plan, View, along, bring, expert, gap_xy, grasp, let_go, shifted

WIDE_M, GRASP_M = 0.06, 0.058  # the mug's width, and the height above its foot at which it is held
COASTER_M = 0.006
UPRIGHT = 0.98  # cosine of the largest tilt


def _plan(see: View) -> Plan:
    spot, on_top = shifted(see.mug, z=GRASP_M), shifted(see.coaster, z=COASTER_M / 2)
    placed = (gap_xy(see.mug, on_top) < 0.015) & (see.mug[:, 2] < on_top[:, 2] + 0.003)
    carried = bring(see, see.mug, on_top)
    return (*let_go(see, placed, spot, WIDE_M + 0.015), *grasp(see, spot, WIDE_M, (carried,)))


@tabletop("place-mug", "put the mug on the coaster", horizon=160)
class PlaceMug(Tabletop):
    """Success: the mug stands on the coaster (2.5 cm aside, 5 mm in height, 11 degrees), still, and is let go."""

    things = {
        "mug": Mesh(
            path=Path(__file__).parent / "assets" / "mug.obj",
            solid="parts",
            stiff=True,
            mass_kg=0.12,
            pos=(0.5, -0.12, 0.0),
            rgba=(0.9, 0.88, 0.82, 1.0),
        ),
        "coaster": Cylinder(
            radius_m=0.05, height_m=COASTER_M, fixed=True, pos=(0.5, 0.12, COASTER_M / 2), rgba=(0.25, 0.5, 0.35, 1.0)
        ),
    }
    watched = ("mug", "coaster")
    more_reads = Reads(bodies=("mug",), velocities=("mug",))
    factors = (
        Stand("mug", (0.4, -0.18, -0.4), (0.55, -0.08, 0.4), test=((0.38, -0.22, -0.6), (0.58, -0.08, 0.6))),
        Place("coaster", (0.4, 0.06), (0.58, 0.18), test=((0.38, 0.06), (0.6, 0.22))),
    )
    expert = expert(_plan, mug=3, mug_quat=4, coaster=3, coaster_quat=4)

    def success(self, state, memory):
        """Tell whether the mug stands on the coaster, let go."""
        mug, coaster = state.body("mug"), state.body("coaster")
        up = along(mug.quat, (0.0, 0.0, 1.0))[:, 2]
        lift = mug.pos[:, 2] - coaster.pos[:, 2] - COASTER_M / 2
        there = (gap_xy(mug.pos, coaster.pos) < 0.025) & (abs(lift) < 0.005) & (up > UPRIGHT)
        return there & (norm(mug.lin_vel) < 0.05) & (memory["opening"][:, 0] > WIDE_M + 0.01)
