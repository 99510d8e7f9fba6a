"""Shaping functions that rewards are made of; element-wise, on any array-API namespace.

Sources: ``tolerance`` after Tassa et al., "DeepMind Control Suite", arXiv:1801.00690, section 2; ``hamacher`` and
``rect_prism`` as used by Yu et al., "Meta-World", arXiv:1910.10897. All results are ``(N,)``.
"""

from __future__ import annotations

import math
from typing import Any

from metasim.core.array import namespace

Array = Any
_VALUE_AT_MARGIN = 0.1


def norm(vector: Array) -> Array:
    """Return the Euclidean length over the last axis of ``(..., K)``, K small, without a matrix product."""
    xp = namespace(vector)
    total = vector[..., 0] * vector[..., 0]
    for k in range(1, vector.shape[-1]):
        total = total + vector[..., k] * vector[..., k]
    return xp.sqrt(total)


def distance(a: Array, b: Array) -> Array:
    """Return the Euclidean distance between points ``(..., K)``."""
    return norm(a - b)


def tolerance(x: Array, bound: float | Array, margin: float | Array, low: float = 0.0, sigmoid: str = "long_tail") -> Array:
    """Return 1 inside ``[low, bound]`` and fall to 0.1 at ``margin`` outside it.

    Args:
        x: ``(N,)`` the quantity.
        bound: Upper end of the interval.
        margin: ``(N,)`` or scalar distance at which the value is 0.1; where it is 0 the value outside is 0.
        low: Lower end of the interval.
        sigmoid: ``"long_tail"``, 1 / (1 + 9 d^2), or ``"gaussian"``, exp(-d^2 ln 10), with d in units of margin.
    """
    xp = namespace(x)
    excess = xp.maximum(low - x, x - bound)
    inside = excess <= 0.0
    margin = margin + xp.zeros_like(x)
    d = excess / xp.where(margin > 0, margin, xp.ones_like(x))
    if sigmoid == "long_tail":
        value = 1.0 / (1.0 + (1.0 / _VALUE_AT_MARGIN - 1.0) * d * d)
    elif sigmoid == "gaussian":
        value = xp.exp(-d * d * math.log(1.0 / _VALUE_AT_MARGIN))
    else:
        raise ValueError(f"sigmoid must be 'long_tail' or 'gaussian', got {sigmoid!r}")
    return xp.where(inside, xp.ones_like(x), xp.where(margin > 0, value, xp.zeros_like(x)))


def hamacher(a: Array, b: Array) -> Array:
    """Return the Hamacher product ab / (a + b - ab), 0 where both are 0; a and b in [0, 1]."""
    xp = namespace(a)
    product = a * b
    denominator = a + b - product
    positive = denominator > 0
    return xp.where(positive, product / xp.where(positive, denominator, xp.ones_like(product)), xp.zeros_like(product))


def rect_prism(point: Array, zero: Array, one: Array) -> Array:
    """Return the product over axes of (point - zero) / (one - zero) inside the box, 1 outside; points ``(N, 3)``."""
    xp = namespace(point)
    low, high = xp.minimum(zero, one), xp.maximum(zero, one)
    inside = (point >= low) & (point <= high)
    within = inside[..., 0] & inside[..., 1] & inside[..., 2]
    ratio = (point - zero) / (one - zero)
    return xp.where(within, ratio[..., 0] * ratio[..., 1] * ratio[..., 2], xp.ones_like(ratio[..., 0]))
