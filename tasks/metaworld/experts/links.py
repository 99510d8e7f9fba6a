"""Words for plans that turn a link about an axis: where the link is, and where the hand must be to push it.

A link is seen by one point that it carries. Its frame: ``along`` points from the axis along the link, ``ahead`` where
the link moves when it turns as wanted; both lie in the plane of the turning. Only element-wise arithmetic, as in
``plan``.
"""

from typing import NamedTuple

import numpy as np

from metasim.tasks.metaworld.experts.plan import Array

Point = tuple[float, float, float]


class Link(NamedTuple):
    """A link's frame; each field is (N, 3) [m], world."""

    pivot: Array
    along: Array
    ahead: Array

    def at(self, along: Array | float, ahead: Array | float, pusher: Point = (0.0, 0.0, 0.0)) -> Array:
        """Where the hand is when what it carries at `pusher` is at these coordinates of the link (N, 3)."""
        out, forward = (np.broadcast_to(x, self.pivot.shape[:1])[:, None] for x in (along, ahead))
        return self.pivot + out * self.along + forward * self.ahead - np.array(pusher)

    def see(self, hand: Array, pusher: Point) -> tuple[Array, Array, Array]:
        """Coordinates (N,) of what the hand carries at `pusher`: along, ahead, and distance from the plane."""
        arm = hand + np.array(pusher) - self.pivot
        along, ahead = _dot(arm, self.along), _dot(arm, self.ahead)
        aside = arm - along[:, None] * self.along - ahead[:, None] * self.ahead
        return along, ahead, np.sqrt(_dot(aside, aside))


def link(seen: Array, pivot: Array, plane: tuple[int, int], where: tuple[float, float], sense: float) -> Link:
    """The link that carries the point `seen` (N, 3) and turns about `pivot` (N, 3).

    `plane` names the two axes of the turning, `where` is the point's coordinates along and ahead, `sense` is 1 for
    a link that turns from the plane's first axis towards its second, else -1.
    """
    i, j = plane
    (a, b), arm = where, seen - pivot
    along, ahead = np.zeros_like(pivot), np.zeros_like(pivot)
    along[:, i] = (a * arm[:, i] + sense * b * arm[:, j]) / (a * a + b * b)
    along[:, j] = (a * arm[:, j] - sense * b * arm[:, i]) / (a * a + b * b)
    ahead[:, i], ahead[:, j] = -sense * along[:, j], sense * along[:, i]
    return Link(pivot, along, ahead)


def lead(left: Array, most: float, share: float = 0.1) -> Array:
    """How far (N,) [m] to aim ahead of a link that has `left` (N,) to turn, `most` at best; behind one gone too far."""
    return np.clip(share * left, -most, most)


def _dot(a: Array, b: Array) -> Array:
    return a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1] + a[:, 2] * b[:, 2]
