"""Scripted experts for Meta-World: pure, batched functions of the observation alone.

An expert is a plan: a few phases. A phase says when it holds, where the hand should go and what the gripper
does; in each world the first phase that holds decides, and the last is the fallback. Nothing is remembered
between calls: which phase holds is read off the observation, so an expert starts anew when it loses what it
held, and keeps what it has reached.

Frames: world, metres, the table top is z = 0; the fingers open along y.
Actions: (N, 4) float32 in [-1, 1]: the displacement of the hand's target [cm per step], then the gripper.
Only element-wise arithmetic: row i of a batch gives the same bits as row i alone.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Expert = Callable[[Array], Array]

OPEN, CLOSE = -1.0, 1.0
STEP_M = 0.01  # displacement of the hand's target at full action
LEAD_STEPS = 3.0  # the hand trails its target by about this many steps of its own motion
TIP_M = 0.045  # from the hand down to the fingertips
PUCK_GRIP = (-0.004, 0.0, 0.03)  # from a puck to the hand; a held puck creeps 4 to 8 mm towards -x


class View(NamedTuple):
    """What the experts read of an observation; each field is (N, 3) or (N,) [m], world."""

    hand: Array
    drift: Array  # the hand's displacement over the last step
    opening: Array  # 1 = open, about 0.3 = closed on nothing
    closing: Array  # decrease of the opening over the last step
    obj: Array
    goal: Array


class Phase(NamedTuple):
    """Where the hand goes while a condition holds, and what the gripper does."""

    when: Array | bool  # (N,) bool
    to: Array  # (N, 3) [m], world
    grip: float
    gain: float = 0.15  # share of the remaining way made per step, at most STEP_M along each axis


Plan = tuple[Phase, ...]
_EXPERTS: dict[str, Expert] = {}


def expert(plan: Callable[[View], Plan]) -> Expert:
    """Turn a plan into an expert and list it under its name, with hyphens.

    The expert maps observations (N, 39) to actions (N, 4) float32 and raises ValueError on another shape.
    """

    def act(obs: Array) -> Array:
        return _follow(_view(obs), plan)

    act.__name__, act.__qualname__, act.__doc__ = plan.__name__, plan.__qualname__, plan.__doc__
    _EXPERTS[plan.__name__.replace("_", "-")] = act
    return act


def _view(obs: Array) -> View:
    if obs.ndim != 2 or obs.shape[1] != 39:
        raise ValueError(f"an expert reads observations (N, 39), not {obs.shape}; give one world as obs[None]")
    hand, opening = obs[:, 0:3], obs[:, 3]
    return View(hand, hand - obs[:, 18:21], opening, obs[:, 21] - opening, obs[:, 4:7], obs[:, 36:39])


def _follow(see: View, plan: Callable[[View], Plan]) -> Array:
    *earlier, last = plan(see)
    to, grip, gain = last.to, np.full(see.opening.shape, last.grip), np.full(see.opening.shape, last.gain)
    for phase in reversed(earlier):
        to = choose(phase.when, phase.to, to)
        grip, gain = np.where(phase.when, phase.grip, grip), np.where(phase.when, phase.gain, gain)
    move = (to - see.hand - LEAD_STEPS * see.drift) * (gain / STEP_M)[:, None]
    action = np.concatenate([move, grip[:, None]], axis=1)
    return np.clip(action, -1.0, 1.0).astype(np.float32)


# --- the words that plans are written in ---


def choose(when: Array | bool, yes: Array, no: Array) -> Array:
    """Points (N, 3) from `yes` where the condition (N,) holds, else from `no`."""
    return np.where(np.asarray(when)[..., None], yes, no)


def point(x: Array, y: Array, z: Array | float) -> Array:
    """Points (N, 3) from coordinates (N,)."""
    return np.stack([x, y, np.broadcast_to(z, x.shape)], axis=1)


def gap_xy(a: Array, b: Array) -> Array:
    """Horizontal distance (N,) [m]."""
    return np.sqrt(np.square(a[:, 0] - b[:, 0]) + np.square(a[:, 1] - b[:, 1]))


def over(see: View, spot: Array, height: Array | float) -> Array:
    """Waypoint (N, 3) on the way to above `spot`: up, and across as soon as that arrives at `height`."""
    gap = gap_xy(see.hand, spot)
    low = (gap > 0.03) & (height - see.hand[:, 2] > np.maximum(0.03, gap / 3))
    x, y = see.hand[:, 0] + LEAD_STEPS * see.drift[:, 0], see.hand[:, 1] + LEAD_STEPS * see.drift[:, 1]
    return choose(low, point(x, y, height), point(spot[:, 0], spot[:, 1], height))


def grasp(see: View, spot: Array, then: Plan, clearance: float = 0.08) -> Plan:
    """Come down on `spot` (N, 3) with open fingers, close them, and once they have stopped follow `then`.

    A hand that cannot come all the way down closes where it stops. What is held may slip by 3 cm down or 5 cm
    aside before it is let go and grasped anew.
    """
    closed, stopped = see.opening < 0.8, see.drift[:, 2] > -0.0005
    aside = gap_xy(see.hand, spot) > np.where(closed, 0.05, 0.02)
    high = see.hand[:, 2] - spot[:, 2] > np.where(closed, 0.03, np.where(stopped, 0.025, 0.012))
    loose = ~closed | (see.closing > 0.005)
    return (
        Phase(aside, over(see, spot, spot[:, 2] + clearance), OPEN),
        Phase(high, spot, OPEN),
        Phase(loose, spot, CLOSE),
        *then,
    )


def carry(see: View, held: Array, to: Array, gain: float = 0.15) -> Phase:
    """Move the hand so that `held`, which moves with it, arrives at `to`; both (N, 3)."""
    return Phase(True, see.hand + (to - held), CLOSE, gain)


# --- the plans ---


@expert
def reach(see: View) -> Plan:
    """Bring the fingertips to the goal."""
    return (Phase(True, see.goal + (0.0, 0.0, TIP_M), OPEN),)


@expert
def push(see: View) -> Plan:
    """Grasp the puck and slide it, lifted by a hair, to the goal."""
    return grasp(see, see.obj + PUCK_GRIP, (carry(see, see.obj, see.goal + (0.0, 0.0, 0.01)),))


@expert
def pick_place(see: View) -> Plan:
    """Grasp the puck and carry it to the goal in the air."""
    return grasp(see, see.obj + PUCK_GRIP, (carry(see, see.obj, see.goal),))


@expert
def peg_insert_side(see: View) -> Plan:
    """Grasp the peg, line its head up before the hole, and push it in along -x."""
    head = see.obj + (-0.13, 0.0, -0.01)
    off = see.goal - head
    aligned = (np.abs(off[:, 1]) < 0.01) & (np.abs(off[:, 2]) < 0.01)
    outside = off[:, 0] < -0.075  # the hole's mouth is 60 mm before the goal
    before_hole = carry(see, head, see.goal + (0.12, 0.0, 0.0))
    insert = carry(see, head, see.goal, gain=0.05)
    return grasp(see, see.obj + (0.0, 0.0, 0.02), (before_hole._replace(when=outside & ~aligned), insert))


@expert
def drawer_open(see: View) -> Plan:
    """Grasp the handle's bar from above and pull."""
    spot = see.obj + (0.0, -0.003, 0.025)
    pull_to = point(spot[:, 0], see.hand[:, 1] + see.goal[:, 1] + 0.02 - see.obj[:, 1], spot[:, 2])
    return grasp(see, spot, (Phase(True, pull_to, CLOSE),))


