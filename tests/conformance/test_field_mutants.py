"""Backends with one bug each in the fields of all bodies, and the checks that must notice it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from metasim.backends.mujoco import MujocoBackend
from metasim.conformance import ConformanceFailure, check_backend
from metasim.core.backend import Backend
from metasim.core.state import State

Array = Any


class StaleFields(MujocoBackend):
    """A write leaves the fields as they were."""

    def _refresh(self, rows: Array) -> None:
        kept = self._fields.values.copy()
        super()._refresh(rows)
        self._fields.values[:] = kept


class ForceBeforeTorque(MujocoBackend):
    def step(self, substeps: int = 1) -> State:
        super().step(substeps)
        if "cfrc_ext" in self._model.layout.fields:
            wrench = self._fields.values[:, self._model.layout.field_slice("cfrc_ext")]
            wrench[:] = np.roll(wrench.reshape(self.num_worlds, -1, 6), 3, axis=2).reshape(self.num_worlds, -1)
        return self._state


class SnapshotWithoutFields(MujocoBackend):
    """A restored world shows the fields of its coordinates, and not those it had when it was copied."""

    def restore(self, snapshot: Any, worlds: Array | None = None, rows: Array | None = None) -> None:
        super().restore(snapshot, worlds, rows)
        self._refresh(np.arange(self.num_worlds))


CAUGHT = {
    StaleFields: ("field_places", "field_wrenches"),
    ForceBeforeTorque: ("field_wrenches",),
    SnapshotWithoutFields: ("snapshot",),
}


@pytest.mark.parametrize("mutant", CAUGHT, ids=lambda mutant: mutant.__name__)
def test_each_bug_is_caught(mutant: type[Backend]) -> None:
    with pytest.raises(ConformanceFailure) as caught:
        check_backend(mutant, only=CAUGHT[mutant])
    assert set(caught.value.problems) == set(CAUGHT[mutant])
