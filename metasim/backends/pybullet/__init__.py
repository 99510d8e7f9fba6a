"""PyBullet: the canonical model translated to Bullet bodies, MuJoCo's joint forces applied as torques."""

import metasim.model  # noqa: F401  first: it chooses how to draw without a screen, before MuJoCo is imported
from metasim.backends.pybullet.quiet import import_quietly

import_quietly("pybullet")

from metasim.backends.pybullet.backend import PybulletBackend  # noqa: E402

__all__ = ["PybulletBackend"]
