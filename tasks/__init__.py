"""The task suites; importing this package registers them."""

from metasim.tasks import metaworld

__all__ = ["metaworld"]
