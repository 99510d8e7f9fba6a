"""Pictures of a world: by the engine's own renderer, or by PyBullet's in software where that needs OpenGL.

Arrays are ``(H, W, 3)`` uint8. A camera that stands in the scene upside down is turned upright by default.
"""

from __future__ import annotations

import functools
import importlib
import io
import warnings
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metasim.core.errors import InvalidConfig, UnsupportedFeature
from metasim.core.rendering import RENDERERS, UnsupportedLooks
from metasim.envs import Episodes

Array = Any
SOFTWARE = ("metasim.backends.pybullet.camera", "SoftwareCamera")
SOFTWARE_NAME = "PyBullet's software renderer"
INK, PAPER = (30, 30, 30), (255, 255, 255)

# Engine to why it cannot draw here. It is not asked again: MuJoCo, asked twice without OpenGL, ends the process.
_refusals: dict[str, str] = {}
_fallbacks: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture and what drew it.

    Attributes:
        rgb: ``(H, W, 3)`` uint8.
        camera: Name of the camera.
        renderer: What drew it, in words.
    """

    rgb: Array
    camera: str
    renderer: str


def picture(
    episodes: Episodes,
    camera: str = "",
    size: tuple[int, int] = (256, 256),
    *,
    world: int = 0,
    upright: bool = True,
    quick: bool = False,
) -> Picture:
    """Draw one world as it is now.

    Args:
        episodes: The worlds.
        camera: Name of the camera; empty for the task's.
        size: Width and height in pixels.
        world: Which world.
        upright: Whether a camera that hangs upside down in the scene is turned by half a turn.
        quick: Whether MuJoCo draws it whatever the engine, without shadows, as policies see it: many times faster.

    Raises:
        UnknownName: If the scene has no such camera.
        InvalidConfig: If the scene has no camera at all, or the size is not positive.
        UnsupportedFeature: If neither the engine nor the software renderer can draw.
    """
    backend, info = episodes.backend, episodes.model.info
    camera = camera or episodes.task.camera or next(iter(info.cameras), "")
    if not camera:
        raise InvalidConfig(f"task {episodes.task.id!r} has no camera; give its Scene cameras={{'view': Camera(...)}}")
    index, (width, height) = info.index("camera", camera), size
    if width < 1 or height < 1:
        raise InvalidConfig(f"size must be two positive numbers of pixels, got {size!r}")
    rows = np.array([world])
    look = episodes.looks[world]
    dressed = (look.renderer if look else "") or "mujoco"
    asked = dressed if quick else backend.name
    renderer = RENDERERS[dressed].words if look or quick else f"the renderer of the {backend.name} backend"
    rgb = None
    if asked not in _refusals:
        try:
            with warnings.catch_warnings(action="ignore"):  # GLFW's about the display that is not there
                if quick:
                    rgb = _smooth(episodes, camera, width, height, rows, 2 if dressed == "mujoco" else 1)
                else:
                    rgb = episodes.render(camera, height, width, rows)[0]
        except UnsupportedLooks:
            raise
        except UnsupportedFeature as refusal:
            _refusals[asked] = str(refusal)
    if rgb is None:
        rgb = _software(episodes, camera, width, height, rows, _refusals[asked]).rgb[0]
        renderer = SOFTWARE_NAME
    rgb = np.asarray(rgb)
    if upright and hangs(episodes.model, index):
        rgb = rgb[::-1, ::-1]
    return Picture(rgb=np.ascontiguousarray(rgb), camera=camera, renderer=renderer)


def hangs(model: Any, camera: int) -> bool:
    """Whether a camera fixed in the world has its upper edge pointing down."""
    if int(model.mj.cam_bodyid[camera]) != 0:
        return False
    w, x, y, z = model.mj.cam_quat[camera]
    return bool(2.0 * (y * z + w * x) < 0.0)  # z of the camera's own y axis


def png(rgb: Array) -> bytes:
    """Return a picture as the bytes of a PNG file; equal pictures, equal bytes."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(_checked(rgb)).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def jpeg(rgb: Array, quality: int = 85) -> bytes:
    """Return a picture as the bytes of a JPEG file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(_checked(rgb)).save(buffer, format="JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def label(rgb: Array, text: str) -> Array:
    """Return the picture with a line of text above it."""
    from PIL import Image, ImageDraw, ImageFont

    rgb = _checked(rgb)
    size = max(11, rgb.shape[1] // 24)
    top = size + size // 2
    page = Image.new("RGB", (rgb.shape[1], rgb.shape[0] + top), PAPER)
    page.paste(Image.fromarray(rgb), (0, top))
    ImageDraw.Draw(page).text((size // 3, size // 8), text, fill=INK, font=ImageFont.load_default(size))
    return np.asarray(page)


def grid(pictures: Sequence[Array], columns: int) -> Array:
    """Return pictures of one size as a table of ``columns`` columns; missing ones at the end stay white."""
    if not pictures or columns < 1:
        raise InvalidConfig(f"a grid needs pictures and columns, got {len(pictures)} and {columns}")
    shapes = {np.shape(p) for p in pictures}
    if len(shapes) > 1:
        raise InvalidConfig(f"pictures of a grid must have one size, got {sorted(shapes)}")
    blank = np.full_like(pictures[0], 255)
    cells = [*pictures, *[blank] * (-len(pictures) % columns)]
    rows = [np.concatenate(cells[i : i + columns], axis=1) for i in range(0, len(cells), columns)]
    return np.concatenate(rows, axis=0)


def strip(frames: Sequence[Array], count: int = 6) -> Array:
    """Return ``count`` frames, evenly spread from the first to the last, side by side."""
    chosen = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return grid([frames[i] for i in chosen], len(chosen))


def _smooth(episodes: Episodes, camera: str, width: int, height: int, rows: Array, times: int) -> Array:
    """Return a cheap picture, drawn so many times as large and averaged: pixels cost less than OpenGL's samples."""
    large = episodes.pictures(camera, times * height, times * width, rows).rgb[0]
    if times == 1:
        return large
    parts = [large[k::times, i::times].astype(np.uint16) for k in range(times) for i in range(times)]
    total: Array = functools.reduce(np.add, parts)
    return (total // len(parts)).astype(np.uint8)


def _software(episodes: Episodes, camera: str, width: int, height: int, rows: Array, refusal: str) -> Any:
    """Return what PyBullet's renderer draws of worlds of any engine: the same coordinates, the same places."""
    try:
        module = importlib.import_module(SOFTWARE[0])
    except ImportError as missing:
        raise UnsupportedFeature(f"{refusal}; and that one is not there: {missing}") from missing
    if episodes not in _fallbacks:
        drawer = getattr(module, SOFTWARE[1])(episodes.model, episodes.task.surfaces)
        _fallbacks[episodes] = drawer
        weakref.finalize(episodes, drawer.close)
    places = episodes.backend.places(rows)
    return _fallbacks[episodes].render(places, camera, width, height, looks=[episodes.looks[int(i)] for i in rows])


def _checked(rgb: Array) -> Array:
    array = np.asarray(rgb)
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8:
        raise InvalidConfig(f"a picture is (H, W, 3) uint8, got {array.shape} {array.dtype}")
    return np.ascontiguousarray(array)
