"""What other packages bring, found through their entry points, and whether it was made for this version.

A package says what it was made for where it says what it needs: ``dependencies = ["metasim-robotics>=0.1,<0.2"]``.
Installers keep that when they install; it is read again here, because either side may be changed afterwards
without the other. A package that does not ask for ``metasim-robotics`` at all is taken as made for any version.
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from metasim.core.versions import within

DISTRIBUTION = "metasim-robotics"
_NEED = re.compile(r"\s*([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*\(?([^;)]*)\)?\s*(?:;(.*))?")


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """One entry point of a package.

    Attributes:
        name: Its name: that of the robot, backend or policy it brings.
        module: What is imported.
        attribute: What is taken from the module; empty where the module registers by itself.
        package: The distribution it is in.
        version: That one's version.
        refusal: Why it is not loaded; empty where it may be.
    """

    name: str
    module: str
    attribute: str
    package: str
    version: str
    refusal: str

    @property
    def label(self) -> str:
        """Return how messages call it: name, package and version."""
        return f"{self.name} ({self.package} {self.version})"


def find(group: str) -> Iterator[Plugin]:
    """Look for plug-ins of a group without importing any."""
    for entry in importlib.metadata.entry_points(group=group):
        distribution: Any = getattr(entry, "dist", None)
        package = str(distribution.name) if distribution is not None else "unknown package"
        yield Plugin(
            name=entry.name,
            module=entry.module,
            attribute=entry.attr,
            package=package,
            version=str(distribution.version) if distribution is not None else "?",
            refusal=_refusal(distribution.requires or ()) if distribution is not None else "",
        )


def running_version() -> str:
    """Return the version of the metasim that is running; empty where its core runs alone."""
    return str(getattr(sys.modules.get("metasim"), "__version__", ""))


def _refusal(requirements: Any) -> str:
    running = running_version()
    for line in requirements:
        match = _NEED.fullmatch(line)
        if match is None or re.sub(r"[-_.]+", "-", match[1]).lower() != DISTRIBUTION or "extra" in (match[3] or ""):
            continue
        wanted = match[2].strip()
        if running and not within(running, wanted):
            return (
                f"it was made for {DISTRIBUTION} {wanted}, and this is {running};"
                " install a version of the plug-in that fits"
            )
    return ""
