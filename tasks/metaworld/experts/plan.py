"""What the experts are written in: plans, phases, and words for waypoints and grasps.

An expert is a plan: a few phases. A phase says when it holds, where the hand should go and what the gripper
does; in each world the first phase that holds decides, and the last is the fallback. Nothing is remembered
between calls: which phase holds is read off the observation, so an expert starts anew when it loses what it
held, and keeps what it has reached.

Frames: world, metres, the table top is z = 0; the fingers open along y.
Actions: (N, 4) float32 in [-1, 1]: the displacement of the hand's target [cm per step], then the gripper.
Only element-wise arithmetic: row i of a batch gives the same bits as row i alone.
"""

from collections.abc import Callable
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
    """What the experts read of an observation; each field is (N, 3), (N, 4) or (N,) [m], world."""

    hand: Array
    drift: Array  # the hand's displacement over the last step
    opening: Array  # 1 = open, about 0.3 = closed on nothing
    closing: Array  # decrease of the opening over the last step
    obj: Array
    quat: Array  # (N, 4), in the task's own order
    second: Array  # position of the second object, zeros in most tasks
    second_drift: Array  # its displacement over the last step
    goal: Array


class Phase(NamedTuple):
    """Where the hand goes while a condition holds, and what the gripper does."""

    when: Array | bool  # (N,) bool
    to: Array  # (N, 3) [m], world
    grip: float
    gain: float = 0.15  # share of the remaining way made per step, at most STEP_M along each axis


Plan = tuple[Phase, ...]
LISTED: dict[str, Expert] = {}


def expert(plan: Callable[[View], Plan]) -> Expert:
    """Turn a plan into an expert and list it under its name, with hyphens.

    The expert maps observations (N, 39) to actions (N, 4) float32 and raises ValueError on another shape.
    """

    def act(obs: Array) -> Array:
        return _follow(_view(obs), plan)

    act.__name__, act.__qualname__, act.__doc__ = plan.__name__, plan.__qualname__, plan.__doc__
    act.__module__ = plan.__module__
    LISTED[plan.__name__.replace("_", "-")] = act
    return act


def _view(obs: Array) -> View:
    if obs.ndim != 2 or obs.shape[1] != 39:
        raise ValueError(f"an expert reads observations (N, 39), not {obs.shape}; give one world as obs[None]")
    hand, opening = obs[:, 0:3], obs[:, 3]
    drift, closing = hand - obs[:, 18:21], obs[:, 21] - opening
    second = obs[:, 11:14]
    return View(hand, drift, opening, closing, obs[:, 4:7], obs[:, 7:11], second, second - obs[:, 29:32], obs[:, 36:39])


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


def grasp(
    see: View, spot: Array, then: Plan, clearance: float = 0.08, closed_at: float = 0.8, grip: float = CLOSE
) -> Plan:
    """Come down on `spot` (N, 3) with open fingers, close them, and once they have stopped follow `then`.

    A hand that cannot come all the way down closes where it stops. What is held may slip by 3 cm down or 5 cm
    aside before it is let go and grasped anew. Fingers open less than `closed_at` count as closed; `grip` is how they
    are closed.
    """
    closed, stopped = see.opening < closed_at, see.drift[:, 2] > -0.0005
    aside = gap_xy(see.hand, spot) > np.where(closed, 0.05, 0.02)
    high = see.hand[:, 2] - spot[:, 2] > np.where(closed, 0.03, np.where(stopped, 0.025, 0.012))
    loose = ~closed | (see.closing > 0.005)
    return (
        Phase(aside, over(see, spot, spot[:, 2] + clearance), OPEN),
        Phase(high, spot, OPEN),
        Phase(loose, spot, grip),
        *then,
    )


def carry(see: View, held: Array, to: Array, gain: float = 0.15, grip: float = CLOSE) -> Phase:
    """Move the hand so that `held`, which moves with it, arrives at `to`; both (N, 3)."""
    return Phase(True, see.hand + (to - held), grip, gain)