@expert
def drawer_close(see: View) -> Plan:
    """Come down before the handle's bar and push it in."""
    front = see.obj + (0.0, -0.07, -0.02)
    low = see.hand[:, 2] < see.obj[:, 2] + 0.02
    before = (see.hand[:, 1] < see.obj[:, 1]) & (np.abs(see.hand[:, 0] - see.obj[:, 0]) < 0.03)
    return (
        Phase(low & before, point(see.obj[:, 0], see.goal[:, 1] - 0.035, front[:, 2]), CLOSE),
        Phase(gap_xy(see.hand, front) < 0.02, front, CLOSE),
        Phase(True, over(see, front, see.obj[:, 2] + 0.1), CLOSE),
    )


@expert
def button_press_topdown(see: View) -> Plan:
    """Press the button down from above with closed fingers."""
    return (
        Phase(gap_xy(see.hand, see.obj) < 0.02, see.goal + (0.0, 0.0, 0.05), CLOSE),
        Phase(True, over(see, see.obj, see.goal[:, 2] + 0.2), CLOSE),
    )


@expert
def window_open(see: View) -> Plan:
    """Reach in on the handle's left and push it along +x."""
    beside = see.obj + (-0.04, -0.005, 0.04)
    push_to = point(see.goal[:, 0] - 0.035, beside[:, 1], beside[:, 2])
    return _push_handle(see, beside, push_to)


