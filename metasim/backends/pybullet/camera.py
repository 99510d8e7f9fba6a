"""Pictures without OpenGL: Bullet's software renderer, fed with the visual model of any engine's scene.

It shows what MuJoCo's renderer shows by default: geoms and sites of groups 0 to 2 that are not invisible, in their
material's colour (a texture's mean, for it has no textures of ours), opaque. Poses come from the canonical kinematics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mujoco
import numpy as np
import pybullet as p
import trimesh

from metasim.backends.pybullet.shapes import mesh_vertices
from metasim.core.backend import Images
from metasim.core.errors import EngineFailure, InvalidConfig
from metasim.core.looks import LightLook, Looks
from metasim.core.rendering import Places, Renderer, UnsupportedLooks, blank, check_looks, check_request, moved_camera
from metasim.core.rotation import quat_from_matrix
from metasim.model import Model
from metasim.model.surfaces import surface_geoms

Array = Any
_SHOWN_GROUPS = 3
_MOST_CORNERS, _MOST_INDICES = 131_072, 524_288  # of one mesh in Bullet
_PLANE_M, _PLANE_THICKNESS_M = 20.0, 0.1
_GEOM = mujoco.mjtGeom
_SITE = -1
_SKY = np.array([176, 190, 204], np.uint8)
_SKY.setflags(write=False)


class SoftwareCamera(Renderer):
    """Draws worlds of one model; needs nothing but a CPU.

    Its light comes from far away, so that only the first light's direction counts; it shows neither textures nor
    reflection.

    Args:
        model: The model whose visual geometry is drawn.
        surfaces: Surface to names of geoms or bodies.
        fine: Nothing that this renderer knows of.
        settings: None.
    """

    name = "pybullet"
    words = "PyBullet's software renderer"

    def __init__(
        self,
        model: Model,
        surfaces: Mapping[str, Sequence[str]] | None = None,
        *,
        fine: bool = False,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        if settings:
            raise InvalidConfig(f"PyBullet's renderer has no settings, got {dict(settings)!r}")
        self._info, self._visual = model.info, model.visual
        self._data = mujoco.MjData(self._visual)
        self._client = p.connect(p.DIRECT)
        if self._client < 0:
            raise EngineFailure("pybullet did not open another physics client; its limit is 1024 in one process")
        m = self._visual
        self._own = {name: np.array(getattr(m, name)) for name in ("body_pos", "body_quat", "site_pos")}
        geoms = [g for g in range(m.ngeom) if _is_shown(m.geom_group[g], _geom_colour(m, g))]
        sites = [s for s in range(m.nsite) if _is_shown(m.site_group[s], m.site_rgba[s])]
        self._geoms, self._sites = np.array(geoms, int), np.array(sites, int)
        drawn = [self._add_geom(g) for g in geoms] + [self._add_site(s) for s in sites]
        bodies = [int(m.geom_bodyid[g]) for g in geoms] + [_SITE] * len(sites)
        self._body_id, self._tinted = dict(zip(geoms, drawn, strict=False)), set[int]()
        self._surfaces = dict(surfaces or {})
        self._surface_geoms = {name: surface_geoms(m, parts) for name, parts in self._surfaces.items()}
        self._drawn, self._poses = drawn, np.full((len(drawn), 7), np.nan)
        self._body_of = np.full(max(drawn, default=0) + 2, _SITE, np.int32)
        self._body_of[drawn] = bodies
        self._shift = np.array([_PLANE_THICKNESS_M / 2 * (m.geom_type[g] == int(_GEOM.mjGEOM_PLANE)) for g in geoms])

    def render(
        self,
        places: Places,
        camera: str,
        width: int,
        height: int,
        modes: Sequence[str] = ("rgb",),
        looks: Sequence[Looks | None] | None = None,
    ) -> Images:
        """Return pictures of worlds."""
        check_request(modes, width, height)
        index, count = self._info.index("camera", camera), len(places.qpos)
        worn = [look or Looks() for look in (looks or [None] * count)]
        for look in worn:
            self._check(look)
        pictures = blank(modes, count, height, width)
        for i, look in enumerate(worn):
            for name, values in places.own(i).items():
                getattr(self._visual, name)[:] = self._own[name] if values is None else values
            self._pose(places.qpos[i], places.mocap_pos[i], places.mocap_quat[i])
            self._tint(look)
            for mode, picture in self._draw(index, width, height, modes, look).items():
                pictures[mode][i] = picture
        return Images(**pictures)

    def close(self) -> None:
        """Free the renderer; may be called twice."""
        if self._client >= 0:
            p.disconnect(self._client)
        self._client = -1

    def _pose(self, qpos: Array, mocap_pos: Array, mocap_quat: Array) -> None:
        """Run the kinematics and move what has moved."""
        m, d = self._visual, self._data
        d.qpos[:], d.mocap_pos[:], d.mocap_quat[:] = qpos, mocap_pos, mocap_quat
        mujoco.mj_kinematics(m, d)
        mujoco.mj_comPos(m, d)
        mujoco.mj_camlight(m, d)
        matrices = np.concatenate([d.geom_xmat[self._geoms], d.site_xmat[self._sites]]).reshape(-1, 3, 3)
        centres = d.geom_xpos[self._geoms] - matrices[: len(self._geoms), :, 2] * self._shift[:, None]
        poses = np.hstack([np.concatenate([centres, d.site_xpos[self._sites]]), quat_from_matrix(matrices)])
        for k in np.flatnonzero((poses != self._poses).any(axis=1)):
            x, y, z, qw, qx, qy, qz = poses[k].tolist()
            p.resetBasePositionAndOrientation(self._drawn[k], (x, y, z), (qx, qy, qz, qw), physicsClientId=self._client)
        self._poses = poses

    def _check(self, looks: Looks) -> None:
        """Refuse what this renderer cannot show."""
        check_looks(looks, self._surfaces, self._visual.nlight)
        light, here = looks.light, "PyBullet's renderer"
        textures = sorted({m.texture for m in looks.materials.values() if m.texture})
        if textures:
            raise UnsupportedLooks(f"axis 'materials': {here} has no textures such as {textures[0]!r}, only tints")
        if looks.reflection is not None:
            raise UnsupportedLooks(f"axis 'reflection': {here} shows no reflection; draw with renderer 'mujoco'")
        if light is not None and light.position is not None and light.direction is None:
            raise UnsupportedLooks(f"axis 'light': the light of {here} is far away; give its direction, too")

    def _tint(self, looks: Looks) -> None:
        """Colour the surfaces; a colour is set when it is another one than before."""
        wanted = {g: (*look.tint, 1.0) for name, look in looks.materials.items() for g in self._surface_geoms[name]}
        for g in sorted(wanted.keys() | self._tinted):
            if g in self._body_id:
                rgba = wanted.get(g) or [*_geom_colour(self._visual, g)[:3].tolist(), 1.0]
                p.changeVisualShape(self._body_id[g], -1, rgbaColor=rgba, physicsClientId=self._client)
        self._tinted = set(wanted)

    def _draw(self, camera: int, width: int, height: int, modes: Sequence[str], looks: Looks) -> dict[str, Array]:
        m, d = self._visual, self._data
        near, far = (float(v * m.stat.extent) for v in (m.vis.map.znear, m.vis.map.zfar))
        rotation, pos, fov = d.cam_xmat[camera].reshape(3, 3), d.cam_xpos[camera], float(np.radians(m.cam_fovy[camera]))
        if looks.camera is not None:
            pos, rotation, fov = moved_camera(pos, rotation, fov, looks.camera)
        light = looks.light or LightLook()
        shining = (
            self._light() if light.direction is None else np.asarray(light.direction) / np.linalg.norm(light.direction)
        )
        view = np.eye(4)
        view[:3, :3], view[:3, 3] = rotation.T, -rotation.T @ pos
        projection = list(p.computeProjectionMatrixFOV(float(np.degrees(fov)), width / height, near, far))
        projection[8], projection[9] = 1.0 / width, 1.0 / height  # it samples pixels at their corner
        _, _, rgba, depth, segmentation = p.getCameraImage(
            width,
            height,
            viewMatrix=view.T.ravel().tolist(),
            projectionMatrix=projection,
            lightDirection=(rotation[:, 2] - shining).tolist(),  # towards it: half headlight, half the scene's
            lightColor=light.colour,
            lightDistance=2.0 * float(m.stat.extent),
            shadow=0,
            lightAmbientCoeff=0.5 if light.ambient is None else light.ambient,
            lightDiffuseCoeff=0.6 * light.strength,
            lightSpecularCoeff=0.15 * light.strength,
            renderer=p.ER_TINY_RENDERER,
            flags=0 if "segmentation" in modes else p.ER_NO_SEGMENTATION_MASK,
            physicsClientId=self._client,
        )
        pictures: dict[str, Array] = {}
        if "rgb" in modes:
            rgb = np.reshape(rgba, (height, width, 4))[..., :3].astype(np.uint8)
            pictures["rgb"] = np.where(np.reshape(depth, (height, width, 1)) < 1.0, rgb, _SKY)
        if "depth" in modes:
            buffer = np.reshape(depth, (height, width)).astype(np.float64)
            pictures["depth"] = (far * near / (far - (far - near) * buffer)).astype(np.float32)
        if "segmentation" in modes:
            pictures["segmentation"] = self._body_of[np.reshape(segmentation, (height, width))]
        return pictures

    def _light(self) -> Array:
        """Return the direction in which the first light shines."""
        return self._data.light_xdir[0] if self._visual.nlight else np.array([0.3, 0.3, -0.9])

    def _add_geom(self, g: int) -> int:
        m = self._visual
        return self._add(int(m.geom_type[g]), m.geom_size[g], _geom_colour(m, g), g)

    def _add_site(self, s: int) -> int:
        m = self._visual
        return self._add(int(m.site_type[s]), m.site_size[s], m.site_rgba[s], -1)

    def _add(self, kind: int, size: Array, rgba: Array, geom: int) -> int:
        shape = p.createVisualShape(
            **_shape(self._visual, kind, size, geom),
            rgbaColor=[*np.asarray(rgba[:3]).tolist(), 1.0],
            physicsClientId=self._client,
        )
        return p.createMultiBody(baseMass=0, baseVisualShapeIndex=shape, physicsClientId=self._client)


def _is_shown(group: int, rgba: Array) -> bool:
    return int(group) < _SHOWN_GROUPS and float(rgba[3]) > 0.0


def _geom_colour(m: mujoco.MjModel, g: int) -> Array:
    """Return the colour ``(4,)`` of a geom: its own unless that is the default and it has a material."""
    material, own = int(m.geom_matid[g]), np.array(m.geom_rgba[g])
    if material < 0 or not np.allclose(own, [0.5, 0.5, 0.5, 1.0]):
        return own
    texture = int(m.mat_texid[material, int(mujoco.mjtTextureRole.mjTEXROLE_RGB)])
    rgba = np.array(m.mat_rgba[material])
    if texture >= 0:
        start, channels = int(m.tex_adr[texture]), int(m.tex_nchannel[texture])
        count = int(m.tex_height[texture]) * int(m.tex_width[texture])
        pixels = m.tex_data[start : start + count * channels].reshape(count, channels)
        rgba[:3] *= pixels[:, : min(channels, 3)].mean(axis=0) / 255.0
    return rgba


def _shape(m: mujoco.MjModel, kind: int, size: Array, geom: int) -> dict[str, Any]:
    """Return the arguments of Bullet's visual shape."""
    x, y, z = (float(v) for v in size)
    match kind:
        case _GEOM.mjGEOM_PLANE:
            half = [x or _PLANE_M, y or _PLANE_M, _PLANE_THICKNESS_M / 2]
            return {"shapeType": p.GEOM_BOX, "halfExtents": half}
        case _GEOM.mjGEOM_SPHERE:
            return {"shapeType": p.GEOM_SPHERE, "radius": x}
        case _GEOM.mjGEOM_CAPSULE:
            return {"shapeType": p.GEOM_CAPSULE, "radius": x, "length": 2 * y}
        case _GEOM.mjGEOM_CYLINDER:
            return {"shapeType": p.GEOM_CYLINDER, "radius": x, "length": 2 * y}
        case _GEOM.mjGEOM_BOX:
            return {"shapeType": p.GEOM_BOX, "halfExtents": [x, y, z]}
        case _GEOM.mjGEOM_HFIELD:
            return _mesh_shape(*_terrain(m, int(m.geom_dataid[geom])))
        case _GEOM.mjGEOM_MESH:
            mesh = int(m.geom_dataid[geom])
            faces = slice(int(m.mesh_faceadr[mesh]), int(m.mesh_faceadr[mesh]) + int(m.mesh_facenum[mesh]))
            normals = m.mesh_normal[int(m.mesh_normaladr[mesh]) + m.mesh_facenormal[faces]]
            return _mesh_shape(mesh_vertices(m, geom), np.array(m.mesh_face[faces]), normals)
        case _:
            ball = trimesh.creation.icosphere(subdivisions=3)
            return _mesh_shape(ball.vertices * size, ball.faces)


