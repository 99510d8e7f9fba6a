"""Pick household objects up: a table of meshes that an installed asset package brings (extra ``robots``).

The shapes are MyoSuite's; each collides as its convex hull, stands on its foot, and is held across its narrow side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from metasim.core.factors import Place
from metasim.core.rewards import distance
from metasim.core.scene import Goal, Mesh, Rgba
from metasim.tasks.tabletop.factors import Stand
from metasim.tasks.tabletop.family import Tabletop, tabletop
from metasim.tasks.tabletop.plan import Plan, View, carry, expert, grasp, shifted

REACH_M = 0.035  # how far below an object's top the fingertips go


@dataclass(frozen=True, kw_only=True)
class Household:
    """An object that is picked up.

    Args:
        file: Locator of its mesh, whose origin is in its middle.
        half_m: Half its height.
        width_m: Its width where it is held.
        mass_kg: Its mass.
        rgba: Its colour.
        scale: Its size, as a share of the file's.
    """

    file: str
    half_m: float
    width_m: float
    mass_kg: float
    rgba: Rgba
    scale: float = 1.0

    @property
    def mesh(self) -> Mesh:
        """The object as a part of a scene."""
        return Mesh(
            path=f"household:{self.file}",
            scale=(self.scale, self.scale, self.scale),
            stiff=True,
            mass_kg=self.mass_kg,
            pos=(0.5, 0.0, self.half_m),
            rgba=self.rgba,
        )

    @property
    def plan(self) -> Callable[[View], Plan]:
        """How it is picked up."""
        above = max(self.half_m - REACH_M, 0.0)
        return lambda see: grasp(see, shifted(see.thing, z=above), self.width_m, (carry(see, see.thing, see.goal),))


OBJECTS: Mapping[str, Household] = MappingProxyType(
    {
        "apple": Household(
            file="apple/apple.stl", half_m=0.0345, width_m=0.058, mass_kg=0.12, rgba=(0.75, 0.12, 0.1, 1.0), scale=0.7
        ),
        "camera": Household(
            file="camera/camera.stl", half_m=0.0338, width_m=0.047, mass_kg=0.15, rgba=(0.2, 0.2, 0.22, 1.0)
        ),
        "stapler": Household(
            file="stapler/stapler.stl", half_m=0.0203, width_m=0.03, mass_kg=0.1, rgba=(0.15, 0.35, 0.6, 1.0)
        ),
        "alarm-clock": Household(
            file="alarmclock/alarmclock.stl", half_m=0.0541, width_m=0.045, mass_kg=0.15, rgba=(0.85, 0.7, 0.2, 1.0)
        ),
        "computer-mouse": Household(
            file="mouse/mouse.stl", half_m=0.0176, width_m=0.056, mass_kg=0.1, rgba=(0.85, 0.85, 0.85, 1.0), scale=0.9
        ),
    }
)


class PickObject(Tabletop):
    """Success: the object's middle is within 2.5 cm of the goal."""

    goals = {"goal": Goal()}
    watched = ("thing",)
    factors = (
        Stand("thing", (0.4, -0.15, -0.2), (0.58, 0.15, 0.2), test=((0.38, -0.22, -0.35), (0.6, 0.22, 0.35))),
        Place("goal", (0.4, -0.15, 0.18), (0.6, 0.15, 0.3), test=((0.38, -0.22, 0.15), (0.62, 0.22, 0.33))),
    )

    def success(self, state, memory):
        """Tell whether the object is at the goal."""
        return distance(state.body("thing").pos, state.site("goal").pos) < 0.025


for _name, _object in OBJECTS.items():
    _attributes: dict[str, Any] = {
        "__doc__": PickObject.__doc__,
        "__module__": __name__,
        "things": {"thing": _object.mesh},
        "expert": expert(_object.plan, thing=3, thing_quat=4, goal=3),
    }
    _words = f"pick up the {_name.replace('-', ' ')} and hold it at the green point"
    tabletop(f"pick-{_name}", _words, horizon=120)(type("PickObject", (PickObject,), _attributes))