@expert
def window_close(see: View) -> Plan:
    """Reach in on the handle's right and push it along -x."""
    beside = see.obj + (0.04, -0.005, 0.04)
    push_to = point(see.goal[:, 0] + 0.015, beside[:, 1], beside[:, 2])
    return _push_handle(see, beside, push_to)


def _push_handle(see: View, beside: Array, push_to: Array) -> Plan:
    off = np.abs(see.hand - beside)
    level = off[:, 2] < 0.03
    return (
        Phase(level & (off[:, 1] < 0.02) & (off[:, 0] < 0.075), push_to, CLOSE),
        Phase(level & (off[:, 0] < 0.02), beside, CLOSE),
        Phase(True, beside + (0.0, -0.1, 0.0), CLOSE),
    )


@expert
def door_open(see: View) -> Plan:
    """Hook the bar and pull the door ajar, then step over it and push its inside until it stands open.

    `u` points along the door away from the hinge, `n` to its inside; the handle's centre is at
    0.3757 u - 0.1071 n, which is 0.3907 m from the hinge and 15.92 degrees out of the door. Pulled wide open,
    the bar would be where the hand cannot go.
    """
    hinge = see.goal + (0.115, 0.35, 0.0)
    arm = (see.obj - hinge) / 0.3907
    u = np.stack([0.9616 * arm[:, 0] - 0.2743 * arm[:, 1], 0.2743 * arm[:, 0] + 0.9616 * arm[:, 1]], axis=1)
    n = np.stack([-u[:, 1], u[:, 0]], axis=1)

    def on_door(along: float, depth: float, z: float) -> Array:
        xy = along * u + depth * n
        return hinge + point(xy[:, 0], xy[:, 1], z)

    rel = see.hand - hinge
    along, depth = rel[:, 0] * u[:, 0] + rel[:, 1] * u[:, 1], rel[:, 0] * n[:, 0] + rel[:, 1] * n[:, 1]
    ajar, more = u[:, 1] < -0.6, u[:, 1] < -0.7  # 37 and 44 degrees
    low = rel[:, 2] < 0.07
    hook, inside = on_door(0.40, -0.07, 0.02), on_door(0.25, 0.09, 0.0)
    hooked = low & (np.abs(along - 0.40) < 0.04) & (depth > -0.1) & (depth < -0.04)
    return (
        Phase(hooked & ~more, on_door(0.40, -0.17, 0.02), CLOSE),
        Phase(ajar & low & (depth > -0.005), see.goal + (0.136, 0.1, 0.0), CLOSE),
        Phase(ajar & (gap_xy(see.hand, inside) < 0.03), inside, CLOSE),
        Phase(ajar, over(see, inside, see.goal[:, 2] + 0.25), CLOSE),
        Phase(gap_xy(see.hand, hook) < 0.02, hook, CLOSE),
        Phase(True, over(see, hook, see.goal[:, 2] + 0.13), CLOSE),
    )


EXPERTS: Mapping[str, Expert] = MappingProxyType(_EXPERTS)