def _mesh_shape(vertices: Array, faces: Array, normals: Array = None) -> dict[str, Any]:
    """Return a mesh shape.

    Args:
        vertices: ``(V, 3)``.
        faces: ``(F, 3)`` indices; corners are not shared, so that each can have a normal of its own, unless they are
            more than Bullet takes.
        normals: ``(F, 3, 3)`` normals of the corners; None for those of the faces.
    """
    corners = vertices[faces]
    if 3 * len(faces) > _MOST_CORNERS:
        return _shared_shape(vertices, faces)
    if normals is None:
        flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-30)
        normals = np.repeat(flat[:, None], 3, axis=1)
    return {
        "shapeType": p.GEOM_MESH,
        "vertices": corners.reshape(-1, 3).tolist(),
        "indices": list(range(3 * len(faces))),
        "normals": normals.reshape(-1, 3).tolist(),
        "uvs": np.zeros((3 * len(faces), 2)).tolist(),
    }


def _shared_shape(vertices: Array, faces: Array) -> dict[str, Any]:
    """Return a mesh shape whose faces share corners, each with a normal in between those of its faces.

    Beyond what Bullet takes even so, it is the convex hull.
    """
    if len(vertices) > _MOST_CORNERS or 3 * len(faces) > _MOST_INDICES:
        hull = trimesh.convex.convex_hull(vertices)
        vertices, faces = np.asarray(hull.vertices), np.asarray(hull.faces)
    solid = trimesh.Trimesh(vertices, faces, process=False)
    return {
        "shapeType": p.GEOM_MESH,
        "vertices": np.asarray(vertices, float).tolist(),
        "indices": np.asarray(faces, int).ravel().tolist(),
        "normals": np.asarray(solid.vertex_normals).tolist(),
        "uvs": np.zeros((len(vertices), 2)).tolist(),
    }


def _terrain(m: mujoco.MjModel, field: int) -> tuple[Array, Array]:
    """Return vertices and faces of a height field's surface."""
    rows, columns, start = int(m.hfield_nrow[field]), int(m.hfield_ncol[field]), int(m.hfield_adr[field])
    x, y, top, _ = m.hfield_size[field]
    heights = m.hfield_data[start : start + rows * columns].reshape(rows, columns) * top
    grid = np.stack(np.meshgrid(np.linspace(-x, x, columns), np.linspace(-y, y, rows)), axis=-1)
    vertices = np.concatenate([grid, heights[..., None]], axis=-1).reshape(-1, 3)
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1, 1)
    return vertices, np.concatenate([corner + [0, 1, columns], corner + [1, columns + 1, columns]])
