"""Collision shapes of the canonical model as URDF text; which of them may touch, and Isaac Gym's filters for that.

A capsule is a cylinder and two spheres, which every reader of URDF knows; a mesh is its convex hull. The only plane is
the ground, of which Isaac Gym has one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import mujoco
import numpy as np
import trimesh
from scipy.optimize import nnls

from metasim.core.errors import UnsupportedFeature
from metasim.core.rotation import matrix_from_quat

Array = Any
_GEOM = mujoco.mjtGeom
PLANE, SPHERE, CAPSULE = int(_GEOM.mjGEOM_PLANE), int(_GEOM.mjGEOM_SPHERE), int(_GEOM.mjGEOM_CAPSULE)
CYLINDER, BOX, MESH = int(_GEOM.mjGEOM_CYLINDER), int(_GEOM.mjGEOM_BOX), int(_GEOM.mjGEOM_MESH)
FILTER_BITS = 31


def refuse(m: mujoco.MjModel) -> None:
    """Raise UnsupportedFeature for shapes that Isaac Gym does not have."""
    for g in colliding(m):
        kind, name = int(m.geom_type[g]), m.geom(g).name or f"geom{g}"
        if kind not in (PLANE, SPHERE, CAPSULE, CYLINDER, BOX, MESH):
            raise UnsupportedFeature(
                f"isaacgym has no {_GEOM(kind).name[7:].lower()} shape (geom {name!r});"
                " use a box, sphere, cylinder, capsule or mesh"
            )
        if m.geom_adhesion[g] or np.any(m.geom_surfacevel[g]):
            raise UnsupportedFeature(f"isaacgym has neither adhesion nor surface velocity (geom {name!r}); use mujoco")
        if kind == PLANE and m.body_weldid[m.geom_bodyid[g]]:
            raise UnsupportedFeature(f"isaacgym has no plane on a moving body (geom {name!r}); use a box")
    found = planes(m)
    if len(found) > 1:
        names = [m.geom(g).name or f"geom{g}" for g in found]
        raise UnsupportedFeature(f"isaacgym has one ground plane, and the model has {names}; use boxes for the others")


def colliding(m: mujoco.MjModel) -> list[int]:
    """Return the geoms that can touch any other."""
    if m.opt.disableflags & int(mujoco.mjtDisableBit.mjDSBL_CONTACT):
        return []
    able = [g for g in range(m.ngeom) if m.geom_contype[g] or m.geom_conaffinity[g]]
    return [g for g in able if any(may_touch(m, g, h) for h in able)]


def planes(m: mujoco.MjModel) -> list[int]:
    """Return the planes among the colliding geoms."""
    return [g for g in colliding(m) if int(m.geom_type[g]) == PLANE]


def may_touch(m: mujoco.MjModel, g: int, h: int) -> bool:
    """Tell whether two geoms may touch: filters, groups, parents and excludes, as MuJoCo has them."""
    a, b = int(m.geom_bodyid[g]), int(m.geom_bodyid[h])
    wa, wb = int(m.body_weldid[a]), int(m.body_weldid[b])
    if wa == wb or not ((m.geom_contype[g] & m.geom_conaffinity[h]) or (m.geom_contype[h] & m.geom_conaffinity[g])):
        return False
    if not m.opt.disableflags & int(mujoco.mjtDisableBit.mjDSBL_FILTERPARENT):
        pa, pb = int(m.body_weldid[m.body_parentid[wa]]), int(m.body_weldid[m.body_parentid[wb]])
        if (pa == wb and wb != 0) or (pb == wa and wa != 0):
            return False
    return (min(a, b) << 16) + max(a, b) not in m.exclude_signature


def filters(m: mujoco.MjModel) -> dict[int, int]:
    """Return for every colliding geom but planes a bit mask; two geoms touch unless they share a bit.

    Raises:
        UnsupportedFeature: If 31 bits are not enough, or a geom must not touch the ground, which has no filter.
    """
    solid = [g for g in colliding(m) if int(m.geom_type[g]) != PLANE]
    for plane in planes(m):
        apart = [g for g in solid if m.body_weldid[m.geom_bodyid[g]] and not may_touch(m, plane, g)]
        if apart:
            name = m.geom(apart[0]).name or f"geom{apart[0]}"
            raise UnsupportedFeature(f"isaacgym's ground touches everything, but not geom {name!r}; use mujoco")
    nodes: dict[tuple[Any, ...], list[int]] = {}  # of one link, and touching the same geoms
    for g in solid:
        nodes.setdefault((int(m.body_weldid[m.geom_bodyid[g]]), *(may_touch(m, g, h) for h in solid)), []).append(g)
    links, geoms = [key[0] for key in nodes], list(nodes.values())
    count = len(geoms)
    touch = [[may_touch(m, a[0], b[0]) for b in geoms] for a in geoms]
    masks, bit = [0] * count, 0
    for i in range(count):
        for k in range(i):
            if touch[i][k] or links[i] == links[k] or masks[i] & masks[k]:
                continue
            for c in _apart([i, k, *(c for c in range(count) if c not in (i, k))], touch):
                masks[c] |= 1 << bit
            bit += 1
    if bit > FILTER_BITS:
        raise UnsupportedFeature(f"isaacgym's collision filters have {FILTER_BITS} bits, and this model needs {bit}")
    return {g: masks[i] for i in range(count) for g in geoms[i]}


def _apart(candidates: list[int], touch: list[list[bool]]) -> list[int]:
    """Return the candidates, in order, that touch none of those taken before."""
    taken: list[int] = []
    for c in candidates:
        if not any(touch[c][d] for d in taken):
            taken.append(c)
    return taken


def friction(m: mujoco.MjModel, values: Array, ground: float | None = None) -> Array:
    """Return ``(ngeom,)`` friction of shapes whose mean in each pair comes closest to MuJoCo's larger of the two.

    Isaac Gym takes the mean of both sides.

    Args:
        m: The model.
        values: ``(ngeom,)`` the geoms' own sliding coefficients.
        ground: What the ground has already, for all worlds alike.
    """
    result, found = np.array(values, float), colliding(m)
    pairs = [(a, b) for i, a in enumerate(found) for b in found[:i] if may_touch(m, a, b)]
    if not pairs:
        return result
    held = {} if ground is None else dict.fromkeys(planes(m), ground)
    levels, column = np.unique(result, return_inverse=True)  # alike in, alike out
    rows, wanted = np.zeros((len(pairs), len(levels))), np.zeros(len(pairs))
    for row, (a, b) in enumerate(pairs):
        wanted[row] = max(result[a], result[b])
        for g in (a, b):
            rows[row, column[g]] += 0.0 if g in held else 0.5
            wanted[row] -= 0.5 * held.get(g, 0.0)
    solved, _ = nnls(np.vstack([rows, 1e-4 * np.eye(len(levels))]), np.concatenate([wanted, 1e-4 * levels]))
    result = solved[column]
    for g, value in held.items():
        result[g] = value
    return result


def add_collision(link: Element, m: mujoco.MjModel, geom: int, pos: Array, matrix: Array, folder: Path) -> int:
    """Add a geom's shapes at a pose in the link frame, meshes as files in ``folder``; return how many they are."""
    kind, size = int(m.geom_type[geom]), np.array(m.geom_size[geom])
    if kind == SPHERE:
        _add(link, pos, matrix, "sphere", radius=numbers(size[:1]))
    elif kind == BOX:
        _add(link, pos, matrix, "box", size=numbers(2 * size))
    elif kind == MESH:
        name = f"mesh{int(m.geom_dataid[geom])}.obj"
        trimesh.convex.convex_hull(_vertices(m, geom)).export(str(folder / name))
        _add(link, pos, matrix, "mesh", filename=name)
    else:
        _add(link, pos, matrix, "cylinder", radius=numbers(size[:1]), length=numbers(2 * size[1:2]))
    if kind == CAPSULE:
        for end in (-1.0, 1.0):
            _add(link, pos + matrix @ np.array([0, 0, end * size[1]]), matrix, "sphere", radius=numbers(size[:1]))
        return 3
    return 1


