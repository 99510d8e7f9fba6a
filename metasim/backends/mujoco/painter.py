"""OpenGL by MuJoCo: one context per process, and pictures of one posed model at a time.

What pictures cost decides the settings: shadows and smooth edges make one many times slower (docs/cameras.md).
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from metasim.core.errors import UnsupportedFeature

Array = Any
_FLAG = mujoco.mjtRndFlag
_MOST_GEOMS = 10_000
_REFUSED: list[str] = []
"""Why this process cannot draw, once that is known: asking MuJoCo for a context again then would end the process."""
_CONTEXTS: dict[int, Any] = {}
"""Process to its OpenGL context."""


@dataclass(frozen=True, kw_only=True)
class Quality:
    """What a picture may cost.

    Attributes:
        shadow: Side of the shadow map in pixels; 0 for no shadows.
        samples: Samples per pixel that smooth edges; 0 for none.
        reflection: Whether materials that say so show a mirror image, which draws everything once more.
    """

    shadow: int = 0
    samples: int = 0
    reflection: bool = False


CHEAP = Quality()
FINE = Quality(shadow=1024, samples=4, reflection=True)


class Painter:
    """Draws one model at one quality.

    Args:
        model: The model, with its visual geometry; read at every picture, but for its meshes and textures.
        quality: What pictures may cost.

    Raises:
        UnsupportedFeature: If there is no OpenGL.
    """

    def __init__(self, model: mujoco.MjModel, quality: Quality) -> None:
        self._model, self._quality = model, quality
        _enter()
        settings = model.vis.quality
        before = settings.shadowsize, settings.offsamples
        settings.shadowsize, settings.offsamples = quality.shadow, quality.samples
        try:
            self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        except (RuntimeError, mujoco.FatalError) as error:
            raise _refusal(error) from error
        finally:
            settings.shadowsize, settings.offsamples = before
        self._context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        self._scene = mujoco.MjvScene(model, maxgeom=_MOST_GEOMS)
        self._scene.flags[_FLAG.mjRND_SHADOW] = quality.shadow > 0
        self._option, self._camera = mujoco.MjvOption(), mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED

    def begin(self, width: int, height: int) -> None:
        """Make ready for pictures of a size; to be called again whenever another painter has drawn."""
        _enter()
        c = self._context
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, c)
        if width > c.offWidth or height > c.offHeight:
            mujoco.mjr_resizeOffscreen(max(width, c.offWidth), max(height, c.offHeight), c)
        self._rect = mujoco.MjrRect(0, 0, width, height)

    def draw(self, data: mujoco.MjData, camera: int, out: Mapping[str, Array], *, mirror: bool = False) -> None:
        """Draw a posed model into ``out``: mode to ``(H, W, ...)``; ``mirror`` asks for mirror images anyway."""
        scene, category = self._scene, int(mujoco.mjtCatBit.mjCAT_ALL)
        self._camera.fixedcamid = camera
        scene.flags[_FLAG.mjRND_REFLECTION] = mirror or self._quality.reflection
        mujoco.mjv_updateScene(self._model, data, self._option, None, self._camera, category, scene)
        if "rgb" in out:
            self._rendered(out["rgb"], None)
        if "depth" in out or "segmentation" in out:
            self._measured(out)

    def upload(self, texture: int) -> None:
        """Hand a texture that has changed in the model to OpenGL."""
        _enter()
        mujoco.mjr_uploadTexture(self._model, self._context, texture)

    def close(self) -> None:
        """Free what OpenGL holds; may be called twice."""
        if self._context is not None and os.getpid() in _CONTEXTS:
            _enter()
            self._context.free()
        self._context: Any = None

    def _measured(self, out: Mapping[str, Array]) -> None:
        scene = self._scene
        height, width = out["depth" if "depth" in out else "segmentation"].shape
        scene.flags[_FLAG.mjRND_SEGMENT] = scene.flags[_FLAG.mjRND_IDCOLOR] = True
        colours, buffer = np.empty((height, width, 3), np.uint8), np.empty((height, width), np.float32)
        self._rendered(colours, buffer)
        scene.flags[_FLAG.mjRND_SEGMENT] = scene.flags[_FLAG.mjRND_IDCOLOR] = False
        if "depth" in out:
            m = self._model
            near, far = (float(v * m.stat.extent) for v in (m.vis.map.znear, m.vis.map.zfar))
            out["depth"][:] = near * far / (near + (far - near) * buffer.astype(np.float64))
        if "segmentation" in out:
            number = colours.astype(np.int64) @ [1, 256, 65536]
            out["segmentation"][:] = self._bodies()[number]

    def _bodies(self) -> Array:
        """Return the body of each number that segmented geoms are coloured with; -1 for what is no geom."""
        geom, bodies = int(mujoco.mjtObj.mjOBJ_GEOM), self._model.geom_bodyid
        found = np.full(self._scene.ngeom + 1, -1, np.int32)
        for g in self._scene.geoms[: self._scene.ngeom]:
            if g.segid >= 0 and g.objtype == geom:
                found[g.segid + 1] = bodies[g.objid]
        return found

    def _rendered(self, rgb: Array, depth: Array) -> None:
        """Draw the scene and read it, its first row uppermost."""
        raw = np.empty_like(rgb)
        mujoco.mjr_render(self._rect, self._scene, self._context)
        mujoco.mjr_readPixels(raw, depth, self._rect, self._context)
        rgb[:] = raw[::-1]
        if depth is not None:
            depth[:] = depth[::-1].copy()


def _enter() -> None:
    """Make this process's OpenGL context current, making it first where there is none."""
    if _REFUSED:
        raise UnsupportedFeature(_REFUSED[0])
    process = os.getpid()
    try:
        if process not in _CONTEXTS:
            from mujoco.rendering.classic import gl_context

            _CONTEXTS[process] = gl_context.GLContext(64, 64)
            atexit.register(_leave)
        _CONTEXTS[process].make_current()
    except (RuntimeError, ImportError, AttributeError, TypeError, mujoco.FatalError) as error:
        raise _refusal(error) from error


def _leave() -> None:
    context = _CONTEXTS.pop(os.getpid(), None)
    if context is not None:
        context.free()


def _refusal(error: Exception) -> UnsupportedFeature:
    _REFUSED.append(
        f"MuJoCo cannot draw: no OpenGL ({error}); install libegl1 or libosmesa6,"
        " or draw with PyBullet's software renderer"
    )
    return UnsupportedFeature(_REFUSED[0])
