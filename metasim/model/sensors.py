"""Declared reads become sensors, so that one contiguous array holds everything a task looks at."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import mujoco
import numpy as np

from metasim.core.errors import UnknownName
from metasim.core.reads import FIELDS, FORCE_FIELDS, Columns, Layout, Reads

_PREFIX = "metasim:"
_OBJECT = {"body": mujoco.mjtObj.mjOBJ_XBODY, "site": mujoco.mjtObj.mjOBJ_SITE, "geom": mujoco.mjtObj.mjOBJ_GEOM}
_SENSOR = {
    "pos": (mujoco.mjtSensor.mjSENS_FRAMEPOS, 3),
    "quat": (mujoco.mjtSensor.mjSENS_FRAMEQUAT, 4),
    "lin_vel": (mujoco.mjtSensor.mjSENS_FRAMELINVEL, 3),
    "ang_vel": (mujoco.mjtSensor.mjSENS_FRAMEANGVEL, 3),
}
_JOINT_WIDTH = {0: (7, 6), 1: (4, 3), 2: (1, 1), 3: (1, 1)}
_FOUND_AND_FORCE = (1 << int(mujoco.mjtConDataField.mjCONDATA_FOUND)) | (
    1 << int(mujoco.mjtConDataField.mjCONDATA_FORCE)
)
_NET_FORCE = 3
CONTACT_WIDTH = 4


def add_sensors(spec: mujoco.MjSpec, reads: Reads) -> Callable[[mujoco.MjModel], tuple[Layout, int]]:
    """Add the sensors of ``reads`` and return a function that locates them in the compiled model.

    Raises:
        UnknownName: For a name that the specification does not have.
    """
    names = {
        "body": [b.name for b in spec.bodies],
        "site": [s.name for s in spec.sites],
        "geom": [g.name for g in spec.geoms],
        "joint": [j.name for j in spec.joints],
    }
    frames = {kind: getattr(reads, kinds) for kind, kinds in (("body", "bodies"), ("site", "sites"), ("geom", "geoms"))}
    for kind, wanted in {**frames, "joint": reads.joints}.items():
        for name in wanted:
            if name not in names[kind]:
                raise UnknownName(kind, name, [n for n in names[kind] if n], hint="(in the task's reads)")
    for kind, wanted in frames.items():
        for name in wanted:
            for field in _fields(reads, name):
                kind_of = _SENSOR[field][0]
                spec.add_sensor(name=_key(kind, name, field), type=kind_of, objtype=_OBJECT[kind], objname=name)
    for a, b in reads.contacts:
        _add_contact(spec, names, a, b)
    if set(reads.fields) & set(FORCE_FIELDS):  # MuJoCo computes these for models with a sensor that needs them
        kind = mujoco.mjtSensor.mjSENS_FRAMELINACC
        spec.add_sensor(name=_key("forces"), type=kind, objtype=mujoco.mjtObj.mjOBJ_BODY, objname="world")

    def locate(model: mujoco.MjModel) -> tuple[Layout, int]:
        return _layout(model, reads, frames)

    return locate


def _fields(reads: Reads, name: str) -> tuple[str, ...]:
    return tuple(_SENSOR) if name in reads.velocities else ("pos", "quat")


def _key(*parts: str) -> str:
    return _PREFIX + ":".join(parts)


def _add_contact(spec: mujoco.MjSpec, names: Mapping[str, list[str]], a: str, b: str) -> None:
    sides = []
    for name in (a, b):
        kind = "geom" if name in names["geom"] else "body"
        if name not in names[kind]:
            raise UnknownName(
                "body or geom", name, [n for n in names["body"] + names["geom"] if n], hint="(in Reads.contacts)"
            )
        sides.append((mujoco.mjtObj.mjOBJ_GEOM if kind == "geom" else mujoco.mjtObj.mjOBJ_BODY, name))
    sensor = spec.add_sensor(name=_key("contact", a, b), type=mujoco.mjtSensor.mjSENS_CONTACT)
    # MuJoCo reports the force of the first on the second; ours is the force on ``a``, so ``a`` goes second.
    (sensor.reftype, sensor.refname), (sensor.objtype, sensor.objname) = sides
    sensor.intprm = [_FOUND_AND_FORCE, _NET_FORCE, 1]


def _layout(model: mujoco.MjModel, reads: Reads, frames: Mapping[str, tuple[str, ...]]) -> tuple[Layout, int]:
    start = lambda *parts: int(model.sensor(_key(*parts)).adr[0])  # noqa: E731
    columns = {
        kind: {name: Columns(**{f: start(kind, name, f) for f in _fields(reads, name)}) for name in wanted}
        for kind, wanted in frames.items()
    }
    joints = {}
    for name in reads.joints:
        j = model.joint(name)
        widths = _JOINT_WIDTH[int(j.type[0])]
        joints[name] = (int(j.qposadr[0]), widths[0], int(j.dofadr[0]), widths[1])
    contacts = {pair: k for k, pair in enumerate(reads.contacts)}
    contact_start = start("contact", *reads.contacts[0]) if reads.contacts else model.nsensordata
    bodies = {model.body(k).name or f"body{k}": k for k in range(model.nbody)} if reads.fields else {}
    starts = np.cumsum([0, *(FIELDS[name] * model.nbody for name in reads.fields)]).tolist()
    fields = dict(zip(reads.fields, starts, strict=False))
    layout = Layout(
        width=model.nsensordata, frames=columns, joints=joints, contacts=contacts, fields=fields, bodies=bodies
    )
    return layout, contact_start
