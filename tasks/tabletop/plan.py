"""What the experts are written in: phases, of which the first that holds decides, and words for waypoints and grasps.

Nothing is remembered between calls: which phase holds is read off the observation, so an expert starts anew when it
loses what it held. Only element-wise arithmetic: row i of a batch gives the same bits as row i alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from metasim.core.rotation import rotate
from metasim.tasks.tabletop.arms import STEP_M

Array = Any
OPEN, CLOSE = -1.0, 1.0
LEAD_STEPS = 2.0  # the hand trails its target by about this many steps of its own motion
HEAD = {"hand": 3, "opening": 1, "hand_before": 3, "opening_before": 1}


class Phase(NamedTuple):
    """Where the hand goes while a condition holds, and what the gripper does."""

    when: Array | bool  # (N,) bool
    to: Array  # (N, 3) [m], world
    grip: float
    gain: float = 0.25  # share of the remaining way made per step
    pace: float = 1.0  # largest move per step along an axis, as a share of STEP_M


Plan = tuple[Phase, ...]


class View:
    """An observation by name: ``see.cube`` is ``(N, 3)``; ``drift`` and ``closing`` are changes over the last step.

    Args:
        observation: ``(N, D)``.
        layout: Names and sizes of what follows the hand.
    """

    def __init__(self, observation: Array, layout: Mapping[str, int]) -> None:
        sizes = {**HEAD, **layout}
        if observation.shape[1] != sum(sizes.values()):
            raise ValueError(f"the expert reads observations (N, {sum(sizes.values())}), not {observation.shape}")
        start = 0
        for name, size in sizes.items():
            value = observation[:, start : start + size]
            setattr(self, name, value[:, 0] if size == 1 else value)
            start += size
        self.drift = self.hand - self.hand_before
        self.closing = self.opening_before - self.opening

    def __getattr__(self, name: str) -> Array:
        raise AttributeError(name)


def expert(plan: Callable[[View], Plan], **layout: int) -> Any:
    """Return an expert: observations ``(N, D)`` to actions ``(N, 4)`` float32, for a class attribute.

    What it takes the observation for is its ``layout``, names and sizes in order.

    Args:
        plan: Its phases.
        **layout: Names and sizes of what the observation has after the hand.
    """

    def act(observation: Array) -> Array:
        see = View(observation, layout)
        *earlier, last = plan(see)
        shape = see.opening.shape
        to = last.to
        numbers = [np.full(shape, number) for number in last[2:]]
        for phase in reversed(earlier):
            to = choose(phase.when, phase.to, to)
            numbers = [np.where(phase.when, ours, other) for ours, other in zip(phase[2:], numbers, strict=True)]
        grip, gain, pace = numbers
        move = (to - see.hand - LEAD_STEPS * see.drift) * (gain / STEP_M)[:, None]
        move = move / np.maximum(np.abs(move).max(axis=1) / pace, 1.0)[:, None]  # slower, not another way
        return np.clip(np.concatenate([move, grip[:, None]], axis=1), -1.0, 1.0).astype(np.float32)

    vars(act)["layout"] = {**HEAD, **layout}
    return staticmethod(act)


def choose(when: Array | bool, yes: Array, no: Array) -> Array:
    """Return points ``(N, 3)`` from ``yes`` where the condition ``(N,)`` holds, else from ``no``."""
    return np.where(np.asarray(when)[..., None], yes, no)


def shifted(at: Array, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Array:
    """Return points moved by constants."""
    return at + np.array([x, y, z])


def gap_xy(a: Array, b: Array) -> Array:
    """Return the horizontal distance ``(N,)`` [m]."""
    return np.sqrt(np.square(a[:, 0] - b[:, 0]) + np.square(a[:, 1] - b[:, 1]))


def dot_xy(a: Array, b: Array) -> Array:
    """Return the horizontal part of the inner product ``(N,)``."""
    return a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1]


def heading(start: Array, end: Array) -> Array:
    """Return the horizontal direction ``(N, 3)`` from one point to another, of length 1 (0 where they meet)."""
    flat = (end - start) * np.array([1.0, 1.0, 0.0])
    return flat / np.maximum(gap_xy(start, end), 1e-6)[:, None]


def along(quat: Array, axis: tuple[float, float, float]) -> Array:
    """Return a vector ``(N, 3)`` given in the axes of a body of orientation ``(N, 4)``, in the world's."""
    return rotate(quat, np.array(axis))


