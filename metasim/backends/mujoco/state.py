"""Reading, writing and copying the rows of a MuJoCo batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from mujoco import batch

from metasim.backends.mujoco.parameters import expand
from metasim.core.backend import Start, Targets, finite_rows
from metasim.core.errors import InvalidState, UnknownName
from metasim.core.model import ModelInfo
from metasim.core.reads import FORCE_FIELDS
from metasim.core.state import State
from metasim.model import Model
from metasim.model.parameters import EXPANDABLE, model_value
from metasim.model.sensors import CONTACT_WIDTH

Array = Any
_WARNINGS = {
    mujoco.mjtWarning.mjWARN_BADQPOS: "position is not finite or too large",
    mujoco.mjtWarning.mjWARN_BADQVEL: "velocity is not finite or too large",
    mujoco.mjtWarning.mjWARN_BADQACC: "acceleration is not finite or too large",
    mujoco.mjtWarning.mjWARN_BADCTRL: "control is not finite",
}
DIVERGED = slice(int(next(iter(_WARNINGS))), int(next(reversed(_WARNINGS))) + 1)


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Copies of worlds: integration states ``(n, K)``, contacts ``(n, C, 4)``, declared fields ``(n, F)``, parameters.

    Parameters stand under the names of MuJoCo's model.
    """

    states: Array
    contacts: Array
    seen: Array
    fields: Mapping[str, Array]


class Kinematics:
    """Brings what a state shows up to the coordinates, in some worlds or all: kinematics and sensors alone.

    Contacts and constraints are left out: only forces need them, and they would double what a step spends on its reads.
    While worlds step, sensors are left out unless something is read that only a step knows.
    """

    def __init__(self, b: batch.Batch, model: Model) -> None:
        self._batch = b
        self._flags = b.expand("opt.disableflags")
        self._usual = int(model.mj.opt.disableflags)
        off = mujoco.mjtDisableBit
        self._lean = self._usual | int(off.mjDSBL_CONTACT) | int(off.mjDSBL_CONSTRAINT)
        felt = model.reads.contacts or (set(model.reads.fields) & set(FORCE_FIELDS) and not ends_late(model))
        self._stepping = self._usual if felt else self._usual | int(off.mjDSBL_SENSOR)
        self._flags[:] = self._stepping
        moving = model.reads.velocities or "cvel" in model.reads.fields
        self._stage = mujoco.mjtStage.mjSTAGE_VEL if moving else mujoco.mjtStage.mjSTAGE_POS
        self._shown = any(model.layout.frames.values())

    def __call__(self, rows: Array | None = None) -> None:
        """Refresh."""
        self._forward(rows, self._lean, self._stage)

    def after_step(self) -> None:
        """Refresh what is shown of places: nothing where no frame is declared."""
        if self._shown:
            self()

    def forces(self, rows: Array) -> None:
        """Compute the forces at the present state of some worlds."""
        warm = self._batch.qacc_warmstart[rows].copy()  # what the next step begins its search with is the step's own
        self._forward(rows, self._usual, mujoco.mjtStage.mjSTAGE_ACC)
        self._batch.qacc_warmstart[rows] = warm

    def _forward(self, rows: Array | None, flags: int, stage: Any) -> None:
        self._flags[:] = flags
        try:
            self._batch.forward(rows, stage=stage)
        finally:
            self._flags[:] = self._stepping


def ends_late(model: Model) -> bool:
    """Whether a substep's last evaluation is of its end, and not of its beginning."""
    return bool(model.mj.opt.integrator == mujoco.mjtIntegrator.mjINT_RK4)


def views(b: batch.Batch, model: Model, fields: Array) -> tuple[State, Targets, Array]:
    """Return the live state and targets of a batch, and the contacts ``(N, C, 4)`` that the state shows."""
    contacts = np.zeros((b.nsim, len(model.reads.contacts), CONTACT_WIDTH))
    state = State(model.layout, b.bind("qpos"), b.bind("qvel"), b.bind("sensordata"), contacts, fields)
    return state, Targets(b.bind("ctrl"), b.bind("mocap_pos"), b.bind("mocap_quat")), contacts


def contact_sensors(b: batch.Batch, model: Model) -> Array:
    """Return the view ``(N, C, 4)`` of the contact sensors, which hold the last substep right after a step only."""
    count, start = len(model.reads.contacts), model.contact_start
    columns = b.bind("sensordata")[:, start : start + CONTACT_WIDTH * count]
    return columns.reshape(b.nsim, count, CONTACT_WIDTH)


def write_no_log_file() -> None:
    """Keep MuJoCo, in this process, from writing its warnings into the working directory; ``failures`` has them."""
    config = mujoco.MjLogConfig.get()
    config.logto_file = False
    config.set()


def write_home(b: batch.Batch, info: ModelInfo) -> None:
    """Put every world at the model's home position."""
    b.qpos[:] = info.home_qpos
    if len(info.actuators):
        b.ctrl[:] = info.home_ctrl


def failed_worlds(b: batch.Batch, failures: dict[int, str]) -> None:
    """Add the worlds whose warning counters say that they diverged."""
    counts = b.warning[:, DIVERGED, 1]
    for world in np.flatnonzero(counts.any(axis=1)):
        failures.setdefault(int(world), list(_WARNINGS.values())[int(np.argmax(counts[world] > 0))])


