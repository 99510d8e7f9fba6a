"""Open the drawer of a cabinet by its handle."""

from pathlib import Path

from metasim.core.scene import Asset
from metasim.tasks.tabletop.factors import Stand
from metasim.tasks.tabletop.family import Tabletop, tabletop
from metasim.tasks.tabletop.plan import Plan, View, along, carry, expert, grasp

POST_M = 0.02
OPEN_M, SUCCESS_M = 0.15, 0.12


def _plan(see: View) -> Plan:
    out = along(see.base_quat, (-1.0, 0.0, 0.0))
    return grasp(see, see.handle, POST_M, (carry(see, see.handle, see.handle + out * (OPEN_M - see.slide)[:, None]),))


@tabletop("open-drawer", "open the drawer by its handle", horizon=120)
class OpenDrawer(Tabletop):
    """Success: the drawer is at least 12 cm out, of the 18 cm it can go."""

    things = {"cabinet": Asset(path=Path(__file__).parent / "assets" / "cabinet.xml")}
    watched = ("cabinet/base",)
    camera = "side"
    marks = ("cabinet/handle",)
    joints = ("cabinet/slide",)
    factors = (
        Stand(
            "cabinet",
            (0.58, -0.15, -0.2),
            (0.66, 0.15, 0.2),
            test=((0.56, -0.2, -0.3), (0.68, 0.2, 0.3)),
            base="cabinet/base",
        ),
    )
    expert = expert(_plan, base=3, base_quat=4, handle=3, slide=1)

    def success(self, state, memory):
        """Compare the drawer's travel with 12 cm."""
        return state.joint("cabinet/slide").pos[:, 0] > SUCCESS_M
