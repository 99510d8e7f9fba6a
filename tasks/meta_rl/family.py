"""What the running tasks share: a body of the classic suite, its start, its velocity, and no end but the horizon.

Frames: world, z up, x forward; lengths in metres, velocities in m/s, actions in units of each motor's range.
Source: Meta-DT (arXiv:2410.11448) and the environments it takes over; ``docs/meta_rl.md`` lists what differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from metasim.control import JointEffort
from metasim.core.backend import Start
from metasim.core.factors import Factor
from metasim.core.state import State
from metasim.core.task import Memory, Task
from metasim.tasks.classic.scenes import Morphology
from metasim.tasks.meta_rl.factors import Noise

Array = Any
NOISE = "start"


class Hidden(Task):
    """Base of all families: what tells tasks apart is the factor ``varied``, never observed; nothing succeeds.

    Attributes:
        varied: Name of that factor; ``memory["task"]`` holds its values ``(N, K)``.
    """

    varied: ClassVar[str]

    def success(self, state: State, memory: Memory) -> Array:
        """Return False ``(N,)``: these tasks have returns only."""
        return np.zeros(state.num_worlds, bool)


class Runner(Hidden):
    """A body that runs along the ground.

    Attributes:
        body: The body.
        step_s: How long an action lasts [s].
    """

    control = JointEffort()
    body: ClassVar[Morphology]
    step_s: ClassVar[float]

    def start(self, sample: Mapping[str, Array]) -> Start:
        """Return home positions and rest, with noise."""
        noise, nq = sample[NOISE], self.body.qpos_size
        joints: dict[str, Array] = {}
        velocities: dict[str, Array] = {}
        q, v = 0, nq
        for name, home in self.body.joints.items():
            width, speed = (7, 6) if len(home) == 7 else (1, 1)
            pose = np.array(home) + noise[:, q : q + width]
            if width == 7:
                pose[:, 3:] /= np.linalg.norm(pose[:, 3:], axis=1, keepdims=True)
            joints[name], velocities[name] = pose, noise[:, v : v + speed]
            q, v = q + width, v + speed
        return Start(joints=joints, velocities=velocities, **self.placed(sample))

    def placed(self, sample: Mapping[str, Array]) -> dict[str, Any]:
        """Return the fields of a start that the factors set."""
        return {k: v for f in self.factors for k, v in f.place(np.asarray(sample[f.name]), {}).items()}

    def begin(self, state: State, sample: Mapping[str, Array]) -> Memory:
        """Return the hidden task, and where the body stands."""
        at = state.qpos[:, :2].copy()
        return {"task": np.array(sample[self.varied]), "at": at, "velocity": np.zeros_like(at)}

    def advance(self, state: State, memory: Memory, action: Array) -> Memory:
        """Take the mean velocity over the step."""
        at = state.qpos[:, :2].copy()
        return {"task": memory["task"], "at": at, "velocity": (at - memory["at"]) / self.step_s}


def noise(body: Morphology, scale: float, *, normal: bool = False) -> Factor:
    """Return the factor of a body's first coordinates; see :class:`~metasim.tasks.meta_rl.factors.Noise`."""
    return Noise(NOISE, body.qpos_size, body.qvel_size, scale, normal)


def effort(action: Array) -> Array:
    """Return the squared norm ``(N,)`` of actions ``(N, A)``."""
    return np.square(np.asarray(action, np.float64)).sum(axis=1)
