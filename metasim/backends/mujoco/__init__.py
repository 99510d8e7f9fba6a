"""MuJoCo: the canonical model natively, on its C++ batch of worlds."""

import metasim.model  # noqa: F401  first: it chooses how to draw without a screen, before MuJoCo is imported
from metasim.backends.mujoco.backend import MujocoBackend

__all__ = ["MujocoBackend"]
