"""MetaSim: robot-learning tasks that mean the same thing in more than one physics engine.

``import metasim`` is light: engines, gymnasium and the task suites are imported when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from metasim.core.registration import connect

if TYPE_CHECKING:
    from metasim.conformance import check_backend
    from metasim.core.backend import BACKENDS, Backend, Start, launch
    from metasim.core.errors import MetasimError
    from metasim.core.reads import Reads
    from metasim.core.scene import Scene
    from metasim.core.task import TASKS, Task, register
    from metasim.envs import make, make_vec
    from metasim.model import compile_scene

__version__ = "0.1.0"

_HOME = {
    "BACKENDS": "metasim.core.backend",
    "Backend": "metasim.core.backend",
    "MetasimError": "metasim.core.errors",
    "Reads": "metasim.core.reads",
    "Scene": "metasim.core.scene",
    "Start": "metasim.core.backend",
    "TASKS": "metasim.core.task",
    "Task": "metasim.core.task",
    "check_backend": "metasim.conformance",
    "compile_scene": "metasim.model",
    "launch": "metasim.core.backend",
    "make": "metasim.envs",
    "make_vec": "metasim.envs",
    "register": "metasim.core.task",
}

__all__ = [
    "BACKENDS",
    "TASKS",
    "Backend",
    "MetasimError",
    "Reads",
    "Scene",
    "Start",
    "Task",
    "check_backend",
    "compile_scene",
    "launch",
    "make",
    "make_vec",
    "register",
]


def __getattr__(name: str) -> Any:
    """Import an exported name from its home when it is first used."""
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'metasim' has no attribute {name!r}; it has {__all__}")


connect()
