"""Backends with one bug each in how they treat parameters, and the checks that must notice it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from metasim.backends.mujoco import MujocoBackend
from metasim.conformance import ConformanceFailure, check_backend
from metasim.core.backend import Backend, Start

Array = Any


class SharedParameters(MujocoBackend):
    """The last world's value in every world."""

    def set_parameter(self, parameter: str, name: str, values: Array, worlds: Array | None = None) -> None:
        last = np.asarray(values)[-1]
        super().set_parameter(parameter, name, np.stack([last] * self.num_worlds))


class MassWithoutInertia(MujocoBackend):
    def set_parameter(self, parameter: str, name: str, values: Array, worlds: Array | None = None) -> None:
        super().set_parameter(parameter, name, values, worlds)
        if parameter == "mass":
            self._ready().expand("body_inertia")[:] = self._model.mj.body_inertia


class MomentsInAnotherOrder(MujocoBackend):
    def set_parameter(self, parameter: str, name: str, values: Array, worlds: Array | None = None) -> None:
        turned = np.roll(values, 1, axis=-1) if parameter == "inertia" else values
        super().set_parameter(parameter, name, turned, worlds)


class StartWithoutScales(MujocoBackend):
    def write(self, start: Start, worlds: Array | None = None) -> None:
        super().write(replace(start, scales={}), worlds)


class ParametersStay(MujocoBackend):
    """What a start set is still there in restored worlds."""

    def restore(self, snapshot: Any, worlds: Array | None = None, rows: Array | None = None) -> None:
        b = self._ready()
        kept = {f: np.array(b.expanded(f)) for f in ("body_mass", "body_inertia") if b.expanded(f) is not None}
        super().restore(snapshot, worlds, rows)
        for name, values in kept.items():
            b.expand(name)[:] = values


CAUGHT: Mapping[type[Backend], tuple[str, ...]] = {
    SharedParameters: ("mass", "moments", "friction", "damping", "gravity", "gain", "places", "travel"),
    MassWithoutInertia: ("mass",),
    MomentsInAnotherOrder: ("moments",),
    StartWithoutScales: ("begun",),
    ParametersStay: ("begun", "travel"),
}


@pytest.mark.parametrize("mutant", CAUGHT, ids=lambda mutant: mutant.__name__)
def test_each_bug_is_caught(mutant: type[Backend]) -> None:
    with pytest.raises(ConformanceFailure) as caught:
        check_backend(mutant, only=CAUGHT[mutant])
    assert set(caught.value.problems) == set(CAUGHT[mutant])
