"""What a task looks at, declared once, and where each thing stands in the batch of sensor values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from metasim.core.errors import InvalidConfig, UnknownName

FIELDS: Mapping[str, int] = {
    "xpos": 3,
    "xquat": 4,
    "xipos": 3,
    "subtree_com": 3,
    "cinert": 10,
    "cvel": 6,
    "cfrc_ext": 6,
}
"""What can be read of all bodies at once, and its columns, named and defined as MuJoCo does.

Position and orientation (wxyz) of the frame, centre of mass, centre of mass of the body with everything that hangs on
it, inertia and velocity (rotation before translation) about the centre of mass of the whole tree, external wrench
(torque before force) about that centre; world axes.
"""
FORCE_FIELDS = ("cfrc_ext",)
"""Those that forces make; like contacts they are of the last substep, and zero after a write."""


@dataclass(frozen=True, kw_only=True)
class Reads:
    """Names of what a task reads; anything else raises :class:`~metasim.core.errors.UndeclaredRead`.

    Args:
        joints: Joints whose position and velocity are read.
        bodies: Bodies whose pose is read.
        sites: Sites (goals too) whose pose is read.
        geoms: Geoms whose pose is read.
        velocities: Those of ``bodies`` and ``sites`` whose linear and angular velocity is read too.
        contacts: Pairs of bodies or geoms whose contact force is read; a body stands for all of its geoms.
        fields: Names of :data:`FIELDS`, read of all bodies. After a step they are as the engine left them, which may
            be up to one substep before the new state (MuJoCo's are, and suites made for it rely on that); after a write
            they are of the new state.
    """

    joints: tuple[str, ...] = ()
    bodies: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    geoms: tuple[str, ...] = ()
    velocities: tuple[str, ...] = ()
    contacts: tuple[tuple[str, str], ...] = ()
    fields: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a bare string where a tuple of names is meant, velocities of what is not read, unknown fields."""
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, str):
                raise InvalidConfig(
                    f"Reads.{f.name} must be a tuple of names, got the string {value!r}; write ({value!r},)"
                )
        stray = [n for n in self.velocities if n not in self.bodies and n not in self.sites]
        if stray:
            raise InvalidConfig(f"Reads.velocities {stray} are in neither bodies nor sites; add them there")
        for name in self.fields:
            if name not in FIELDS:
                raise UnknownName("field", name, FIELDS, hint="(in Reads.fields)")

    def merge(self, other: Reads) -> Reads:
        """Return the union, in order of first mention."""
        return Reads(
            **{f.name: tuple(dict.fromkeys(getattr(self, f.name) + getattr(other, f.name))) for f in fields(self)}
        )


@dataclass(frozen=True, kw_only=True)
class Columns:
    """First columns of one frame in the sensor batch; -1 where not read.

    Args:
        pos: Start of 3 columns [m], world.
        quat: Start of 4 columns, wxyz.
        lin_vel: Start of 3 columns [m/s], world axes, at the frame's origin.
        ang_vel: Start of 3 columns [rad/s], world axes.
    """

    pos: int
    quat: int
    lin_vel: int = -1
    ang_vel: int = -1


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where each declared read stands.

    Args:
        width: Number of sensor columns S.
        frames: Kind (``"body"``, ``"site"``, ``"geom"``) to name to columns in the sensors ``(N, S)``.
        joints: Joint name to (qpos start, qpos width, dof start, dof width).
        contacts: Pair of names to its row in the contacts ``(N, C, 4)``: count, then force [N], world, on the first.
        fields: Field to its first of B K columns in the fields ``(N, F)``, K as in :data:`FIELDS`.
        bodies: Body name to its row in a field; there are B.
    """

    width: int
    frames: Mapping[str, Mapping[str, Columns]] = field(default_factory=dict[str, Mapping[str, Columns]])
    joints: Mapping[str, tuple[int, int, int, int]] = field(default_factory=dict[str, tuple[int, int, int, int]])
    contacts: Mapping[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    fields: Mapping[str, int] = field(default_factory=dict[str, int])
    bodies: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def field_columns(self) -> int:
        """Number of columns F of all fields together."""
        return sum(FIELDS[name] for name in self.fields) * len(self.bodies)

    def field_slice(self, name: str) -> slice:
        """Return the columns of a field."""
        start = self.fields[name]
        return slice(start, start + FIELDS[name] * len(self.bodies))
