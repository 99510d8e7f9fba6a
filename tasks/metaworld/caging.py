"""The caging reward: how well the fingers surround an object and close on it.

Source: the original's V2 rewards. Notation: o object, c point between the fingertips, o0 and c0 the same at reset,
P pads; r, p [m] radius of the object and pad distance that counts as surrounding; t [m] tolerated xz offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from metasim.core.array import namespace
from metasim.core.rewards import at_least, hamacher, norm, tolerance
from metasim.core.state import State
from metasim.core.task import Memory

Array = Any
CAGED, SQUEEZED = 0.97, 0.95  # from where on closing counts


@dataclass(frozen=True, kw_only=True)
class Caging:
    """Parameters of one task's caging reward.

    Attributes:
        object_radius_m: r.
        pad_distance_m: p.
        xz_m: t.
        density: What closing while caged is averaged with: ``"high"`` caging itself, ``"medium"`` closeness to the
            object, ``"low"`` nothing.
        reach_m: Distance that counts as close, for medium density.
        effort: Share of the gripper's action that counts as closed.
        signed: The variant of pick-place: signed pad distances, margins from the pads now.
        squeeze_m: Not None for the variant of the pushing tasks, signed too: instead of the gripper's action it
            rewards pads within this distance of the object's sides.
    """

    object_radius_m: float
    pad_distance_m: float = 0.05
    xz_m: float
    density: Literal["low", "medium", "high"] = "high"
    reach_m: float = 0.01
    effort: float = 1.0
    signed: bool = False
    squeeze_m: float | None = None

    def constants(self, tcp0: Array, object0: Array) -> Memory:
        """Return what is noted at reset; ``tcp0`` is c0 ``(3,)``, ``object0`` is o0 ``(n, 3)``."""
        memory = {"xz_margin": _xz(object0 - tcp0) - self.xz_m, "object0": object0}
        if self.density == "medium":
            memory["reach_margin"] = abs(norm(object0 - tcp0) - self.reach_m)
        return memory

    def __call__(self, state: State, memory: Memory, action: Array, point: Array, obj: Array) -> Array:
        """Return the reward ``(N,)`` in [0, 1]."""
        left, right, y = state.body("leftpad").pos[:, 1], state.body("rightpad").pos[:, 1], obj[:, 1]
        xp, r, p = namespace(y), self.object_radius_m, self.pad_distance_m
        if self.signed or self.squeeze_m is not None:
            sides = xp.stack([left - y, y - right])  # (2, N): both pads at once
            margins = abs(abs(sides) - p)
        else:
            pads = xp.stack([left, right])
            margins = abs(abs(pads - memory["object0"][:, 1]) - p)
            sides = abs(pads - y)
        terms = tolerance(sides, p, margins, low=r)
        caging = hamacher(
            hamacher(terms[0, :], terms[1, :]), tolerance(_xz(point - obj), self.xz_m, memory["xz_margin"])
        )
        if self.squeeze_m is not None:
            terms = tolerance(sides, r + self.squeeze_m, margins, low=r)
            return (hamacher(terms[0, :], terms[1, :]) * (caging > SQUEEZED) + caging) * 0.5
        effort = action[:, 3]
        grip = at_least(effort, 0.0) if self.effort == 1.0 else xp.clip(effort, 0.0, self.effort) / self.effort
        grip = grip * (caging > CAGED)
        closing = hamacher(caging, grip)
        if self.density == "low":
            return closing
        if self.density == "high":
            return (closing + caging) * 0.5
        return (closing + tolerance(norm(obj - point), self.reach_m, memory["reach_margin"])) * 0.5


def _xz(vector: Array) -> Array:
    return norm(vector[:, ::2])
