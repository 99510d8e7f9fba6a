"""The task suites; importing this package registers them, and the files that METASIM_TASK_MODULES names."""

from metasim.core.task_files import load_environment
from metasim.tasks import classic, meta_rl, metaworld, tabletop

load_environment()

__all__ = ["classic", "meta_rl", "metaworld", "tabletop"]
