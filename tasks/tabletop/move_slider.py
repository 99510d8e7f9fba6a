"""Move a block on a rail until its post is under a mark."""

from pathlib import Path

from metasim.core.rewards import distance
from metasim.core.scene import Asset
from metasim.tasks.tabletop.factors import Mark, Setting, Stand
from metasim.tasks.tabletop.family import Tabletop, tabletop
from metasim.tasks.tabletop.plan import carry, expert, grasp

POST_M = 0.022


@tabletop("move-slider", "move the slider along its rail to the green mark", horizon=120)
class MoveSlider(Tabletop):
    """Success: the post's grip is within 1 cm of the mark."""

    things = {"slider": Asset(path=Path(__file__).parent / "assets" / "slider.xml")}
    watched = ("slider/base",)
    marks = ("slider/knob", "slider/mark")
    factors = (
        Stand(
            "slider",
            (0.42, -0.1, -0.4),
            (0.56, 0.1, 0.4),
            test=((0.4, -0.15, -0.6), (0.58, 0.15, 0.6)),
            base="slider/base",
        ),
        Setting("slide", (-0.13,), (-0.03,), test=((-0.14,), (-0.02,)), joint="slider/slide"),
        Mark(
            "mark",
            (0.0, 0.03, 0.084),
            (0.0, 0.13, 0.084),
            test=((0.0, 0.02, 0.084), (0.0, 0.14, 0.084)),
            site="slider/mark",
        ),
    )
    expert = expert(
        lambda see: grasp(see, see.knob, POST_M, (carry(see, see.knob, see.mark),)),
        base=3, base_quat=4, knob=3, mark=3,
    )  # fmt: skip

    def success(self, state, memory):
        """Tell whether the post is at the mark."""
        return distance(state.site("slider/knob").pos, state.site("slider/mark").pos) < 0.01
