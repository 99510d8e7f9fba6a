"""Declared fields of all bodies, as MuJoCo's last evaluation left them.

What stands in MuJoCo's data after a step is not of the new state: with the Euler integrators it is of the state before
the last substep, with RK4 of the last of its four evaluations. Fields are shown like that, since suites made for MuJoCo
observe them so. The batch does not evaluate forces where RK4 ends; ``after_step`` does, at the new state, in worlds
where something touched.
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from mujoco import batch

from metasim.backends.mujoco.state import Kinematics, ends_late
from metasim.core.reads import FIELDS, FORCE_FIELDS
from metasim.model import Model

Array = Any
_PULLS = (int(mujoco.mjtEq.mjEQ_CONNECT), int(mujoco.mjtEq.mjEQ_WELD))


class Fields:
    """Copies of what a batch computes, in one array ``values`` ``(N, F)``."""

    def __init__(self, b: batch.Batch, model: Model, kinematics: Kinematics) -> None:
        layout, n = model.layout, b.nsim
        self._kinematics = kinematics
        self.values = np.zeros((n, layout.field_columns))
        self._places: list[tuple[Array, Array]] = []
        self._forces: list[tuple[Array, Array]] = []
        for name in layout.fields:
            view = self.values[:, layout.field_slice(name)].reshape(n, -1, FIELDS[name])
            (self._forces if name in FORCE_FIELDS else self._places).append((view, b.bind(name)))
        self._again = bool(self._forces) and ends_late(model)
        if self._again:
            self._touching, self._pushed = b.bind("ncon"), b.bind("xfrc_applied")
            self._pulled = bool(np.isin(model.mj.eq_type, _PULLS).any())

    def after_step(self) -> None:
        """Copy what a step left, of all worlds."""
        for view, bound in self._places:
            view[:] = bound
        if not self._again:
            for view, bound in self._forces:
                view[:] = bound
            return
        self.forget_forces(slice(None))
        felt = (self._touching.reshape(-1) > 0) | self._pushed.any(axis=(1, 2)) | self._pulled
        rows = np.flatnonzero(felt)
        if len(rows):
            self._kinematics.forces(rows)
            for view, bound in self._forces:
                view[rows] = bound[rows]

    def after_forward(self, rows: Array | None) -> None:
        """Copy what a forward pass computed of some worlds or all."""
        some = slice(None) if rows is None else rows
        for view, bound in self._places:
            view[some] = bound[some]

    def forget_forces(self, rows: Any) -> None:
        """Set to zero what only a step makes."""
        for view, _ in self._forces:
            view[rows] = 0.0
