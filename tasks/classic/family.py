"""What the classic tasks share: bodies, noise at the start, torques as actions.

Frames: world, z up, x forward; lengths in metres. Action: one number in [-1, 1] per motor, a share of the range of
controls that the body's file gives it. Observation: positions without where the body is along the ground, velocities,
and what a task adds. Source: gymnasium's MuJoCo environments, version 5, after Todorov et al., "MuJoCo", IROS 2012, and
Schulman et al., arXiv:1506.02438. Success is ours, for gymnasium has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from metasim.control import JointEffort
from metasim.core.backend import Start
from metasim.core.factors import Factor, Uniform
from metasim.core.state import State
from metasim.core.task import Memory, Task, register
from metasim.tasks.classic.scenes import Morphology

Array = Any


@dataclass(frozen=True)
class Normal(Factor):
    """A vector of ``size`` independent normal numbers of mean zero and standard deviation ``scale``."""

    name: str
    size: int
    scale: float

    def sample(self, rng: np.random.Generator, split: str) -> Array:
        """Draw one vector ``(K,)``."""
        return self.scale * rng.standard_normal(self.size)


def noise(body: Morphology, scale: float, *, normal: bool = False) -> tuple[Factor, ...]:
    """Return what positions and velocities start with besides the initial ones.

    Args:
        body: Whose.
        scale: Both are drawn from [-scale, scale].
        normal: Velocities are normal instead, with this standard deviation.
    """
    return (
        _uniform("position_noise", body.qpos_size, scale),
        Normal("velocity_noise", body.qvel_size, scale)
        if normal
        else _uniform("velocity_noise", body.qvel_size, scale),
    )


class ClassicTask(Task):
    """Base of the classic tasks; a row of the table is a subclass with ``body`` and ``factors``.

    Attributes:
        body: The body that moves.
    """

    body: ClassVar[Morphology]

    def start(self, sample: Mapping[str, Array]) -> Start:
        """Return the initial coordinates with noise."""
        return start(self.body, sample["position_noise"], sample["velocity_noise"])

    def observe(self, state: State, memory: Memory) -> Mapping[str, Array]:
        """Return positions and velocities."""
        return {"position": state.qpos[:, self.body.hidden :], "velocity": state.qvel}


def start(body: Morphology, position: Array, velocity: Array) -> Start:
    """Return a start at a body's initial coordinates plus ``position`` ``(n, nq)``, with ``velocity`` ``(n, nv)``."""
    joints, velocities, q, v = {}, {}, 0, 0
    for name, home in body.joints.items():
        wide, fast = len(home), 6 if len(home) == 7 else 1
        joints[name] = np.array(home) + position[:, q : q + wide]
        velocities[name] = velocity[:, v : v + fast]
        q, v = q + wide, v + fast
    return Start(joints=joints, velocities=velocities)


def task(name: str, body: Morphology, instruction: str, *, horizon: int = 1000, **attributes: Any) -> Any:
    """Return the decorator that registers a task about a body as ``classic/<name>-v0``."""
    return register(
        f"classic/{name}-v0",
        horizon=horizon,
        instruction=instruction,
        body=body,
        scene=body.scene,
        substeps=body.substeps,
        camera=body.camera,
        control=JointEffort(),
        **attributes,
    )


def _uniform(name: str, size: int, scale: float) -> Uniform:
    return Uniform(name, (-scale,) * size, (scale,) * size)
