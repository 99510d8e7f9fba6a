"""A cart-pole for the tests of learners: light, ends when the pole falls, 1 for every step that it stands."""

from pathlib import Path

import numpy as np

from metasim.control import JointEffort
from metasim.core.backend import Start
from metasim.core.factors import Uniform
from metasim.core.reads import Reads
from metasim.core.scene import Asset, Scene
from metasim.core.task import Task, register

JOINTS = ("slide", "hinge")
FALLEN_RAD = 0.2


@register("test/cart-pole-v0", horizon=200, instruction="keep the pole upright")
class CartPole(Task):
    scene = Scene(base=Asset(path=Path(__file__).with_name("cart_pole.xml")))
    control = JointEffort()
    reads = Reads(joints=JOINTS)
    factors = (Uniform("start", low=(-0.05,) * 4, high=(0.05,) * 4),)
    substeps = 2
    camera = "side"

    def start(self, sample):
        columns = [np.asarray(sample["start"])[:, i : i + 1] for i in range(4)]
        return Start(
            joints=dict(zip(JOINTS, columns[:2], strict=True)), velocities=dict(zip(JOINTS, columns[2:], strict=True))
        )

    def observe(self, state, memory):
        joints = [state.joint(name) for name in JOINTS]
        return {"cart": joints[0].pos, "pole": joints[1].pos, "speeds": np.concatenate([j.vel for j in joints], axis=1)}

    def reward(self, state, memory, action):
        return np.where(self._fallen(state), 0.0, 1.0)

    def success(self, state, memory):
        return np.abs(state.joint("hinge").pos[:, 0]) < 0.1

    def terminated(self, state, memory):
        return self._fallen(state)

    @staticmethod
    def _fallen(state):
        return (np.abs(state.joint("hinge").pos[:, 0]) > FALLEN_RAD) | (np.abs(state.joint("slide").pos[:, 0]) > 1.9)
