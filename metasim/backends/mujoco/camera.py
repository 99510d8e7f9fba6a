"""MuJoCo pictures: the visual model posed like a world, drawn by OpenGL with the cheap settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np

from metasim.core.backend import Images
from metasim.core.errors import InvalidConfig, UnsupportedFeature
from metasim.model import Model

Array = Any
MODES = ("rgb", "depth", "segmentation")
_REFUSED: list[str] = []
"""Why this process cannot draw, once that is known: asking MuJoCo for a second renderer then would end the process."""


def check_modes(modes: Sequence[str], width: int, height: int) -> None:
    """Raise InvalidConfig for an unknown mode or a size that is not positive."""
    unknown = [m for m in modes if m not in MODES]
    if unknown or not modes:
        raise InvalidConfig(f"modes must be some of {list(MODES)}, got {list(modes)}")
    if width < 1 or height < 1:
        raise InvalidConfig(f"width and height must be positive, got {width} x {height}")


class Camera:
    """Draws worlds of one model; the OpenGL context is made on first use.

    Raises:
        UnsupportedFeature: If there is no OpenGL.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._visual = model.visual
        self._visual.vis.quality.shadowsize = 1024
        self._visual.vis.quality.offsamples = 4
        self._data = mujoco.MjData(self._visual)
        self._renderers: dict[tuple[int, int], mujoco.Renderer] = {}

    def render(
        self, data: Sequence[Any], models: Sequence[Any], camera: str, width: int, height: int, modes: Sequence[str]
    ) -> Images:
        """Return pictures of worlds given as MuJoCo data and models."""
        check_modes(modes, width, height)
        index = self._model.info.index("camera", camera)
        renderer = self._renderer(width, height)
        pictures: dict[str, list[Array]] = {mode: [] for mode in modes}
        for d, m in zip(data, models, strict=True):
            self._pose(d, m)
            for mode in modes:
                pictures[mode].append(self._draw(renderer, index, mode))
        return Images(**{mode: np.stack(p) for mode, p in pictures.items()})

    def close(self) -> None:
        """Free the OpenGL contexts."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()

    def _pose(self, d: Any, m: Any) -> None:
        v = self._visual
        v.body_pos[:], v.body_quat[:], v.site_pos[:] = m.body_pos, m.body_quat, m.site_pos
        self._data.qpos[:], self._data.mocap_pos[:], self._data.mocap_quat[:] = d.qpos, d.mocap_pos, d.mocap_quat
        mujoco.mj_kinematics(v, self._data)
        mujoco.mj_camlight(v, self._data)

    def _draw(self, renderer: mujoco.Renderer, camera: int, mode: str) -> Array:
        switch = {"depth": renderer.enable_depth_rendering, "segmentation": renderer.enable_segmentation_rendering}.get(
            mode
        )
        if switch:
            switch()
        renderer.update_scene(self._data, camera)
        picture = renderer.render()
        if mode == "depth":
            renderer.disable_depth_rendering()
            return picture.astype(np.float32)
        if mode == "segmentation":
            renderer.disable_segmentation_rendering()
            return self._bodies(picture)
        return picture.copy()

    def _bodies(self, picture: Array) -> Array:
        objects, types = picture[..., 0], picture[..., 1]
        geom = types == int(mujoco.mjtObj.mjOBJ_GEOM)
        return np.where(geom, self._visual.geom_bodyid[np.where(geom, objects, 0)], -1).astype(np.int32)

    def _renderer(self, width: int, height: int) -> mujoco.Renderer:
        if (width, height) not in self._renderers:
            v = self._visual
            v.vis.global_.offwidth, v.vis.global_.offheight = (
                max(width, v.vis.global_.offwidth),
                max(height, v.vis.global_.offheight),
            )
            if _REFUSED:
                raise UnsupportedFeature(_REFUSED[0])
            try:
                self._renderers[width, height] = mujoco.Renderer(v, height, width)
            except (RuntimeError, ImportError, AttributeError, mujoco.FatalError) as error:
                _REFUSED.append(
                    f"MuJoCo cannot draw: no OpenGL ({error}); install libegl1 or libosmesa6,"
                    " or draw with PyBullet's software renderer"
                )
                raise UnsupportedFeature(_REFUSED[0]) from error
        return self._renderers[width, height]
