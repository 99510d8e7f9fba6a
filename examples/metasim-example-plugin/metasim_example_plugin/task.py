"""Drive a cart along its rail to a goal.

Success: the cart's centre is within 5 cm of the goal, along x. Actions are forces of at most 10 N.
"""

import numpy as np

from metasim import Reads, Scene, Task, register
from metasim.control import JointEffort
from metasim.core.factors import Place
from metasim.core.rewards import distance
from metasim.core.scene import Camera, Drive, Robot


def expert(observation):
    """Return forces ``(N, 1)`` that pull the cart to the goal and brake it."""
    place, speed, goal = observation.T
    return np.clip(2.0 * (goal - place) - 1.2 * speed, -1.0, 1.0)[:, None]


@register("example/cart-v0", horizon=100, instruction="drive the cart to the green goal")
class DriveCart(Task):
    """The whole task; scene and randomness are data, the rest is functions of all worlds at once."""

    scene = Scene(
        robot=Robot(model="example_cart", drive=Drive(kind="effort", effort_limit=10.0)),
        goals=("goal",),
        cameras={"front": Camera(pos=(0.0, -2.0, 1.0))},
    )
    control = JointEffort()
    reads = Reads(joints=("rail",), bodies=("cart",), sites=("goal",))
    factors = (Place("goal", (-0.8, 0.0, 0.1), (0.8, 0.0, 0.1)),)
    substeps = 20
    expert = staticmethod(expert)

    def observe(self, state, memory):
        """Return place [m] and speed [m/s] of the cart, and place of the goal [m]."""
        rail = state.joint("rail")
        return {"place": rail.pos, "speed": rail.vel, "goal": state.site("goal").pos[:, :1]}

    def success(self, state, memory):
        """Return whether the cart is at the goal."""
        return distance(state.body("cart").pos, state.site("goal").pos) < 0.05
