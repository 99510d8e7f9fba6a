"""Put a square peg into a square hole, 2 mm wider on each side."""

from pathlib import Path

from metasim.core.scene import Asset, Box
from metasim.tasks.tabletop.factors import Stand
from metasim.tasks.tabletop.family import Tabletop, tabletop
from metasim.tasks.tabletop.plan import Plan, View, along, expert, gap_xy, grasp, insert, shifted

PEG_M, LONG_M, HOLE_M = 0.024, 0.1, 0.028
TIP = (0.0, 0.0, -LONG_M / 2)
DEPTH_M, SUCCESS_M = 0.03, 0.02


def _plan(see: View) -> Plan:
    tip = see.peg + along(see.peg_quat, TIP)
    return grasp(see, shifted(see.peg, z=0.025), PEG_M, insert(see, tip, see.rim, DEPTH_M, 0.002))


@tabletop("peg-in-hole", "put the peg into the hole", horizon=160)
class PegInHole(Tabletop):
    """Success: the middle of the peg's lower face is in the hole, 2 cm or more below the rim."""

    things = {
        "peg": Box(
            size_m=(PEG_M, PEG_M, LONG_M),
            stiff=True,
            mass_kg=0.06,
            pos=(0.45, -0.12, LONG_M / 2),
            rgba=(0.85, 0.55, 0.15, 1.0),
        ),
        "hole": Asset(path=Path(__file__).parent / "assets" / "hole.xml"),
    }
    sizes = {"train": (0.95, 1.0, 1.05), "test": (0.85, 0.9, 1.1)}  # what fits into the hole
    watched = ("peg", "hole/block")
    marks = ("hole/rim",)
    factors = (
        Stand("peg", (0.4, -0.16, -0.15), (0.55, -0.08, 0.15), test=((0.38, -0.2, -0.25), (0.58, -0.08, 0.25))),
        Stand(
            "hole",
            (0.42, 0.04, -0.03),
            (0.58, 0.16, 0.03),
            test=((0.4, 0.04, -0.06), (0.6, 0.2, 0.06)),
            base="hole/block",
        ),
    )
    expert = expert(_plan, peg=3, peg_quat=4, block=3, block_quat=4, rim=3)

    def success(self, state, memory):
        """Tell whether the peg's tip is in the hole."""
        peg, rim = state.body("peg"), state.site("hole/rim").pos
        tip = peg.pos + along(peg.quat, TIP)
        return (gap_xy(tip, rim) < HOLE_M / 2) & (rim[:, 2] - tip[:, 2] > SUCCESS_M)
