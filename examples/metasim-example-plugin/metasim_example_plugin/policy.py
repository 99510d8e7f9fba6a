"""A policy: full power to the right."""

from typing import Any

import numpy as np


class Eager:
    """The action +1, always.

    Args:
        task: The task that is to be done, or its class.
        num_worlds: N.
    """

    def __init__(self, task: Any, num_worlds: int) -> None:
        self.num_worlds = num_worlds

    def reset(self, rows: Any, seeds: Any) -> None:
        """Begin episodes; there is nothing to remember."""

    def act(self, observation: Any) -> Any:
        """Return actions ``(N, 1)``."""
        return np.ones((self.num_worlds, 1), np.float32)
