"""The array namespace of an input, cheap for numpy arrays, which is what hot paths see."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace

Array = Any


def namespace(x: Array) -> Any:
    """Return the array-API namespace of ``x``; numpy itself for numpy arrays and numbers."""
    return np if isinstance(x, (np.ndarray, np.generic, float, int)) else array_namespace(x)
