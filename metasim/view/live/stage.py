"""The scene in the browser: a node for each body and site that shows something, and what moved is sent.

Several worlds stand side by side in a square. Only poses that changed go over the wire.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metasim.core.rotation import rotate
from metasim.model import Model
from metasim.view.live.poses import Frame
from metasim.view.live.shapes import Shape

Array = Any
MOVED = 1e-5
"""Metres, or a component of a quaternion: what counts as moved."""
GAP = 1.25
"""Distance of two worlds in units of what they take up."""
NEAREST_M = 0.5
AMBIENT = 1.2


@dataclass(frozen=True, kw_only=True, eq=False)
class Camera:
    """Where a viewer looks from and to, ``(3,)`` [m], and how wide [rad]."""

    position: Array
    look_at: Array
    fov_rad: float


class Stage:
    """Nodes of N worlds.

    Args:
        scene: The scene of a viser server.
        drawn: What is drawn of each world.
        frame: Where it is at first.
    """

    def __init__(self, scene: Any, drawn: Sequence[Shape], frame: Frame) -> None:
        self._scene, worlds = scene, len(frame.body_pos)
        self.centre, size = extent(drawn, frame)
        self.offsets = grid_offsets(worlds, GAP * size[:2])
        moving = dict.fromkeys((s.kind, s.index) for s in drawn)
        self._nodes = list(moving)
        self._bodies = np.array([i for kind, i in self._nodes if kind == "body"], int)
        self._sites = np.array([i for kind, i in self._nodes if kind == "site"], int)
        self._nodes.sort(key=lambda node: node[0] != "body")  # bodies first, as in _poses
        self._sent = self._poses(frame)
        self._roots = [
            scene.add_frame(f"/world{w}", show_axes=False, position=(*offset, 0.0))
            for w, offset in enumerate(self.offsets)
        ]
        self._handles = [[self._add_node(w, k) for k in range(len(self._nodes))] for w in range(worlds)]
        for shape in drawn:
            for w in range(1 if shape.endless else worlds):
                self._add_shape(w, shape)

    def update(self, frame: Frame) -> int:
        """Send what moved since the last time and return how many poses that were."""
        poses = self._poses(frame)
        moved = np.abs(poses - self._sent) > MOVED
        for w, k in zip(*np.nonzero(moved.any(axis=-1)), strict=True):
            handle, pose = self._handles[w][k], poses[w, k]
            if moved[w, k, :3].any():
                handle.position = pose[:3]
            if moved[w, k, 3:].any():
                handle.wxyz = pose[3:]
            self._sent[w, k] = pose
        return int(moved.any(axis=-1).sum())

    def remove(self) -> None:
        """Take everything away."""
        for root in self._roots:
            root.remove()

    def _poses(self, frame: Frame) -> Array:
        """Return ``(N, K, 7)``: position and quaternion of every node."""
        bodies = [frame.body_pos[:, self._bodies], frame.body_quat[:, self._bodies]]
        sites = [frame.site_pos[:, self._sites], frame.site_quat[:, self._sites]]
        return np.concatenate([np.concatenate(bodies, axis=-1), np.concatenate(sites, axis=-1)], axis=1)

    def _add_node(self, world: int, k: int) -> Any:
        pose = self._sent[world, k]
        return self._scene.add_frame(
            self._path(world, *self._nodes[k]), show_axes=False, position=pose[:3], wxyz=pose[3:]
        )

    def _add_shape(self, world: int, shape: Shape) -> None:
        *rgb, alpha = shape.rgba
        self._scene.add_mesh_simple(
            f"{self._path(world, shape.kind, shape.index)}/{shape.name}",
            vertices=shape.vertices,
            faces=shape.faces,
            color=tuple(round(255 * min(max(c, 0.0), 1.0)) for c in rgb),
            opacity=alpha if alpha < 1.0 else None,
            side="double",
        )

    @staticmethod
    def _path(world: int, kind: str, index: int) -> str:
        return f"/world{world}/{kind}{index}"


def plain_light(scene: Any) -> None:
    """Light a scene evenly, without shadows and reflections: without a graphics card those take seconds a frame."""
    scene.configure_environment_map(None)
    scene.configure_default_lights(cast_shadow=False)
    scene.add_light_ambient("/light", intensity=AMBIENT)


def rich_light(scene: Any) -> None:
    """Light a scene with shadows and reflections."""
    scene.configure_environment_map()
    scene.configure_default_lights()
    scene.remove_by_name("/light")


def grid_offsets(count: int, spacing: Array) -> Array:
    """Return where each of ``count`` worlds stands ``(N, 2)`` [m], in rows and columns around the first one's row."""
    columns = math.ceil(math.sqrt(count))
    places = np.stack([np.arange(count) % columns, np.arange(count) // columns], axis=1)
    return places * np.asarray(spacing)


def extent(drawn: Sequence[Shape], frame: Frame) -> tuple[Array, Array]:
    """Return centre and size ``(3,)`` [m] of what is drawn of the first world, planes left out."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for shape in drawn:
        if not shape.flat:
            pos, quat = (poses[0, shape.index] for poses in frame.of(shape.kind))
            points = rotate(quat, shape.vertices.astype(float)) + pos
            low, high = np.minimum(low, points.min(axis=0)), np.maximum(high, points.max(axis=0))
    if not np.isfinite(low).all():
        return np.zeros(3), np.ones(3)
    return 0.5 * (low + high), np.maximum(high - low, 1e-3)


def first_camera(model: Model, name: str, centre: Array) -> Camera:
    """Return the view of a camera that is fixed in the world, else one from in front of and above ``centre``.

    The point that is looked at, about which a browser orbits, is the one on the camera's axis nearest to ``centre``.
    """
    cameras = model.info.cameras
    index = cameras.index(name) if name in cameras else 0
    m = model.mj
    if not cameras or int(m.cam_bodyid[index]) != 0:
        away = max(1.5 * float(m.stat.extent), NEAREST_M)
        return Camera(position=centre + away * np.array([0.7, -0.7, 0.5]), look_at=centre, fov_rad=math.radians(45.0))
    position = np.array(m.cam_pos[index])
    forward = rotate(np.array(m.cam_quat[index]), np.array([0.0, 0.0, -1.0]))
    ahead = max(float((centre - position) @ forward), NEAREST_M)
    return Camera(position=position, look_at=position + ahead * forward, fov_rad=math.radians(float(m.cam_fovy[index])))
