"""The packages that decide what an episode is, and their versions."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_ALWAYS = {"metasim": "metasim-robotics", "numpy": "numpy", "mujoco": "mujoco"}
_ENGINES = {"pybullet": "pybullet"}
PACKAGES: Mapping[str, str] = _ALWAYS | _ENGINES
"""Name in a file to name of the distribution."""


def package_versions(backends: Sequence[str]) -> dict[str, str]:
    """Return the versions that decide what an episode is, those of model compiler and engines included."""
    packages = _ALWAYS | {name: _ENGINES[name] for name in backends if name in _ENGINES}
    return {name: importlib.metadata.version(package) for name, package in packages.items()}


def source_digests(origins: Iterable[str]) -> dict[str, str]:
    """Return file name to SHA-256 of files and modules, not of this package, that are loaded for a collection."""
    found: dict[str, str] = {}
    for origin in origins:
        path = Path(origin)
        if not path.is_file():
            spec = importlib.util.find_spec(origin)
            path = Path(spec.origin) if spec and spec.origin else path
        found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return found
