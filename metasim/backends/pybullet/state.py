"""Arrays of some Bullet worlds, copies of them, and starts resolved to columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import numpy as np

from metasim.core.backend import Start, finite_rows
from metasim.core.errors import InvalidState
from metasim.model import Model

Array = Any
T = TypeVar("T", bound="Rows")
FAILURES = {
    1: "position is not finite or too large",
    2: "velocity is not finite or too large",
    3: "acceleration is not finite or too large",
    4: "control or mocap target is not finite or too large",
}
BAD_QPOS, BAD_QVEL, BAD_QACC, BAD_CTRL = FAILURES
LIMIT = 1e10
"""Where MuJoCo, too, calls a number bad."""


class Rows:
    """A dataclass of arrays ``(n, ...)``, and mappings of such arrays, that is taken apart by world."""

    def take(self: T, rows: Any) -> T:
        """Return some rows; a slice gives views."""
        picked: dict[str, Any] = {}
        for f in fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            picked[f.name] = {k: v[rows] for k, v in value.items()} if isinstance(value, Mapping) else value[rows]
        return type(self)(**picked)


@dataclass(frozen=True, kw_only=True)
class Shared(Rows):
    """Arrays of some worlds that the caller and the worker both see.

    Attributes:
        qpos: ``(n, nq)``.
        qvel: ``(n, nv)``.
        sensors: ``(n, S)``.
        contacts: ``(n, C, 4)``.
        fields: ``(n, F)``.
        ctrl: ``(n, A)``.
        mocap_pos: ``(n, M, 3)``.
        mocap_quat: ``(n, M, 4)``.
        failed: ``(n,)`` key of :data:`FAILURES`, 0 for a sound world.
    """

    qpos: Array
    qvel: Array
    sensors: Array
    contacts: Array
    fields: Array
    ctrl: Array
    mocap_pos: Array
    mocap_quat: Array
    failed: Array


@dataclass(frozen=True, kw_only=True)
class Snapshot(Rows):
    """Copies of worlds.

    Attributes:
        states: ``(n, K)`` the mirror's integration state: coordinates, controls, mocap poses, loads, wrenches.
        contacts: ``(n, C, 4)`` of the last substep.
        seen: ``(n, F)`` declared fields.
        fields: Per-world parameters by the canonical model's field; those never touched are missing.
    """

    states: Array
    contacts: Array
    seen: Array
    fields: Mapping[str, Array]


@dataclass(frozen=True, kw_only=True)
class Placement(Rows):
    """A start, resolved and checked: all coordinates, mocap poses, and what is moved besides.

    Attributes:
        qpos: ``(n, nq)``.
        qvel: ``(n, nv)``.
        mocap_pos: ``(n, M, 3)``.
        mocap_quat: ``(n, M, 4)``.
        places: Canonical model field and index to values ``(n, 3)`` or ``(n, 4)``.
        settings: Parameter and index to checked values, one row per world.
    """

    qpos: Array
    qvel: Array
    mocap_pos: Array
    mocap_quat: Array
    places: Mapping[tuple[str, int], Array]
    settings: Mapping[tuple[str, int], Array] = field(default_factory=dict[tuple[str, int], Array])


def shapes(model: Model, num_worlds: int) -> dict[str, tuple[tuple[int, ...], type]]:
    """Return shape and type of every shared array."""
    m = model.mj
    widths = {
        "qpos": (m.nq,),
        "qvel": (m.nv,),
        "sensors": (m.nsensordata,),
        "contacts": (len(model.reads.contacts), 4),
        "fields": (model.layout.field_columns,),
        "ctrl": (m.nu,),
        "mocap_pos": (m.nmocap, 3),
        "mocap_quat": (m.nmocap, 4),
    }
    return {name: ((num_worlds, *width), np.float64) for name, width in widths.items()} | {
        "failed": ((num_worlds,), np.int64)
    }


def join(parts: Sequence[Snapshot], defaults: Mapping[str, Array]) -> Snapshot:
    """Return the snapshots of several workers as one; a parameter only some have gets the model's value elsewhere."""
    if len(parts) == 1:
        return parts[0]
    columns = {f: np.concatenate([getattr(p, f) for p in parts]) for f in ("states", "contacts", "seen")}
    joined = {}
    for name in dict.fromkeys(k for p in parts for k in p.fields):
        default = np.asarray(defaults[name])
        rows = [p.fields.get(name, np.broadcast_to(default, (len(p.states), *default.shape))) for p in parts]
        joined[name] = np.concatenate(rows)
    return Snapshot(**columns, fields=joined)


