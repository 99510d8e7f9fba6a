"""The versions that results depend on: of metasim, engines and libraries, and of the packages that scenes come from."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from metasim.core.policy import POLICIES
from metasim.envs.packages import asset_packages


def versions(backend: str, tasks: Iterable[str] = (), policies: Iterable[str] = ()) -> dict[str, str]:
    """Return name to version of metasim, the model compiler, the engine, numpy, Python, and of what else decides.

    Args:
        backend: The engine.
        tasks: Task ids; the packages that files of their scenes come from are named, such as ``envpool-assets``.
        policies: Names of policies; torch is named if one of them acts with it.
    """
    wanted = {"metasim": "metasim-robotics", "mujoco": "mujoco", backend: backend, "numpy": "numpy"}
    wanted |= {name: name for name in asset_packages(tasks)}
    if any(getattr(training(name), "cameras", None) for name in policies):
        wanted["torch"] = "torch"  # which those take that see pictures; others act without it
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name, package in wanted.items():
        with suppress(importlib.metadata.PackageNotFoundError):  # an engine whose package has another name
            found[name] = importlib.metadata.version(package)
    return found


def training(policy: str) -> Any:
    """Return what a learned policy's file says of its training, a ``PolicyInfo``; None for any other policy."""
    factory = POLICIES[policy]
    return getattr(getattr(factory, "policy", factory), "info", None)