def above(see: View, spot: Array, clearance: float) -> Array:
    """Return the waypoint on the way to above ``spot``: up first, then across."""
    high = np.maximum(spot[:, 2] + clearance, see.hand[:, 2])
    low = (gap_xy(see.hand, spot) > 0.03) & (see.hand[:, 2] < spot[:, 2] + 0.6 * clearance)
    up = np.stack([see.hand[:, 0], see.hand[:, 1], spot[:, 2] + clearance], axis=1)
    across = np.stack([spot[:, 0], spot[:, 1], np.where(low, high, spot[:, 2] + clearance)], axis=1)
    return choose(low, up, across)


def grasp(see: View, spot: Array, width_m: float, then: Plan, clearance: float = 0.1) -> Plan:
    """Come down on ``spot`` with open fingers, close them on ``width_m``, and once they have stopped follow ``then``.

    What is held may slip by 2 cm, 2.5 cm along the fingers, before it is let go and grasped anew.
    """
    closed = see.opening < width_m + 0.012
    aside = gap_xy(see.hand, spot) > np.where(closed, 0.02, 0.008)
    high = np.abs(see.hand[:, 2] - spot[:, 2]) > np.where(closed, 0.025, 0.005)
    loose = ~closed | (see.closing > 0.0005)
    return (
        Phase(aside, above(see, spot, clearance), OPEN),
        Phase(high, spot, OPEN),
        Phase(loose, see.hand, CLOSE),
        *then,
    )


def carry(see: View, held: Array, to: Array, gain: float = 0.25, pace: float = 0.5) -> Phase:
    """Move the hand so that ``held``, which moves with it, arrives at ``to``; both ``(N, 3)``."""
    return Phase(True, see.hand + (to - held), CLOSE, gain, pace)


def approach(see: View, spot: Array, grip: float, clearance: float = 0.1) -> Phase:
    """Go to above ``spot`` and come down on it, the gripper as said."""
    return Phase(True, choose(gap_xy(see.hand, spot) > 0.015, above(see, spot, clearance), spot), grip)


def bring(see: View, held: Array, to: Array, clearance: float = 0.06) -> Phase:
    """Carry ``held`` to above ``to``, up first, and lower it; slowly on the last centimetres."""
    aside = gap_xy(held, to)
    high = to[:, 2] + clearance
    up = np.stack([held[:, 0], held[:, 1], high], axis=1)
    across = np.stack([to[:, 0], to[:, 1], high], axis=1)
    far = (aside > 0.03) & (held[:, 2] < to[:, 2] + 0.6 * clearance)
    return carry(see, held, choose(far, up, choose(aside > 0.006, across, to)))


def insert(see: View, held: Array, rim: Array, depth: float, near_m: float, clearance: float = 0.04) -> Plan:
    """Carry ``held`` to above ``rim``, up first, and lower it to ``depth`` below, gently until it is surely inside.

    What stands on the rim, less than ``near_m`` aside, is pressed, which turns it straight; pushed further aside, it is
    lifted and tried anew, before it is pushed up out of the fingers.
    """
    aside, high = gap_xy(held, rim), rim[:, 2] + clearance
    up = np.stack([held[:, 0], held[:, 1], high], axis=1)
    across = np.stack([rim[:, 0], rim[:, 1], np.where(aside > 0.01, high, rim[:, 2] + 0.008)], axis=1)
    far = (aside > 0.02) & (held[:, 2] < rim[:, 2] + 0.6 * clearance)
    inside = (held[:, 2] < rim[:, 2] - 0.005) & (aside < 0.01)  # leaning on the rim, its middle is up to 2 mm below
    down = carry(see, held, shifted(rim, z=-depth))
    return (
        down._replace(when=inside),
        down._replace(when=aside < near_m, pace=0.3),
        carry(see, held, choose(far, up, across)),
    )


def let_go(see: View, when: Array, held: Array, wide_m: float, retreat: float = 0.1) -> Plan:
    """While a condition holds, open the fingers, and once they are ``wide_m`` apart go up and stay above ``held``."""
    up = shifted(held, z=retreat)
    return (Phase(when & (see.opening < wide_m), see.hand, OPEN), Phase(when, up, OPEN))
