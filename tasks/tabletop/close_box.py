"""Push the lid of an open box shut."""

from pathlib import Path

from metasim.core.scene import Asset
from metasim.tasks.tabletop.factors import Setting, Stand
from metasim.tasks.tabletop.family import Tabletop, tabletop
from metasim.tasks.tabletop.plan import CLOSE, Phase, Plan, View, along, approach, dot_xy, expert, shifted

HINGE_M = (-0.08, 0.0, 0.088)
PUSH_Z_M = 0.07  # height above the hinge at which the lid is pushed
FALLING_RAD = 1.3


def _plan(see: View) -> Plan:
    """Come down behind the lid, push it beyond the vertical, and let it fall; then go back up."""
    ahead = along(see.base_quat, (1.0, 0.0, 0.0))
    spot = see.base + along(see.base_quat, (HINGE_M[0] - 0.12, 0.0, HINGE_M[2] + PUSH_Z_M))
    done = see.hinge < FALLING_RAD
    behind = dot_xy(see.hand - spot, ahead) > -0.03
    low = see.hand[:, 2] < spot[:, 2] + 0.02
    return (
        Phase(done, shifted(spot, z=0.15), CLOSE),
        Phase(behind & low, spot + 0.2 * ahead, CLOSE, 0.1),
        approach(see, spot, CLOSE),
    )


@tabletop("close-box", "close the box by pushing its lid over", horizon=100)
class CloseBox(Tabletop):
    """Success: the lid is less than 0.05 rad from shut."""

    things = {"box": Asset(path=Path(__file__).parent / "assets" / "box.xml")}
    watched = ("box/base",)
    joints = ("box/hinge",)
    factors = (
        Stand(
            "box",
            (0.52, -0.12, -0.25),
            (0.6, 0.12, 0.25),
            test=((0.5, -0.18, -0.4), (0.62, 0.18, 0.4)),
            base="box/base",
        ),
        Setting("hinge", (1.75,), (2.0,), test=((1.65,), (2.0,)), joint="box/hinge"),
    )
    expert = expert(_plan, base=3, base_quat=4, hinge=1)

    def success(self, state, memory):
        """Compare the angle of the lid with 0.05 rad."""
        return state.joint("box/hinge").pos[:, 0] < 0.05
