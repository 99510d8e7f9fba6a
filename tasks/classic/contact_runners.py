"""Runners that feel contact: ant and humanoid.

Both pay for the external wrenches f of all bodies, and observe them: torque [N m] about the centre of mass of the whole
body, then force [N]. Reward: that of a runner, less k |f|^2. Source and notation as in ``runners.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from metasim.core.reads import Reads
from metasim.core.state import State
from metasim.core.task import Memory
from metasim.tasks.classic.family import noise, task
from metasim.tasks.classic.runners import Healthy, Runner
from metasim.tasks.classic.scenes import ANT, HUMANOID

Array = Any


@task(
    "ant",
    ANT,
    "walk forward on four legs",
    factors=noise(ANT, 0.1, normal=True),
    reads=Reads(fields=("xpos", "cfrc_ext")),
)
class Ant(Runner):
    """Ant-v5: f is clipped to [-1, 1]. Success: healthy and at least 5 m/s."""

    healthy_reward, control_cost = 1.0, 0.5
    healthy = Healthy(height_m=(0.2, 1.0), closed=True)
    contact_cost: ClassVar[float] = 5e-4
    largest_wrench: ClassVar[float] = 1.0
    fast_m_s = 5.0

    def place(self, state: State) -> Array:
        """Return the torso's x."""
        return state.field("xpos", "torso")[:, 0]

    def observe(self, state: State, memory: Memory) -> Mapping[str, Array]:
        """Return positions, velocities, and the wrenches on all bodies."""
        return {**super().observe(state, memory), "wrench": self._wrench(state)}

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return w v + b h - c |a|^2 - k |f|^2."""
        wrench = self._wrench(state)
        return super().reward(state, memory, action) - self.contact_cost * np.vecdot(wrench, wrench)

    def _wrench(self, state: State) -> Array:
        top = self.largest_wrench
        wrench = np.minimum(np.maximum(state.field("cfrc_ext")[:, 1:], -top), top)
        return wrench.reshape(state.num_worlds, -1)


LARGEST_CONTROL = 0.4
"""What the humanoid's motors get at 1, in units of their gears."""
GEAR = (100.0, 100.0, 100.0, *(100.0, 100.0, 300.0, 200.0) * 2, *(25.0,) * 6)
"""Torque of each motor at a control of 1 [N m], in the order of the joints."""
MOTORS = (1, 0, *range(2, 17))
"""Action component that drives each joint: the files give the abdomen's motors in another order than its joints."""


@task(
    "humanoid",
    HUMANOID,
    "walk forward on two legs",
    factors=noise(HUMANOID, 1e-2),
    reads=Reads(fields=("subtree_com", "cinert", "cvel", "cfrc_ext")),
)
class Humanoid(Runner):
    """Humanoid-v5: k |f|^2 is at most 10. Success: upright and at least 1 m/s."""

    forward_weight, healthy_reward = 1.25, 5.0
    control_cost = 0.1 * LARGEST_CONTROL**2
    healthy = Healthy(height_m=(1.0, 2.0))
    contact_cost: ClassVar[float] = 5e-7
    largest_contact_cost: ClassVar[float] = 10.0

    def place(self, state: State) -> Array:
        """Return x of the centre of mass."""
        return state.field("subtree_com", "world")[:, 0]

    def begin(self, state: State, sample: Mapping[str, Array]) -> Memory:
        """Note where the body starts; its motors rest."""
        return {**super().begin(state, sample), "torque": np.zeros((state.num_worlds, len(GEAR)))}

    def advance(self, state: State, memory: Memory, action: Array) -> Memory:
        """Note how far it came, and what its motors gave."""
        torque = action[:, MOTORS].astype(np.float64) * LARGEST_CONTROL * GEAR
        return {**super().advance(state, memory, action), "torque": torque}

    def observe(self, state: State, memory: Memory) -> Mapping[str, Array]:
        """Return positions, velocities, and for all bodies inertia, velocity and wrench, with the torques between."""
        return {
            **super().observe(state, memory),
            "inertia": _flat(state.field("cinert")),
            "body_velocity": _flat(state.field("cvel")),
            "torque": memory["torque"],
            "wrench": _flat(state.field("cfrc_ext")),
        }

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return w v + b h - c |a|^2 - min(k |f|^2, 10)."""
        wrench = _flat(state.field("cfrc_ext"))
        cost = self.contact_cost * np.vecdot(wrench, wrench)
        return super().reward(state, memory, action) - np.minimum(cost, self.largest_contact_cost)


def _flat(field: Array) -> Array:
    """Return the numbers of all bodies but the world ``(N, (B - 1) K)``."""
    return field[:, 1:].reshape(len(field), -1)
