"""Friction that yields under great force, as MuJoCo's does.

MuJoCo's friction is soft: at each point of a contact it grows with the speed ``v`` of the slip as ``D v``, with the
damping ``D`` of the contact, up to ``mu N``. Where shapes overlap deeply (a peg wedged in its hole, a finger inside a
bar) ``mu N`` is never reached. Bullet's friction is rigid. So after every step, surfaces that are pressed together
hard get the friction that MuJoCo's reaches at the speed ``SLIP_M_S``: the sum of ``min(mu N, D v)`` over the points,
over that of ``N``. What creeps more slowly than that in MuJoCo sticks here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mujoco
import numpy as np
import pybullet as p

from metasim.backends.pybullet.model import Surface
from metasim.backends.pybullet.surface import Contacts
from metasim.backends.pybullet.world import Wiring

Array = Any
SLIP_M_S = 0.1
_SETTLED = 0.1
"""Friction is set anew where it changes by more than this share."""
_LEAST = 1e-3
_FIRM, _LOOSE = 0.1, 1e-3
"""How much links hold on to their own friction: what is handled firmly, robots and what is fixed hardly."""


class YieldingFriction:
    """Sets the sliding friction of the links of n worlds by how hard they are pressed together.

    Args:
        m: The canonical model.
        surfaces: The surfaces.
        contacts: Pairs of surfaces that may touch.
        wired: Ids in Bullet.
        clients: One for each world.
        sliding: ``(S,)`` sliding friction of the surfaces while nothing yields.
    """

    def __init__(
        self,
        m: mujoco.MjModel,
        surfaces: Sequence[Surface],
        contacts: Contacts,
        wired: Wiring,
        clients: Sequence[int],
        sliding: Array,
    ) -> None:
        self._wired, self._clients = wired, clients
        driven = {int(m.body_treeid[m.jnt_bodyid[j]]) for j in m.actuator_trnid[:, 0]}
        handled = [bool(s.group) and int(m.body_treeid[s.group]) not in driven for s in surfaces]
        self._hold = np.where(handled, _FIRM, _LOOSE)
        self._base = [np.array(sliding) for _ in clients]
        self._now = list(self._base)
        self._pairs: dict[tuple[int, int, int, int], tuple[int, int, float]] = {}
        for (i, k), most in zip(contacts.pairs.tolist(), (SLIP_M_S * contacts.viscosity).tolist(), strict=True):
            (body_a, link_a), (body_b, link_b) = wired.colliders[i], wired.colliders[k]
            self._pairs[body_a, body_b, link_a, link_b] = (i, k, most)
            self._pairs[body_b, body_a, link_b, link_a] = (i, k, most)

    def set_base(self, world: int, sliding: Array) -> None:
        """Take up the friction of a world's surfaces, which Bullet has already."""
        self._base[world] = np.array(sliding)
        self._now[world] = self._base[world]

    def reset(self, world: int) -> None:
        """Give all surfaces of a world the friction they have while nothing yields."""
        self._set(world, self._base[world])

    def update(self, world: int, points: Sequence[Any]) -> None:
        """Set friction by the contact points of the last substep."""
        base, loads = self._base[world], {}
        for point in points:
            loads.setdefault(point[1:5], []).append(point[9])
        wanted = self._wanted(base, loads)
        self._set(world, _solve(base, wanted, self._hold) if wanted else base)

    def _wanted(self, base: Array, loads: Mapping[Any, list[float]]) -> dict[tuple[int, int], float]:
        """Return the friction of pairs of surfaces that are close, none if none yields."""
        wanted, yields = {}, False
        for key, forces in loads.items():
            if key in self._pairs:
                i, k, most = self._pairs[key]
                full = base[i] * base[k]
                yielding = full * max(forces) > most
                yields = yields or yielding
                share = sum(min(full * n, most) for n in forces) / sum(forces) if yielding else full
                wanted[i, k] = max(share, _LEAST)
        return wanted if yields else {}

    def _set(self, world: int, sliding: Array) -> None:
        now = self._now[world]
        if sliding is now:
            return
        changed = np.abs(sliding - now) > (_SETTLED * now if sliding is not self._base[world] else 0.0)
        for s in np.flatnonzero(changed).tolist():
            body, link = self._wired.colliders[s]
            p.changeDynamics(body, link, lateralFriction=float(sliding[s]), physicsClientId=self._clients[world])
        kept = sliding if sliding is self._base[world] else np.where(changed, sliding, now)
        self._now[world] = kept


def _solve(base: Array, wanted: Mapping[tuple[int, int], float], hold: Array) -> Array:
    """Return the friction ``(S,)`` of links whose products are what pairs want, nearest to ``base``."""
    pairs = np.array(list(wanted))
    links, columns = np.unique(pairs, return_inverse=True)
    columns = columns.reshape(pairs.shape)
    start = np.log(np.maximum(base[links], 1e-9))
    rows = np.arange(len(pairs))
    matrix = np.zeros((len(pairs) + len(links), len(links)))
    matrix[rows, columns[:, 0]] = matrix[rows, columns[:, 1]] = 1.0
    matrix[len(pairs) :] = np.diag(hold[links])
    lacking = np.log([max(w, 1e-9) for w in wanted.values()]) - start[columns].sum(axis=1)
    result = np.array(base)
    change = np.linalg.lstsq(matrix, np.append(lacking, np.zeros(len(links))), rcond=None)[0]
    result[links] = np.exp(start + change)
    return result
