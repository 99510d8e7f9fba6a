"""The gripper's share of an action: one number, mapped to the controls of its actuators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from metasim.core.backend import Backend

Array = Any


class Grip:
    """One action component for several actuators.

    Args:
        backend: The loaded backend.
        controls: Actuator name to its controls at -1 (open) and +1 (closed).
    """

    def __init__(self, backend: Backend, controls: Mapping[str, tuple[float, float]]) -> None:
        columns = [backend.info.index("actuator", name) for name in controls]
        self.size = 1 if columns else 0
        contiguous = columns == list(range(columns[0], columns[0] + len(columns))) if columns else False
        self._columns: Any = slice(columns[0], columns[0] + len(columns)) if contiguous else columns
        opened, closed = np.array([*controls.values()], float).reshape(-1, 2).T
        self._centre, self._half = (closed + opened) / 2, (closed - opened) / 2
        self._plain = not self._centre.any()
        self._ctrl = backend.targets.ctrl

    def apply(self, action: Array) -> None:
        """Write the controls for ``(N, 1)`` components."""
        if not self.size:
            return
        self._ctrl[:, self._columns] = action * self._half if self._plain else self._centre + action * self._half
