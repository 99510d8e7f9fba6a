"""Isaac Gym: the canonical model as URDF files, simulated by a worker in an interpreter of its own.

It has not been run on the real engine; docs/isaacgym.md says what has been proven without it, and what not.
"""

import metasim.model  # noqa: F401  first: it chooses how to draw without a screen, before MuJoCo is imported
from metasim.backends.isaacgym.backend import IsaacGymBackend

__all__ = ["IsaacGymBackend"]
