"""PyBullet: the canonical model translated to Bullet bodies, MuJoCo's joint forces applied as torques."""

from metasim.backends.pybullet.backend import PybulletBackend

__all__ = ["PybulletBackend"]
