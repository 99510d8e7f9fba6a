"""Declared contacts out of Bullet's contact points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np

from metasim.backends.pybullet.model import Surface
from metasim.backends.pybullet.world import Wiring

Array = Any


def sides(m: mujoco.MjModel, name: str) -> frozenset[int]:
    """Return the geoms that a declared name stands for: a geom, or all geoms of a body."""
    geom = mujoco.mj_name2id(m, int(mujoco.mjtObj.mjOBJ_GEOM), name)
    if geom >= 0:
        return frozenset([geom])
    body = m.body(name).id
    return frozenset(g for g in range(m.ngeom) if int(m.geom_bodyid[g]) == body)


def labels(m: mujoco.MjModel, pairs: Sequence[tuple[str, str]], *, by_body: bool = False) -> dict[int, tuple[int, ...]]:
    """Return for every geom which of the declared names it belongs to, and which body with ``by_body``."""
    named = [sides(m, name) for name in dict.fromkeys(n for pair in pairs for n in pair)]
    own = [(-int(b),) if by_body else () for b in m.geom_bodyid]
    return {g: own[g] + tuple(k for k, geoms in enumerate(named) if g in geoms) for g in range(m.ngeom)}


def point_force(point: Sequence[Any]) -> Array:
    """Return the force ``(3,)`` [N], world axes, of a contact point on the first of its two bodies."""
    return np.array(point[7]) * point[9] + np.array(point[11]) * point[10] + np.array(point[13]) * point[12]


class ContactReader:
    """Sums the contact points of the last substep over the declared pairs."""

    def __init__(
        self, m: mujoco.MjModel, pairs: Sequence[tuple[str, str]], surfaces: Sequence[Surface], wired: Wiring
    ) -> None:
        self._rows: dict[tuple[int, int, int, int], list[tuple[int, float]]] = {}
        colliders = list(zip(surfaces, wired.colliders, strict=True))
        for k, (a, b) in enumerate(pairs):
            first, second = sides(m, a), sides(m, b)
            for s, on_a in colliders:
                for t, on_b in colliders:
                    if s is not t and first.issuperset(s.geoms) and second.issuperset(t.geoms):
                        self._rows.setdefault((on_a[0], on_b[0], on_a[1], on_b[1]), []).append((k, 1.0))
                        self._rows.setdefault((on_b[0], on_a[0], on_b[1], on_a[1]), []).append((k, -1.0))
        self.count = len(pairs)

    def read(self, points: Sequence[Any], out: Array) -> None:
        """Write count and force on the first of each pair into ``out`` ``(C, 4)``, from all points of a world."""
        out[:] = 0.0
        for point in points:
            rows = self._rows.get(point[1:5])
            if rows and (point[8] <= 0.0 or point[9] > 0.0):
                force = point_force(point)
                for k, sign in rows:
                    out[k, 0] += 1.0
                    out[k, 1:] += sign * force