def resolve(model: Model, shared: Shared, start: Start, rows: Array) -> Placement:
    """Check a start and turn its names into columns.

    Raises:
        UnknownName: For a joint, body or site that is not there.
        InvalidState: For a wrong shape, values that are not finite, or a body that cannot be placed.
    """
    info, n = model.info, len(rows)
    qpos, qvel = shared.qpos[rows], shared.qvel[rows]
    stray = set(start.velocities) - set(start.joints)
    if stray:
        raise InvalidState(f"Start.velocities {sorted(stray)} are not in Start.joints; give their positions too")
    for name, values in start.joints.items():
        j = info.index("joint", name)
        q, v = int(info.qpos_start[j]), int(info.dof_start[j])
        width, speed = (7, 6) if info.joint_types[j] == "free" else (1, 1)
        column = _column(values, width)
        width = min(width, column.shape[-1]) if column.ndim else width
        qpos[:, q : q + width] = finite_rows(f"joint {name!r}", column, (n, width))
        velocity = start.velocities.get(name, np.zeros(speed))
        qvel[:, v : v + speed] = finite_rows(f"velocity of {name!r}", _column(velocity, speed), (n, speed))
    mocap_pos, mocap_quat = shared.mocap_pos[rows], shared.mocap_quat[rows]
    places: dict[tuple[str, int], Array] = {}
    for name, values in start.bodies.items():
        k = info.index("body", name)
        width = 7 if np.shape(values)[-1:] == (7,) else 3
        pose = finite_rows(f"body {name!r}", values, (n, width))
        check_fixed(model, k, name)
        mocap = int(model.mj.body_mocapid[k])
        if mocap >= 0:
            mocap_pos[:, mocap] = pose[:, :3]
            mocap_quat[:, mocap] = pose[:, 3:] if width == 7 else mocap_quat[:, mocap]
            continue
        places["body_pos", k] = pose[:, :3]
        if width == 7:
            places["body_quat", k] = pose[:, 3:]
    for name, values in start.sites.items():
        places["site_pos", info.index("site", name)] = finite_rows(f"site {name!r}", values, (n, 3))
    return Placement(qpos=qpos, qvel=qvel, mocap_pos=mocap_pos, mocap_quat=mocap_quat, places=places)


def check_fixed(model: Model, body: int, name: str) -> None:
    """Raise InvalidState for a body that moves on joints of its own."""
    if model.mj.body_dofnum[body]:
        raise InvalidState(f"body {name!r} moves on joints; set its joint in Start.joints instead")
    check_placeable(model, body, name)


def check_placeable(model: Model, body: int, name: str) -> None:
    """Raise InvalidState for a body within a moving tree, whose links Bullet cannot take apart."""
    m = model.mj
    parent = int(m.body_parentid[body])
    if m.body_dofnum[m.body_weldid[parent]] or (m.body_dofnum[m.body_weldid[body]] and not m.body_dofnum[body]):
        raise InvalidState(
            f"body {name!r} hangs on a moving body; pybullet can place fixed bodies and roots of trees only"
        )


def _column(values: Array, width: int) -> Array:
    array = np.asarray(values, float)
    return array[:, None] if width == 1 and array.ndim == 1 and array.shape != (1,) else array
