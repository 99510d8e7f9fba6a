"""Which geoms of a visual model a task's surface consists of."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np

from metasim.core.errors import UnknownName


def surface_geoms(visual: mujoco.MjModel, names: Sequence[str]) -> list[int]:
    """Return the geoms that a surface consists of: those named, and all of the bodies named.

    Raises:
        UnknownName: If there is neither geom nor body of a name.
    """
    geoms = {visual.geom(g).name: g for g in range(visual.ngeom) if visual.geom(g).name}
    bodies = {visual.body(b).name: b for b in range(visual.nbody)}
    found: list[int] = []
    for name in names:
        if name in bodies:
            found += np.flatnonzero(visual.geom_bodyid == bodies[name]).tolist()
        elif name in geoms:
            found.append(geoms[name])
        else:
            raise UnknownName("geom or body", name, [*bodies, *geoms], hint="(in Task.surfaces)")
    return found
