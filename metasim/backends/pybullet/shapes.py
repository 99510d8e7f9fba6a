"""Collision shapes of the canonical model as URDF text.

Bullet's surprises here: a ``<cylinder>`` becomes a 32-gon unless ``URDF_USE_IMPLICIT_CYLINDER`` is given, and a convex
mesh carries a margin of 1 mm outside its hull, which is taken off the hull beforehand. A geom's contact margin, the
distance at which MuJoCo's contact begins, is put on the shape: the force then starts at the same distance.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import mujoco
import numpy as np
import trimesh

from metasim.core.errors import UnsupportedFeature
from metasim.core.rotation import matrix_from_quat

Array = Any
_GEOM = mujoco.mjtGeom
HULL_MARGIN_M = 0.001
_HULL_CORNERS = 256
SHAPES = {
    int(_GEOM.mjGEOM_PLANE): "plane",
    int(_GEOM.mjGEOM_SPHERE): "sphere",
    int(_GEOM.mjGEOM_CAPSULE): "capsule",
    int(_GEOM.mjGEOM_CYLINDER): "cylinder",
    int(_GEOM.mjGEOM_BOX): "box",
    int(_GEOM.mjGEOM_MESH): "mesh",
}


def numbers(values: Array) -> str:
    """Return numbers as URDF text that reads back exactly."""
    return " ".join(repr(float(v)) for v in values)


def fixed_axis_rpy(matrix: Array) -> Array:
    """Return URDF's roll, pitch and yaw ``(3,)`` [rad] about fixed axes of a rotation matrix."""
    pitch = np.arctan2(-matrix[2, 0], np.hypot(matrix[0, 0], matrix[1, 0]))
    if np.hypot(matrix[0, 0], matrix[1, 0]) > 1e-9:
        return np.array([np.arctan2(matrix[2, 1], matrix[2, 2]), pitch, np.arctan2(matrix[1, 0], matrix[0, 0])])
    return np.array([0.0, pitch, np.arctan2(-matrix[0, 1], matrix[1, 1])])


def add_origin(parent: Element, pos: Array, matrix: Array) -> None:
    """Add an ``<origin>`` element."""
    SubElement(parent, "origin", xyz=numbers(pos), rpy=numbers(fixed_axis_rpy(matrix)))


def add_collision(link: Element, m: mujoco.MjModel, geom: int, pos: Array, matrix: Array, folder: Path) -> None:
    """Add a geom's ``<collision>`` at a pose in the link frame; meshes are written into ``folder``."""
    collision = SubElement(link, "collision")
    add_origin(collision, pos, matrix)
    shape = SubElement(collision, "geometry")
    size = m.geom_size[geom] + m.geom_margin[geom]
    kind = SHAPES[int(m.geom_type[geom])]
    if kind == "plane":
        SubElement(shape, "plane", normal="0 0 1")
    elif kind == "sphere":
        SubElement(shape, "sphere", radius=numbers(size[:1]))
    elif kind in ("capsule", "cylinder"):
        SubElement(
            shape,
            kind,
            radius=numbers(size[:1]),
            length=numbers([2 * (m.geom_size[geom, 1] if kind == "capsule" else size[1])]),
        )
    elif kind == "box":
        SubElement(shape, "box", size=numbers(2 * size))
    else:
        SubElement(shape, "mesh", filename=_write_hull(m, geom, folder))


def check_shape(m: mujoco.MjModel, geom: int) -> None:
    """Raise UnsupportedFeature for a colliding geom that Bullet has no shape for."""
    kind = int(m.geom_type[geom])
    if kind not in SHAPES:
        name = m.geom(geom).name or f"geom{geom}"
        raise UnsupportedFeature(
            f"pybullet has no {_GEOM(kind).name[7:].lower()} shape (geom {name!r}); use {sorted(SHAPES.values())}"
        )


def outermost(vertices: Array) -> Array:
    """Return at most 256 of ``(V, 3)`` points: the outermost in evenly spread directions.

    Bullet looks at every corner of a hull again and again; a finely meshed ball loses 1.5 % of its radius at most.
    """
    if len(vertices) <= _HULL_CORNERS:
        return vertices
    k = np.arange(_HULL_CORNERS) + 0.5
    height, turn = 1 - 2 * k / _HULL_CORNERS, np.pi * (1 + 5**0.5) * k
    ring = np.sqrt(1 - height**2)
    directions = np.stack([ring * np.cos(turn), ring * np.sin(turn), height], axis=1)
    return vertices[np.unique(np.argmax(directions @ vertices.T, axis=1))]


def shrunk_hull(vertices: Array, distance: float) -> trimesh.Trimesh:
    """Return the convex hull of ``(V, 3)`` with every face moved inwards by ``distance`` [m].

    A hull too thin for that keeps its extent along its thin direction.
    """
    hull = trimesh.convex.convex_hull(vertices)
    distance = min(distance, 0.25 * float(np.min(hull.bounding_box_oriented.primitive.extents)))
    if distance <= 0:
        return hull
    normals, planes = _facets(hull)
    offsets = np.einsum("ij,ij->i", normals, planes) - distance
    center = hull.center_mass
    slack = offsets - normals @ center
    if np.any(slack <= 1e-6):
        return hull
    dual = trimesh.convex.convex_hull(normals / slack[:, None])
    return trimesh.convex.convex_hull(_dual_points(dual) + center)


def _facets(hull: trimesh.Trimesh) -> tuple[Array, Array]:
    return np.asarray(hull.face_normals), np.asarray(hull.triangles[:, 0])


def _dual_points(dual: trimesh.Trimesh) -> Array:
    normals, planes = _facets(dual)
    offsets = np.einsum("ij,ij->i", normals, planes)
    return normals[offsets > 1e-9] / offsets[offsets > 1e-9, None]


def mesh_vertices(m: mujoco.MjModel, geom: int) -> Array:
    """Return the vertices ``(V, 3)`` of a mesh geom in the geom's frame."""
    mesh = int(m.geom_dataid[geom])
    start = int(m.mesh_vertadr[mesh])
    return np.array(m.mesh_vert[start : start + int(m.mesh_vertnum[mesh])], float)


def _write_hull(m: mujoco.MjModel, geom: int, folder: Path) -> str:
    shrink = HULL_MARGIN_M - float(m.geom_margin[geom])
    name = f"mesh{int(m.geom_dataid[geom])}_{geom}.obj"
    hull = outermost(np.asarray(shrunk_hull(mesh_vertices(m, geom), shrink).vertices))
    trimesh.convex.convex_hull(hull).export(str(folder / name))
    return name


def rotation(quat: Array) -> Array:
    """Return the matrix ``(3, 3)`` of a quaternion that need not be normalised."""
    q = np.asarray(quat, float)
    return matrix_from_quat(q / np.linalg.norm(q))