def add_origin(parent: Element, pos: Array, matrix: Array) -> None:
    """Add an ``<origin>`` element: fixed-axis roll, pitch and yaw."""
    level = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    pitch = np.arctan2(-matrix[2, 0], level)
    if level > 1e-9:
        roll, yaw = np.arctan2(matrix[2, 1], matrix[2, 2]), np.arctan2(matrix[1, 0], matrix[0, 0])
    else:
        roll, yaw = 0.0, np.arctan2(-matrix[0, 1], matrix[1, 1])
    SubElement(parent, "origin", xyz=numbers(pos), rpy=numbers([roll, pitch, yaw]))


def numbers(values: Any) -> str:
    """Return numbers as text that reads back exactly."""
    return " ".join(repr(float(v)) for v in values)


def rotation(quat: Array) -> Array:
    """Return the matrix ``(3, 3)`` of a quaternion that need not be normalised."""
    q = np.asarray(quat, float)
    return matrix_from_quat(q / np.linalg.norm(q))


def _add(link: Element, pos: Array, matrix: Array, kind: str, **attributes: str) -> None:
    collision = SubElement(link, "collision")
    add_origin(collision, pos, matrix)
    SubElement(SubElement(collision, "geometry"), kind, attributes)


def _vertices(m: mujoco.MjModel, geom: int) -> Array:
    mesh = int(m.geom_dataid[geom])
    start = int(m.mesh_vertadr[mesh])
    return np.array(m.mesh_vert[start : start + int(m.mesh_vertnum[mesh])], float)
