"""Which fields of the canonical model a per-world parameter stands for; the same for every engine."""

from __future__ import annotations

from typing import Any

import numpy as np

from metasim.core.backend import PARAMETERS, Start, finite_rows
from metasim.core.errors import InvalidState, UnknownName
from metasim.model.model import Model

Array = Any

FIELDS = {
    "mass": ("body_mass", "body_inertia"),
    "inertia": ("body_inertia", "body_mass"),
    "friction": ("geom_friction",),
    "damping": ("dof_damping",),
    "gain": ("actuator_gainprm", "actuator_biasprm"),
    "gravity": ("opt.gravity",),
    "body_pos": ("body_pos",),
    "body_quat": ("body_quat",),
    "site_pos": ("site_pos",),
}
"""The first is what the parameter is read from."""
WIDTHS = {"inertia": 3, "gravity": 3, "body_pos": 3, "body_quat": 4, "site_pos": 3}
"""Numbers per world of the parameters that are not one."""
DERIVED = (
    "body_subtreemass",
    "dof_invweight0",
    "body_invweight0",
    "dof_M0",
    "tendon_invweight0",
    "actuator_acc0",
    "dof_length",
)
EXPANDABLE = tuple(dict.fromkeys([f for fields in FIELDS.values() for f in fields] + list(DERIVED)))
"""Fields that may get a row for each world: those of the parameters, and what follows from them."""


def index(model: Model, parameter: str, name: str) -> int:
    """Return the index of what a parameter's name stands for; 0 for the world's own.

    Raises:
        UnknownName: For a parameter or name that is not there.
    """
    if parameter not in PARAMETERS:
        raise UnknownName("parameter", parameter, PARAMETERS)
    return model.info.index(PARAMETERS[parameter], name) if PARAMETERS[parameter] else 0


def pick(model: Model, parameter: str, k: int, values: Array) -> Array:
    """Return a parameter ``(...)`` or ``(..., K)`` out of the field ``(..., F)`` that it is read from."""
    if parameter == "gravity":
        return values
    column = int(model.info.dof_start[k]) if parameter == "damping" else k
    if parameter in ("friction", "gain"):
        return values[..., column, 0]
    return values[..., column, :] if parameter in WIDTHS else values[..., column]


def model_value(model: Model, field: str) -> Array:
    """Return the value a field has in the shared model."""
    return model.mj.opt.gravity if field == "opt.gravity" else getattr(model.mj, field)


def check(model: Model, parameter: str, name: str, values: Array, n: int) -> tuple[int, Array]:
    """Return the index of what is meant and the checked values, one row per world.

    Raises:
        UnknownName: For a parameter or name that is not there.
        InvalidState: For a wrong shape, sign or kind.
    """
    k = index(model, parameter, name)
    shape = (n, WIDTHS[parameter]) if parameter in WIDTHS else (n,)
    what = f"{parameter} of {name!r}" if name else parameter
    rows = finite_rows(what, values, shape)
    if parameter in ("friction", "damping") and (rows < 0).any():
        raise InvalidState(f"{what} must not be negative, got {rows.min()!r}")
    if parameter in ("mass", "inertia") and (rows <= 0).any():
        raise InvalidState(f"{what} must be positive, got {rows.min()!r}")
    if parameter == "gain" and model.info.actuator_kinds[k] == "other":
        raise InvalidState(f"actuator {name!r} is neither position, velocity nor effort; its gain cannot be set")
    return k, rows


def start_values(model: Model, start: Start) -> dict[tuple[str, str], Array]:
    """Return what a start sets parameters to, scales multiplied out, in the order of :data:`PARAMETERS`.

    Raises:
        UnknownName: For a parameter or name that is not there.
        InvalidState: For something that is both set and scaled, or a scale that is neither ``(n,)`` nor ``(n, K)``.
    """
    both = sorted(set(start.parameters) & set(start.scales))
    if both:
        raise InvalidState(f"Start has both parameters and scales of {both}; give one of them")
    values: dict[tuple[str, str], Array] = dict(start.parameters)
    for (parameter, name), scale in start.scales.items():
        k = index(model, parameter, name)
        own = pick(model, parameter, k, model_value(model, FIELDS[parameter][0]))
        values[parameter, name] = _scaled(f"scale of {parameter} of {name!r}", own, np.asarray(scale, float))
    for parameter, name in values:
        index(model, parameter, name)
    order = list(PARAMETERS)
    return {key: values[key] for key in sorted(values, key=lambda key: order.index(key[0]))}


def _scaled(what: str, own: Array, scale: Array) -> Array:
    if scale.ndim > 1 + own.ndim or (scale.ndim == 2 and scale.shape[1] != len(own)):
        raise InvalidState(f"{what} must be (n,){f' or (n, {len(own)})' if own.ndim else ''}, got {scale.shape}")
    return own * (scale[:, None] if own.ndim and scale.ndim == 1 else scale)