def write_start(b: batch.Batch, model: Model, targets: Targets, start: Start, rows: Array) -> None:
    """Write joints, fixed bodies and sites of some worlds; everything is checked before anything is written."""
    info, n = model.info, len(rows)
    stray = set(start.velocities) - set(start.joints)
    if stray:
        raise InvalidState(f"Start.velocities {sorted(stray)} are not in Start.joints; give their positions too")
    writes: list[tuple[Array, Any, Array]] = []
    for name, values in start.joints.items():
        j = model.mj.joint(info.index("joint", name))
        q, v = int(j.qposadr[0]), int(j.dofadr[0])
        width = {"free": 7, "ball": 4}.get(info.joint_types[j.id], 1)
        speed = {"free": 6, "ball": 3}.get(info.joint_types[j.id], 1)
        leading = _column(values, width)
        width = min(width, np.shape(leading)[-1]) if np.ndim(leading) else width
        writes.append((b.qpos, (rows, slice(q, q + width)), finite_rows(f"joint {name!r}", leading, (n, width))))
        velocity = _column(start.velocities.get(name, np.zeros(speed)), speed)
        writes.append((b.qvel, (rows, slice(v, v + speed)), finite_rows(f"velocity of {name!r}", velocity, (n, speed))))
    for name, values in start.bodies.items():
        writes += _body_writes(b, model, targets, name, np.asarray(values, float), rows)
    for name, values in start.sites.items():
        place = (rows, info.index("site", name))
        writes.append((expand(b, "site_pos"), place, finite_rows(f"site {name!r}", values, (n, 3))))
    for array, place, values in writes:
        array[place] = values


def _column(values: Array, width: int) -> Array:
    array = np.asarray(values, float)
    return array[:, None] if width == 1 and array.ndim == 1 and array.shape != (1,) else array


def _body_writes(
    b: batch.Batch, model: Model, targets: Targets, name: str, values: Array, rows: Array
) -> list[tuple[Array, Any, Array]]:
    k, n = model.info.index("body", name), len(rows)
    width = 7 if values.shape[-1:] == (7,) else 3
    pose = finite_rows(f"body {name!r}", values, (n, width))
    mocap = int(model.mj.body_mocapid[k])
    if model.mj.body_dofnum[k]:
        raise InvalidState(f"body {name!r} moves on joints; set its joint in Start.joints instead")
    if mocap >= 0:
        pos, quat, column = targets.mocap_pos, targets.mocap_quat, mocap
    else:
        pos, quat, column = expand(b, "body_pos"), expand(b, "body_quat") if width == 7 else None, k
    writes: list[tuple[Array, Any, Array]] = [(pos, (rows, column), pose[:, :3])]
    if width == 7:
        writes.append((quat, (rows, column), pose[:, 3:]))
    return writes


def take_snapshot(b: batch.Batch, contacts: Array, seen: Array, rows: Array) -> Snapshot:
    """Copy some worlds."""
    expanded = {f: b.expanded(f) for f in EXPANDABLE}
    fields = {f: np.array(a[rows]) for f, a in expanded.items() if a is not None}
    return Snapshot(states=np.array(b.state[rows]), contacts=contacts[rows], seen=seen[rows], fields=fields)


def put_snapshot(b: batch.Batch, model: Model, snapshot: Snapshot, worlds: Array, rows: Array) -> None:
    """Write rows of a snapshot into worlds; parameters that the snapshot never touched get the model's values."""
    if len(worlds) != len(rows):
        raise InvalidState(f"{len(rows)} snapshot rows for {len(worlds)} worlds")
    b.state[worlds] = snapshot.states[rows]
    for name in EXPANDABLE:
        if name in snapshot.fields:
            expand(b, name)[worlds] = snapshot.fields[name][rows]
        elif b.expanded(name) is not None:
            expand(b, name)[worlds] = model_value(model, name)


def mass_matrix(b: batch.Batch, rows: Array) -> Array:
    """Return ``(n, nv, nv)``."""
    result = []
    for i in rows:
        model, data = b.get_model(int(i)), b.get_data(int(i))
        mujoco.mj_forward(model, data)
        full = np.zeros((model.nv, model.nv))
        mujoco.mj_fullM(model, data, full)
        result.append(full)
    return np.array(result)


def jacobian(b: batch.Batch, model: Model, kind: str, name: str, rows: Array) -> Array:
    """Return ``(n, 6, nv)``: linear rows over angular rows, world axes, at the origin of a body or site."""
    if kind not in ("body", "site"):
        raise UnknownName("kind of frame", kind, ("body", "site"))
    k = model.info.index(kind, name)
    columns = model.layout.frames.get(kind, {}).get(name)
    body = k if kind == "body" else int(model.mj.site_bodyid[k])
    if columns is not None:
        points = b.bind("sensordata")[rows, columns.pos : columns.pos + 3]
    else:
        data = [b.get_data(int(i)) for i in rows]
        for i, d in zip(rows, data, strict=True):
            mujoco.mj_kinematics(b.get_model(int(i)), d)
        points = np.array([d.xpos[k] if kind == "body" else d.site_xpos[k] for d in data])
    linear, angular = b.jac(np.full(len(rows), body, np.int32), np.ascontiguousarray(points), ids=rows)
    return np.concatenate([np.asarray(linear), np.asarray(angular)], axis=1)
