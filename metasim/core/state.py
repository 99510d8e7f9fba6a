"""The state of N worlds as a task sees it: read-only views, resolved by name once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from metasim.core.array import namespace
from metasim.core.errors import UndeclaredRead, UnknownName, UnsupportedFeature
from metasim.core.reads import FIELDS, Columns, Layout

Array = Any


@dataclass(frozen=True, slots=True)
class Frame:
    """Pose and velocity of one body, site or geom in N worlds.

    Attributes:
        pos: ``(N, 3)`` [m], world.
        quat: ``(N, 4)`` wxyz, world.
        lin_vel: ``(N, 3)`` [m/s], world axes, at the frame's origin; None where not declared.
        ang_vel: ``(N, 3)`` [rad/s], world axes; None where not declared.
    """

    pos: Array
    quat: Array
    lin_vel: Array = None
    ang_vel: Array = None


@dataclass(frozen=True, slots=True)
class Joint:
    """Coordinates of one joint in N worlds.

    Attributes:
        pos: ``(N, W)`` [rad or m]; W = 1 for hinges and slides, 7 for free joints (position, quaternion wxyz).
        vel: ``(N, V)`` [rad/s or m/s]; V = 1, or 6 for free joints (linear, world; angular, body axes).
    """

    pos: Array
    vel: Array


@dataclass(frozen=True, slots=True)
class Contact:
    """Contact between two declared bodies or geoms in N worlds, over the last substep.

    Attributes:
        count: ``(N,)`` number of contact points.
        force: ``(N, 3)`` [N], world: sum of the forces on the first of the pair.
    """

    count: Array
    force: Array


class State:
    """Declared reads of N worlds; positions and velocities of the new state, forces of the last substep.

    The arrays are views that the backend refreshes in place: read-only, valid until the next step.

    Args:
        layout: Where each read stands.
        qpos: ``(N, nq)`` generalised positions in the canonical model's order.
        qvel: ``(N, nv)`` generalised velocities.
        sensors: ``(N, S)`` declared frames.
        contacts: ``(N, C, 4)`` declared contacts.
        fields: ``(N, F)`` declared fields of all bodies; None from an engine that cannot tell any.

    Raises:
        UnsupportedFeature: If fields are declared and there are none.
    """

    __slots__ = (
        "_fields",
        "_frames",
        "_joints",
        "_pairs",
        "contacts",
        "fields",
        "layout",
        "num_worlds",
        "qpos",
        "qvel",
        "sensors",
    )

    def __init__(
        self, layout: Layout, qpos: Array, qvel: Array, sensors: Array, contacts: Array, fields: Array | None = None
    ) -> None:
        self.layout = layout
        self.qpos, self.qvel, self.sensors, self.contacts = (_locked(a) for a in (qpos, qvel, sensors, contacts))
        self.num_worlds = len(qpos)
        s = self.sensors
        self._frames = {
            kind: {name: _frame(s, columns) for name, columns in frames.items()}
            for kind, frames in layout.frames.items()
        }
        self._joints = {
            name: Joint(self.qpos[:, q : q + nq], self.qvel[:, v : v + nv])
            for name, (q, nq, v, nv) in layout.joints.items()
        }
        c = self.contacts
        self._pairs = {pair: Contact(c[:, k, 0], c[:, k, 1:4]) for pair, k in layout.contacts.items()}
        if fields is None and layout.fields:
            raise UnsupportedFeature(
                f"this engine does not tell the fields {list(layout.fields)} of bodies; use mujoco"
            )
        f = self.fields = _locked(sensors[:, :0] if fields is None else fields)
        self._fields = {
            name: f[:, layout.field_slice(name)].reshape(-1, len(layout.bodies), FIELDS[name]) for name in layout.fields
        }

    def body(self, name: str) -> Frame:
        """Return a declared body's frame."""
        return self._frame("body", name)

    def site(self, name: str) -> Frame:
        """Return a declared site's frame."""
        return self._frame("site", name)

    def geom(self, name: str) -> Frame:
        """Return a declared geom's frame."""
        return self._frame("geom", name)

    def joint(self, name: str) -> Joint:
        """Return a declared joint's coordinates."""
        try:
            return self._joints[name]
        except KeyError:
            raise UndeclaredRead("joint", name, self._joints) from None

    def contact(self, a: str, b: str) -> Contact:
        """Return a declared contact pair, force on ``a``."""
        try:
            return self._pairs[a, b]
        except KeyError:
            raise UndeclaredRead("contact", f"{a} - {b}", [f"{p} - {q}" for p, q in self._pairs]) from None

    def field(self, name: str, body: str | None = None) -> Array:
        """Return a declared field ``(N, B, K)`` of all bodies, the world first, or ``(N, K)`` of one."""
        try:
            values = self._fields[name]
        except KeyError:
            raise UndeclaredRead("field", name, self._fields) from None
        if body is None:
            return values
        if body not in self.layout.bodies:
            raise UnknownName("body", body, self.layout.bodies)
        return values[:, self.layout.bodies[body]]

    def take(self, ids: Array) -> State:
        """Return a copy of some worlds' rows as a state of their own; ``ids`` is ``(n,)`` int."""
        arrays = (self.qpos, self.qvel, self.sensors, self.contacts, self.fields)
        return State(self.layout, *(array[ids] for array in arrays))

    def _frame(self, kind: str, name: str) -> Frame:
        try:
            return self._frames[kind][name]
        except KeyError:
            raise UndeclaredRead(kind, name, self._frames.get(kind, {})) from None


def _locked(array: Array) -> Array:
    view: Array = array[:]
    if namespace(array) is np:
        view.setflags(write=False)
    return view


def _frame(sensors: Array, c: Columns) -> Frame:
    velocities = (
        (sensors[:, c.lin_vel : c.lin_vel + 3], sensors[:, c.ang_vel : c.ang_vel + 3]) if c.lin_vel >= 0 else ()
    )
    return Frame(sensors[:, c.pos : c.pos + 3], sensors[:, c.quat : c.quat + 4], *velocities)
