"""What varies in tabletop scenes besides positions: the turn of what stands on the table, joints and marks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from metasim.core.factors import Uniform

Array = Any


@dataclass(frozen=True)
class Stand(Uniform):
    """Position (x, y) [m] and turn about the vertical [rad] of an object; its height stays as in the scene.

    Args:
        base: For an asset, the name of its fixed root body; that body's own frame must be the asset's.
    """

    base: str = ""

    def place(self, value: Array, home: Mapping[str, Array]) -> Mapping[str, Mapping[Any, Array]]:
        """Return the pose of the object's free joint, or of its fixed body."""
        pose = np.tile(home[self.name], (len(value), 1))
        half, none = value[:, 2] / 2, np.zeros(len(value))
        pose[:, :2] = value[:, :2]
        pose[:, 3:] = np.stack([np.cos(half), none, none, np.sin(half)], axis=1)
        kind = "bodies" if self.base else str(home[f"kind:{self.name}"])
        return {kind: {self.base or self.name: pose}}


@dataclass(frozen=True)
class Setting(Uniform):
    """Position (1) of a joint [rad or m].

    Args:
        joint: Its name.
    """

    joint: str = ""

    def place(self, value: Array, home: Mapping[str, Array]) -> Mapping[str, Mapping[Any, Array]]:
        """Return the joint's position."""
        return {"joints": {self.joint: value}}


@dataclass(frozen=True)
class Mark(Uniform):
    """Position (3) [m] of a site in its body's frame.

    Args:
        site: Its name.
    """

    site: str = ""

    def place(self, value: Array, home: Mapping[str, Array]) -> Mapping[str, Mapping[Any, Array]]:
        """Return the site's position."""
        return {"sites": {self.site: value}}
