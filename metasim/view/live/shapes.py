"""What is drawn: the visual geometry of a canonical model as coloured triangle meshes, one per body and colour.

As in the pictures: geoms and sites of groups 0 to 2 that are not invisible, in their material's colour (a texture's
mean). Lengths in metres; vertices in the frame of the body, or of the site.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import mujoco
import numpy as np
import trimesh

from metasim.core.rotation import rotate
from metasim.model import Model

Array = Any
SHOWN_GROUPS = 3
PLANE_M = 10.0
"""Half the side of a plane that has no end."""
_GEOM = mujoco.mjtGeom
_DEFAULT_RGBA = (0.5, 0.5, 0.5, 1.0)
_COLOUR_DIGITS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Shape:
    """Triangles of one colour that move together.

    Attributes:
        name: Name of the body or site, and a number.
        kind: ``"body"`` or ``"site"``: what its pose is the pose of.
        index: Which body or site of the model.
        vertices: ``(V, 3)`` float32 [m], in the frame of the body or site.
        faces: ``(F, 3)`` uint32.
        rgba: ``(4,)`` in [0, 1].
        flat: Whether it is a plane, which says nothing about how much room the scene takes.
        endless: Whether it is a plane without an end, which is drawn once however many worlds there are.
    """

    name: str
    kind: str
    index: int
    vertices: Array
    faces: Array
    rgba: tuple[float, float, float, float]
    flat: bool = False
    endless: bool = False


def shapes(model: Model) -> list[Shape]:
    """Return everything that is drawn of a model."""
    m = model.visual
    groups: dict[tuple[int, tuple[float, ...], bool, bool], list[tuple[Array, Array]]] = {}
    for g in range(m.ngeom):
        rgba = geom_colour(m, g)
        if not _is_shown(m.geom_group[g], rgba):
            continue
        flat = int(m.geom_type[g]) == int(_GEOM.mjGEOM_PLANE)
        endless = flat and not m.geom_size[g, :2].all()
        vertices, faces = _mesh(m, int(m.geom_type[g]), m.geom_size[g], int(m.geom_dataid[g]))
        placed = rotate(m.geom_quat[g], vertices) + m.geom_pos[g]
        key = int(m.geom_bodyid[g]), tuple(np.round(rgba, _COLOUR_DIGITS).tolist()), flat, endless
        groups.setdefault(key, []).append((placed, faces))
    found = []
    for k, ((body, rgba, flat, endless), parts) in enumerate(groups.items()):
        vertices, faces = _joined(parts)
        name = f"{model.info.bodies[body]}_{k}"
        found.append(_shape(name, "body", body, vertices, faces, rgba, flat, endless))
    for s in range(m.nsite):
        if _is_shown(m.site_group[s], m.site_rgba[s]):
            vertices, faces = _mesh(m, int(m.site_type[s]), m.site_size[s], -1)
            found.append(_shape(model.info.sites[s], "site", s, vertices, faces, m.site_rgba[s].tolist()))
    return found


def geom_colour(m: mujoco.MjModel, geom: int) -> Array:
    """Return the colour ``(4,)`` of a geom: its own unless that is the default and it has a material."""
    material, own = int(m.geom_matid[geom]), np.array(m.geom_rgba[geom], float)
    if material < 0 or not np.allclose(own, _DEFAULT_RGBA):
        return own
    rgba = np.array(m.mat_rgba[material], float)
    texture = int(m.mat_texid[material, int(mujoco.mjtTextureRole.mjTEXROLE_RGB)])
    if texture >= 0:
        start, channels = int(m.tex_adr[texture]), int(m.tex_nchannel[texture])
        count = int(m.tex_height[texture]) * int(m.tex_width[texture])
        pixels = m.tex_data[start : start + count * channels].reshape(count, channels)
        rgba[:3] *= pixels[:, : min(channels, 3)].mean(axis=0) / 255.0
    return rgba


def _shape(
    name: str,
    kind: str,
    index: int,
    vertices: Array,
    faces: Array,
    rgba: Any,
    flat: bool = False,
    endless: bool = False,
) -> Shape:
    vertices, faces = np.asarray(vertices, np.float32), np.asarray(faces, np.uint32)
    red, green, blue, alpha = (float(v) for v in rgba)
    return Shape(
        name=name.replace("/", "."),
        kind=kind,
        index=index,
        vertices=vertices,
        faces=faces,
        rgba=(red, green, blue, alpha),
        flat=flat,
        endless=endless,
    )


def _is_shown(group: int, rgba: Array) -> bool:
    return int(group) < SHOWN_GROUPS and float(rgba[3]) > 0.0


def _joined(parts: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    starts = np.cumsum([0, *[len(vertices) for vertices, _ in parts]])
    faces = [faces + start for (_, faces), start in zip(parts, starts[:-1], strict=True)]
    return np.concatenate([vertices for vertices, _ in parts]), np.concatenate(faces)


def _mesh(m: mujoco.MjModel, kind: int, size: Array, data: int) -> tuple[Array, Array]:
    """Return vertices ``(V, 3)`` and faces ``(F, 3)`` in the frame of a geom."""
    if kind in (int(_GEOM.mjGEOM_MESH), int(_GEOM.mjGEOM_SDF)):
        return _asset(m, data)
    if kind == int(_GEOM.mjGEOM_HFIELD):
        return _field(m, data)
    made = _PRIMITIVES[kind](*(float(v) for v in size))
    return np.asarray(made.vertices), np.asarray(made.faces)


def _asset(m: mujoco.MjModel, mesh: int) -> tuple[Array, Array]:
    """Return a mesh with a vertex for each of its normals, so that edges stay sharp when it is shaded."""
    v, f, n = int(m.mesh_vertadr[mesh]), int(m.mesh_faceadr[mesh]), int(m.mesh_normaladr[mesh])
    faces = m.mesh_face[f : f + int(m.mesh_facenum[mesh])].astype(np.int64)
    normals = m.mesh_facenormal[f : f + len(faces)].astype(np.int64)
    direction = np.round(m.mesh_normal[n : n + int(m.mesh_normalnum[mesh])], 2)
    _, same = np.unique(direction, axis=0, return_inverse=True)
    corners = faces.reshape(-1) * (int(same.max(initial=0)) + 1) + same.reshape(-1)[normals.reshape(-1)]
    _, first, inverse = np.unique(corners, return_index=True, return_inverse=True)
    return m.mesh_vert[v + faces.reshape(-1)[first]], inverse.reshape(-1, 3)


def _field(m: mujoco.MjModel, field: int) -> tuple[Array, Array]:
    """Return the upper surface of a height field."""
    rows, columns, start = int(m.hfield_nrow[field]), int(m.hfield_ncol[field]), int(m.hfield_adr[field])
    half_x, half_y, top, _ = m.hfield_size[field]
    heights = m.hfield_data[start : start + rows * columns].reshape(rows, columns) * top
    x, y = np.meshgrid(np.linspace(-half_x, half_x, columns), np.linspace(-half_y, half_y, rows))
    vertices = np.stack([x, y, heights], axis=-1).reshape(-1, 3)
    a = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1)
    right, up, both = a + 1, a + columns, a + columns + 1
    return vertices, np.concatenate([np.stack([a, right, both], 1), np.stack([a, both, up], 1)])


def _plane(x: float, y: float, _: float) -> trimesh.Trimesh:
    x, y = x or PLANE_M, y or PLANE_M
    corners = [[-x, -y, 0], [x, -y, 0], [x, y, 0], [-x, y, 0]]
    return trimesh.Trimesh(corners, [[0, 1, 2], [0, 2, 3]], process=False)


def _box(x: float, y: float, z: float) -> trimesh.Trimesh:
    box = trimesh.creation.box(extents=(2 * x, 2 * y, 2 * z))
    return trimesh.Trimesh(box.triangles.reshape(-1, 3), np.arange(36).reshape(-1, 3), process=False)


def _cylinder(radius: float, half: float, _: float) -> trimesh.Trimesh:
    made = trimesh.creation.cylinder(radius=radius, height=2 * half, sections=32)
    side = np.abs(made.face_normals[:, 2]) < 0.5
    faces = [made.faces[side], made.faces[~side] + len(made.vertices)]  # the rims once more, so that they stay sharp
    return trimesh.Trimesh(np.concatenate([made.vertices, made.vertices]), np.concatenate(faces), process=False)


def _ellipsoid(x: float, y: float, z: float) -> trimesh.Trimesh:
    ball = trimesh.creation.icosphere(subdivisions=3)
    return ball.apply_scale([x, y, z])


_PRIMITIVES: Mapping[int, Callable[[float, float, float], trimesh.Trimesh]] = MappingProxyType(
    {
        int(_GEOM.mjGEOM_PLANE): _plane,
        int(_GEOM.mjGEOM_BOX): _box,
        int(_GEOM.mjGEOM_CYLINDER): _cylinder,
        int(_GEOM.mjGEOM_ELLIPSOID): _ellipsoid,
        int(_GEOM.mjGEOM_SPHERE): lambda r, _, __: trimesh.creation.icosphere(subdivisions=3, radius=r),
        int(_GEOM.mjGEOM_CAPSULE): lambda r, half, _: trimesh.creation.capsule(
            radius=r, height=2 * half, count=[24, 24]
        ),
    }
)
