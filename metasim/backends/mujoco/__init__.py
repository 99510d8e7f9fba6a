"""MuJoCo: the canonical model natively, on its C++ batch of worlds."""

from metasim.backends.mujoco.backend import MujocoBackend

__all__ = ["MujocoBackend"]
