"""Per-world parameters: fields of the model that get a row for each world when first written."""

from __future__ import annotations

from typing import Any

import numpy as np
from mujoco import batch

from metasim.core.backend import PARAMETERS, finite_rows
from metasim.core.errors import InvalidState, UnknownName
from metasim.model import Model
from metasim.model.parameters import FIELDS

Array = Any


def expand(b: batch.Batch, name: str) -> Array:
    """Return the per-world values of a model field, writable."""
    return b.expand(name)


def model_value(model: Model, field: str) -> Array:
    """Return the value a field has in the shared model."""
    return model.mj.opt.gravity if field == "opt.gravity" else getattr(model.mj, field)


def set_parameter(b: batch.Batch, model: Model, parameter: str, name: str, values: Array, rows: Array) -> None:
    """Write a parameter of some worlds."""
    k = _index(model, parameter, name)
    n = len(rows)
    fields = [expand(b, f) for f in FIELDS[parameter]]
    match parameter:
        case "mass":
            mass = finite_rows("mass", values, (n,))
            if (mass <= 0).any():
                raise InvalidState(f"mass of {name!r} must be positive, got {mass.min()!r}")
            scale = mass / fields[0][rows, k]
            fields[0][rows, k] = mass
            fields[1][rows, k] *= scale[:, None]
            b.set_const(rows)
        case "friction":
            fields[0][rows, k, 0] = _not_negative(parameter, name, finite_rows(parameter, values, (n,)))
        case "damping":
            dof = int(model.info.dof_start[k])
            width = {"free": 6, "ball": 3}.get(model.info.joint_types[k], 1)
            damping = _not_negative(parameter, name, finite_rows(parameter, values, (n,)))
            fields[0][rows, dof : dof + width] = damping[:, None]
        case "gain":
            _set_gain(model, k, fields, finite_rows(parameter, values, (n,)), rows)
        case "gravity":
            fields[0][rows] = finite_rows(parameter, values, (n, 3))
        case _:
            fields[0][rows, k] = finite_rows(parameter, values, (n, fields[0].shape[-1]))


def get_parameter(b: batch.Batch, model: Model, parameter: str, name: str) -> Array:
    """Return a parameter of every world."""
    k = _index(model, parameter, name)
    field = FIELDS[parameter][0]
    values = b.expanded(field)
    if values is None:
        default = model_value(model, field)
        values = np.broadcast_to(default, (b.nsim, *np.shape(default)))
    if parameter == "gravity":
        return np.array(values)
    column = int(model.info.dof_start[k]) if parameter == "damping" else k
    return np.array(values[:, column, 0] if parameter in ("friction", "gain") else values[:, column])


def _index(model: Model, parameter: str, name: str) -> int:
    if parameter not in PARAMETERS:
        raise UnknownName("parameter", parameter, PARAMETERS)
    return model.info.index(PARAMETERS[parameter], name) if PARAMETERS[parameter] else 0


def _set_gain(model: Model, k: int, fields: list[Array], gain: Array, rows: Array) -> None:
    kind = model.info.actuator_kinds[k]
    if kind == "other":
        raise InvalidState(
            f"actuator {model.info.actuators[k]!r} is neither position, velocity nor effort; its gain cannot be set"
        )
    fields[0][rows, k, 0] = gain
    if kind != "effort":
        fields[1][rows, k, 1 if kind == "position" else 2] = -gain


def _not_negative(parameter: str, name: str, values: Array) -> Array:
    if (values < 0).any():
        raise InvalidState(f"{parameter} of {name!r} must not be negative, got {values.min()!r}")
    return values
