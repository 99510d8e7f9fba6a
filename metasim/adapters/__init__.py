"""Faces of the vector environment that other frameworks know; each module imports its framework, this one none.

``sb3`` (Stable-Baselines3), ``rsl_rl``, ``torchrl`` and ``lerobot``. ``gymnasium.vector`` needs no adapter:
:func:`metasim.make_vec` returns that very interface.
"""

from metasim.adapters.worlds import Worlds, open_worlds

__all__ = ["Worlds", "open_worlds"]
