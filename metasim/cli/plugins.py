"""What other packages bring, and what is wrong with those that bring nothing."""

from __future__ import annotations

from typing import Any

from metasim.core.errors import MissingDependency
from metasim.core.registry import Registry


def registries() -> tuple[Registry[Any], ...]:
    """Return the registries that other packages may add to."""
    from metasim.core.backend import BACKENDS
    from metasim.core.policy import POLICIES
    from metasim.core.task import TASKS
    from metasim.model.robots import ROBOTS
    from metasim.randomize import AXES

    return TASKS, ROBOTS, BACKENDS, POLICIES, AXES


def rows() -> list[dict[str, Any]]:
    """Import everything that plug-ins bring; return a row for each plug-in of each kind."""
    return [row for registry in registries() for row in _rows(registry)]


def problems(registry: Registry[Any]) -> dict[str, str]:
    """Import everything that plug-ins bring to a registry; return the failing plug-ins and why."""
    registry.discover()
    for name in registry.plugins:
        try:
            registry[name]
        except MissingDependency:
            continue  # kept in ``failures``
    return registry.failures


def _rows(registry: Registry[Any]) -> list[dict[str, Any]]:
    failed = problems(registry)
    brought: dict[str, list[str]] = {}
    for name, plugin in registry.plugins.items():
        if plugin.label not in failed:
            brought.setdefault(plugin.label, []).append(name)
    good = [
        {"plug-in": label, "brings": f"{registry.kind} {', '.join(names)}", "problem": ""}
        for label, names in brought.items()
    ]
    bad = [{"plug-in": label, "brings": registry.kind, "problem": why} for label, why in failed.items()]
    return [*good, *bad]
