"""Gives every registered task and protocol its id in gymnasium's registry, whichever of the two is imported first.

gymnasium loads no plug-ins by itself. So that ``import metasim`` stays light and ``gymnasium.make("suite/task-v0")``
works all the same, a finder waits for gymnasium's import and registers the ids right after it.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

_ENVS = "metasim.envs.registration"


def connect() -> None:
    """Register the tasks with gymnasium now if it is imported, else as soon as it is."""
    if "gymnasium" in sys.modules:
        register_ids()
    elif not any(isinstance(finder, _WhenImported) for finder in sys.meta_path):
        sys.meta_path.insert(0, _WhenImported())


def register_ids() -> None:
    """Register all known tasks and protocols with gymnasium, and those to come."""
    from metasim.core.protocol import PROTOCOLS
    from metasim.core.task import TASKS

    for registry, register in ((TASKS, _register), (PROTOCOLS, _register_protocol)):
        if register not in registry.listeners:
            registry.listeners.append(register)
        for id in registry:
            register(id)


def _register(id: str) -> None:
    gymnasium: Any = sys.modules["gymnasium"]
    if id not in gymnasium.registry:
        gymnasium.register(
            id=id,
            entry_point=f"{_ENVS}:make_by_kwargs",
            vector_entry_point=f"{_ENVS}:make_vec_by_kwargs",
            kwargs={"task_id": id},
        )


def _register_protocol(id: str) -> None:
    gymnasium: Any = sys.modules["gymnasium"]
    if id not in gymnasium.registry:
        entry = f"{_ENVS}:make_protocol_by_kwargs"
        gymnasium.register(id=id, vector_entry_point=entry, kwargs={"protocol_id": id})


class _WhenImported(importlib.abc.MetaPathFinder):
    """Finds gymnasium by the other finders, and registers the tasks once its module has run."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "gymnasium":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        envs = sys.modules.get("metasim.envs")
        if not getattr(getattr(envs, "__spec__", None), "_initializing", False):
            register_ids()  # else metasim.envs does it when it is complete: tasks of a user's file may import it

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
