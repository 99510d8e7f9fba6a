"""The mug as arithmetic: convex parts, which ``assets/mug.obj`` holds as objects; made again by ``write``.

Metres; the origin is the middle of the foot, z up, the handle along x.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

Array = Any
SIDES = 12
OUTER_M, INNER_M, HEIGHT_M, FLOOR_M = 0.031, 0.026, 0.08, 0.006
HANDLE_M = ((0.029, 0.062), (0.05, 0.062), (0.058, 0.05), (0.058, 0.034), (0.05, 0.022), (0.029, 0.022))
THICK_M = 0.004  # half of the handle's


def parts() -> dict[str, tuple[Array, Array]]:
    """Return part name to the corners of two polygons, one after the other: ``(K, 3)`` each, in the same order."""
    turns = (np.arange(SIDES + 1) - 0.5) * 2 * np.pi / SIDES
    ring = np.stack([np.cos(turns), np.sin(turns), np.zeros(SIDES + 1)], axis=1)
    up = np.array([0.0, 0.0, HEIGHT_M])
    made = {"floor": (0.5 * (OUTER_M + INNER_M) * ring[:-1], 0.5 * (OUTER_M + INNER_M) * ring[:-1] + [0, 0, FLOOR_M])}
    for i in range(SIDES):
        foot = np.stack([INNER_M * ring[i], OUTER_M * ring[i], OUTER_M * ring[i + 1], INNER_M * ring[i + 1]])
        made[f"wall{i}"] = (foot, foot + up)
    way = np.array(HANDLE_M)
    ahead = np.diff(way, axis=0, prepend=way[:1] - [[1.0, 0.0]], append=way[-1:] - [[1.0, 0.0]])
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    aside = (ahead[:-1] + ahead[1:])[:, ::-1] * [1.0, -1.0]  # across the way, in the plane of the handle
    aside *= THICK_M / np.linalg.norm(aside, axis=1, keepdims=True)
    corners = []
    for (x, z), (dx, dz) in zip(way, aside, strict=True):
        corners.append([[x + s * dx, t * THICK_M, z + s * dz] for s, t in ((1, 1), (-1, 1), (-1, -1), (1, -1))])
    for i, (one, other) in enumerate(zip(corners, corners[1:], strict=False)):
        made[f"handle{i}"] = (np.array(one), np.array(other))
    return made


def write(path: Path) -> None:
    """Write the parts as the objects of an OBJ file."""
    lines, start = ["# A mug of convex parts, made by metasim.tasks.tabletop.mug"], 1
    for name, (low, high) in parts().items():
        count = len(low)
        lines.append(f"o {name}")
        lines += [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in (np.round([*low, *high], 6) + 0.0).tolist()]
        sides = [(i, (i + 1) % count, count + (i + 1) % count, count + i) for i in range(count)]
        polygons = [tuple(reversed(range(count))), tuple(range(count, 2 * count)), *sides]
        triangles = [(p[0], p[i], p[i + 1]) for p in polygons for i in range(1, len(p) - 1)]
        lines += ["f " + " ".join(str(start + corner) for corner in triangle) for triangle in triangles]
        start += 2 * count
    path.write_text("\n".join(lines) + "\n")
