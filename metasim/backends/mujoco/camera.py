"""MuJoCo pictures: the visual model posed like a world of any engine, dressed as its looks say, drawn by OpenGL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mujoco
import numpy as np

from metasim.backends.mujoco.dress import Wardrobe, dressed
from metasim.backends.mujoco.painter import CHEAP, FINE, Painter, Quality
from metasim.core.backend import Images
from metasim.core.looks import Looks
from metasim.core.rendering import Places, Renderer, blank, check_looks, check_request, moved_camera
from metasim.model import Model

Array = Any


class Camera(Renderer):
    """Draws worlds of one model; the OpenGL context is made on first use.

    Depth and segmentation are always drawn with one sample per pixel: in between there is nothing. Settings are those
    of :class:`metasim.backends.mujoco.painter.Quality`.

    Raises:
        UnsupportedFeature: If there is no OpenGL.
    """

    name = "mujoco"
    words = "MuJoCo's renderer"

    def __init__(
        self,
        model: Model,
        surfaces: Mapping[str, Sequence[str]] | None = None,
        *,
        fine: bool = False,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._model, self._surfaces = model, dict(surfaces or {})
        self._quality = Quality(**settings) if settings is not None else FINE if fine else CHEAP
        self._stages: dict[bool, _Stage] = {}

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
        index, count = self._model.info.index("camera", camera), len(places.qpos)
        worn = [look if look else None for look in (looks or [None] * count)]
        stage = self._stage(any(look is not None for look in worn))
        for look in worn:
            if look is not None:
                check_looks(look, self._surfaces, stage.visual.nlight)
        pictures = blank(modes, count, height, width)
        smooth = {mode: stage.painter(self._quality if mode == "rgb" else CHEAP) for mode in modes}
        for painter in {id(p): p for p in smooth.values()}.values():
            own = {mode: pictures[mode] for mode in modes if smooth[mode] is painter}
            painter.begin(width, height)
            for i in range(count):
                stage.draw(painter, places, i, index, worn[i], {mode: drawn[i] for mode, drawn in own.items()})
        return Images(**pictures)

    def close(self) -> None:
        """Free what OpenGL holds."""
        for stage in self._stages.values():
            stage.close()
        self._stages.clear()

    def _stage(self, looks: bool) -> _Stage:
        if looks not in self._stages:
            visual = dressed(self._model, self._surfaces) if looks else self._model.visual
            self._stages[looks] = _Stage(visual, self._surfaces if looks else {})
        return self._stages[looks]


class _Stage:
    """A visual model with what draws it."""

    def __init__(self, visual: mujoco.MjModel, surfaces: Mapping[str, Sequence[str]]) -> None:
        self.visual, self._surfaces = visual, surfaces
        self._data = mujoco.MjData(visual)
        self._own = {name: np.array(getattr(visual, name)) for name in ("body_pos", "body_quat", "site_pos")}
        self._painters: dict[Quality, tuple[Painter, Wardrobe | None]] = {}

    def painter(self, quality: Quality) -> Painter:
        """Return what draws at a quality."""
        if quality not in self._painters:
            self._painters[quality] = Painter(self.visual, quality), None
        return self._painters[quality][0]

    def draw(
        self,
        painter: Painter,
        places: Places,
        row: int,
        camera: int,
        looks: Looks | None,
        out: Mapping[str, Array],
    ) -> None:
        """Pose, dress, draw and undress."""
        self._pose(places, row)
        if looks is None:
            painter.draw(self._data, camera, out)
            return
        wardrobe = self._wardrobe(painter)
        try:
            wardrobe.put_on(looks, self._data)
            if looks.camera is not None:
                self._move(camera, looks)
            mirror = looks.reflection is not None and looks.reflection.reflectance > 0
            painter.draw(self._data, camera, out, mirror=mirror)
        finally:
            wardrobe.take_off()

    def close(self) -> None:
        """Free what OpenGL holds."""
        for painter, _ in self._painters.values():
            painter.close()
        self._painters.clear()

    def _wardrobe(self, painter: Painter) -> Wardrobe:
        """Return the painter's own: each has its own textures in OpenGL."""
        quality = next(q for q, (p, _) in self._painters.items() if p is painter)
        _, wardrobe = self._painters[quality]
        if wardrobe is None:
            wardrobe = Wardrobe(self.visual, self._surfaces, painter.upload)
            self._painters[quality] = painter, wardrobe
        return wardrobe

    def _move(self, camera: int, looks: Looks) -> None:
        m, d = self.visual, self._data
        assert looks.camera is not None
        axes = np.array(d.cam_xmat[camera]).reshape(3, 3)
        fov = np.radians(float(m.cam_fovy[camera]))
        pos, axes, fov = moved_camera(np.array(d.cam_xpos[camera]), axes, fov, looks.camera)
        d.cam_xpos[camera], d.cam_xmat[camera], m.cam_fovy[camera] = pos, axes.ravel(), np.degrees(fov)

    def _pose(self, places: Places, row: int) -> None:
        v, d = self.visual, self._data
        for name, values in places.own(row).items():
            getattr(v, name)[:] = self._own[name] if values is None else values
        d.qpos[:], d.mocap_pos[:], d.mocap_quat[:] = places.qpos[row], places.mocap_pos[row], places.mocap_quat[row]
        mujoco.mj_kinematics(v, d)
        mujoco.mj_comPos(v, d)
        mujoco.mj_camlight(v, d)
