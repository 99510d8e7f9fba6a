"""End-effector control by a mocap body that a soft weld ties the hand to.

An action moves the mocap body, not the hand: the target is integrated and kept inside a box, the hand follows through
the weld. Source: the original Meta-World's control, Yu et al., arXiv:1910.10897 (float32 arithmetic kept).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metasim.control.grip import Grip
from metasim.core.backend import Backend
from metasim.core.control import BoundControl, Control
from metasim.core.state import State

Array = Any


@dataclass(frozen=True, kw_only=True)
class MocapDelta(Control):
    """Actions ``(dx, dy, dz[, grip])``: translate a mocap body, close a gripper.

    Args:
        mocap: The mocap body's name.
        step_m: Displacement at 1, per action and axis.
        low: Lower corner of the target's box ``(3,)`` [m], world.
        high: Upper corner.
        grip: Gripper actuator to its controls at -1 (open) and +1 (closed).
    """

    mocap: str = "mocap"
    step_m: float = 0.01
    low: tuple[float, float, float] = (-np.inf, -np.inf, -np.inf)
    high: tuple[float, float, float] = (np.inf, np.inf, np.inf)
    grip: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def bind(self, backend: Backend) -> BoundControl:
        """Resolve names."""
        return _BoundMocapDelta(self, backend)


class _BoundMocapDelta(BoundControl):
    def __init__(self, control: MocapDelta, backend: Backend) -> None:
        self.targets = backend.targets
        self._pos = backend.targets.mocap_pos[:, backend.info.index("mocap", control.mocap)]
        self._step, self._low, self._high = control.step_m, np.array(control.low), np.array(control.high)
        self._grip = Grip(backend, control.grip)
        self.size = 3 + self._grip.size

    def reset(self, state: State, worlds: Array) -> None:
        """Keep the targets that the start came with: the mocap body stays where it holds the hand."""

    def apply(self, action: Array, state: State) -> None:
        """Move the target."""
        pos = self._pos
        pos += action[:, :3] * self._step
        np.maximum(pos, self._low, out=pos)
        np.minimum(pos, self._high, out=pos)
        self._grip.apply(action[:, 3:])
