"""The caging reward: how well the fingers surround an object and close on it.

Source: the original's V2 rewards. Notation: o object, c point between the fingertips, o0 and c0 the same at reset,
P pads; r, p [m] radius of the object and pad distance that counts as surrounding; t [m] tolerated xz offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from metasim.core.array import namespace
from metasim.core.rewards import at_least, hamacher, norm, tolerance
from metasim.core.state import State
from metasim.core.task import Memory

Array = Any
CAGED = 0.97


@dataclass(frozen=True, kw_only=True)
class Caging:
    """Parameters of one task's caging reward.

    Attributes:
        object_radius_m: r.
        pad_distance_m: p.
        xz_m: t.
        signed: The variant of pick-place: signed pad distances, margins from the pads now.
    """

    object_radius_m: float
    pad_distance_m: float
    xz_m: float
    signed: bool = False

    def constants(self, tcp0: Array, object0: Array) -> Memory:
        """Return the margin of the xz term ``(n,)`` and o0 ``(n, 3)``; ``tcp0`` is c0 ``(3,)``."""
        return {"xz_margin": _xz(object0 - tcp0) - self.xz_m, "object0": object0}

    def __call__(self, state: State, memory: Memory, action: Array, point: Array, obj: Array) -> Array:
        """Return the reward ``(N,)`` in [0, 1]: the mean of caging, and of caging while closing."""
        left, right, y = state.body("leftpad").pos[:, 1], state.body("rightpad").pos[:, 1], obj[:, 1]
        xp, p = namespace(y), self.pad_distance_m
        if self.signed:
            sides = xp.stack([left - y, y - right])  # (2, N): both pads at once
            margins = abs(abs(sides) - p)
        else:
            pads = xp.stack([left, right])
            margins = abs(abs(pads - memory["object0"][:, 1]) - p)
            sides = abs(pads - y)
        terms = tolerance(sides, p, margins, low=self.object_radius_m)
        y_term = hamacher(terms[0, :], terms[1, :])
        caging = hamacher(y_term, tolerance(_xz(point - obj), self.xz_m, memory["xz_margin"]))
        grip = at_least(action[:, 3], 0.0) * (caging > CAGED)
        return (hamacher(caging, grip) + caging) * 0.5


def _xz(vector: Array) -> Array:
    return norm(vector[:, ::2])
