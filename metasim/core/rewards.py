"""Shaping functions that rewards are made of; element-wise, on any array-API namespace.

Sources: ``tolerance`` after Tassa et al., "DeepMind Control Suite", arXiv:1801.00690, section 2; ``hamacher`` and
``rect_prism`` as used by Yu et al., "Meta-World", arXiv:1910.10897. All results are ``(N,)``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from metasim.core.array import namespace

Array = Any
_LN10 = math.log(10.0)
_TINY = 1e-12


def at_least(x: Array, low: Any) -> Array:
    """Return the larger of ``x`` and ``low``, a number or an array."""
    xp = namespace(x)
    return xp.maximum(x, low) if xp is np else xp.clip(x, low, None)


def norm(vector: Array) -> Array:
    """Return the Euclidean length over the last axis of ``(..., K)``; row by row, so batches do not change a bit."""
    xp = namespace(vector)
    return xp.sqrt(xp.vecdot(vector, vector))


def distance(a: Array, b: Array) -> Array:
    """Return the Euclidean distance between points ``(..., K)``."""
    return norm(a - b)


def tolerance(
    x: Array, bound: float | Array, margin: float | Array, low: float | None = None, sigmoid: str = "long_tail"
) -> Array:
    """Return 1 where ``low <= x <= bound`` and fall to 0.1 at ``margin`` outside.

    Args:
        x: ``(N,)`` the quantity.
        bound: Upper end of the interval.
        margin: ``(N,)`` or scalar distance at which the value is 0.1; where it is 0 the value outside is below 1e-9.
        low: Lower end of the interval; None for quantities that have none, such as distances.
        sigmoid: ``"long_tail"``, 1 / (1 + 9 d^2), or ``"gaussian"``, exp(-d^2 ln 10), with d in units of margin.
    """
    excess = x - bound
    if low is not None:
        excess = namespace(x).maximum(low - x, excess)
    small = max(margin, _TINY) if isinstance(margin, (int, float)) else at_least(margin, _TINY)
    d = at_least(excess, 0.0) / small
    if sigmoid == "long_tail":
        return 1.0 / (1.0 + 9.0 * (d * d))
    if sigmoid == "gaussian":
        return namespace(x).exp(d * d * -_LN10)
    raise ValueError(f"sigmoid must be 'long_tail' or 'gaussian', got {sigmoid!r}")


def hamacher(a: Array, b: Array) -> Array:
    """Return the Hamacher product ab / (a + b - ab), 0 where both are 0; a and b in [0, 1]."""
    product = a * b
    return product / at_least(a + b - product, _TINY)


def rect_prism(point: Array, zero: Array, one: Array) -> Array:
    """Return the product over axes of (point - zero) / (one - zero) inside the box, 1 outside.

    Args:
        point: ``(..., 3)``.
        zero: ``(..., 3)`` the corner where the product is 0.
        one: ``(..., 3)`` the opposite corner, where it is 1.
    """
    xp = namespace(point)
    ratio = (point - zero) / (one - zero)
    outside = (ratio < 0.0) | (ratio > 1.0)
    product = ratio[..., 0] * ratio[..., 1] * ratio[..., 2]
    return xp.where(xp.any(outside, axis=-1), xp.ones_like(product), product)
