"""Per-world parameters: fields of the model that get a row for each world when first written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from mujoco import batch

from metasim.core.backend import Start
from metasim.model import Model
from metasim.model.parameters import FIELDS, check, index, model_value, pick, start_values

Array = Any


def expand(b: batch.Batch, name: str) -> Array:
    """Return the per-world values of a model field, writable."""
    return b.expand(name)


def checked(model: Model, start: Start, n: int) -> dict[tuple[str, int], Array]:
    """Return what a start sets, by parameter and index, checked: one row per world."""
    found = {}
    for (parameter, name), values in start_values(model, start).items():
        k, rows = check(model, parameter, name, values, n)
        found[parameter, k] = rows
    return found


def set_parameters(b: batch.Batch, model: Model, values: Mapping[tuple[str, int], Array], rows: Array) -> None:
    """Write checked parameters of some worlds, and what follows from them."""
    for (parameter, k), value in values.items():
        _write(b, model, parameter, k, value, rows)
    if any(parameter in ("mass", "inertia") for parameter, _ in values):
        b.set_const(rows)


def get_parameter(b: batch.Batch, model: Model, parameter: str, name: str) -> Array:
    """Return a parameter of every world."""
    k, field = index(model, parameter, name), FIELDS[parameter][0]
    values = b.expanded(field)
    if values is None:
        default = model_value(model, field)
        values = np.broadcast_to(default, (b.nsim, *np.shape(default)))
    return np.array(pick(model, parameter, k, values))


def _write(b: batch.Batch, model: Model, parameter: str, k: int, values: Array, rows: Array) -> None:
    fields = [expand(b, f) for f in FIELDS[parameter]]
    match parameter:
        case "mass":
            scale = values / fields[0][rows, k]
            fields[0][rows, k] = values
            fields[1][rows, k] *= scale[:, None]
        case "friction":
            fields[0][rows, k, 0] = values
        case "damping":
            dof = int(model.info.dof_start[k])
            width = {"free": 6, "ball": 3}.get(model.info.joint_types[k], 1)
            fields[0][rows, dof : dof + width] = values[:, None]
        case "gain":
            kind = model.info.actuator_kinds[k]
            fields[0][rows, k, 0] = values
            if kind != "effort":
                fields[1][rows, k, 1 if kind == "position" else 2] = -values
        case "gravity":
            fields[0][rows] = values
        case _:
            fields[0][rows, k] = values
