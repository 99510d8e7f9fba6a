"""Cameras: pictures have the promised shapes, are those of a pinhole, and measure in metres."""

from __future__ import annotations

from typing import Any

import numpy as np

from metasim.conformance.measurement import BackendFactory, Measurement, holds, near, needs, raises, same
from metasim.conformance.scenes import CAMERAS, MARKERS, opened
from metasim.core.backend import Backend, Images, Start
from metasim.core.errors import InvalidConfig, UnknownName
from metasim.core.scene import Camera

Array = Any
WIDTH, HEIGHT = 160, 120
RADIUS_M = 0.03
ALL = ("rgb", "depth", "segmentation")


@needs("rgb", "depth", "segmentation")
def picture_shapes(make: BackendFactory) -> list[Measurement]:
    """Pictures come as (n, H, W, ...) of the promised types, only those asked for."""
    with opened(make, "pictures", 3) as backend:
        views = backend.render("above", width=48, height=32, modes=ALL, worlds=np.array([0, 2]))
        only = backend.render("above", width=48, height=32)
        found = {name: (getattr(views, name).shape, getattr(views, name).dtype) for name in ALL}
        wanted = {
            "rgb": ((2, 32, 48, 3), np.dtype(np.uint8)),
            "depth": ((2, 32, 48), np.dtype(np.float32)),
            "segmentation": ((2, 32, 48), np.dtype(np.int32)),
        }
        bare = only.depth is None and only.segmentation is None and only.rgb.shape == (3, 32, 48, 3)
        return [
            *[holds(f"{n}: shape and type", found[n] == wanted[n], f"{found[n]}, not {wanted[n]}") for n in ALL],
            holds("modes that were not asked for", bare, "None"),
            raises("misspelt camera", UnknownName, lambda: backend.render("abov"), "did you mean", ("above",)),
            raises(
                "unknown mode",
                InvalidConfig,
                lambda: backend.render("above", modes=("rbg",)),
                "says which exist",
            ),
            raises("no pixels", InvalidConfig, lambda: backend.render("above", width=0), "at least one"),
        ]


@needs("segmentation")
def pinhole(make: BackendFactory) -> list[Measurement]:
    """Known points appear within a pixel of where a pinhole camera projects them, named by their body."""
    with opened(make, "pictures") as backend:
        measured = []
        for name, camera in CAMERAS.items():
            seen = _render(backend, name, ("segmentation",)).segmentation[0]
            for marker, body in MARKERS.items():
                u, v, _ = _project(camera, np.array(body.pos))
                spot = _spot(seen == backend.info.index("body", marker))
                why = "u = W/2 + f x/z, f = H / (2 tan(fov/2)), from the top left"
                measured.append(near(f"{marker} from {name}", spot, [u, v], 1.0, "px", why))
            known = {-1, 0, *(backend.info.index("body", name) for name in (*MARKERS, "panel"))}
            strays = sorted(set(np.unique(seen).tolist()) - known)
            measured.append(holds(f"segmentation from {name}", not strays, f"bodies of the scene; strays {strays}"))
        return measured


@needs("depth", "segmentation")
def metric_depth(make: BackendFactory) -> list[Measurement]:
    """Depth is in metres along the optical axis: of the floor at every pixel, and of a ball's near side."""
    with opened(make, "pictures") as backend:
        measured = []
        for name, camera in CAMERAS.items():
            view = _render(backend, name, ("depth", "segmentation"))
            floor = view.segmentation[0] == 0
            wanted = _floor_depth(camera)
            errors = np.abs(view.depth[0] - wanted)[floor & (wanted < 3.0)]
            far = "plane z = 0; precision of a depth buffer"
            measured.append(near(f"floor from {name}", np.median(errors), 0.0, 2e-3, "m", far))
            worst = np.quantile(errors, 0.99)
            measured.append(near(f"floor from {name}, 99 % of it", worst, 0.0, 1e-2, "m", far))
            for marker, body in MARKERS.items():
                _, _, z = _project(camera, np.array(body.pos))
                nearest = view.depth[0][view.segmentation[0] == backend.info.index("body", marker)].min(initial=9.0)
                ball = "distance less the radius; the ball is seen aslant and in pixels"
                measured.append(near(f"{marker} from {name}", nearest, z - RADIUS_M, 3e-3, "m", ball))
        return measured


@needs("rgb", "segmentation")
def colours(make: BackendFactory) -> list[Measurement]:
    """Colours lie where the segmentation says, and each world's picture shows that world."""
    with opened(make, "pictures", 2) as backend:
        before = _render(backend, "above", ("rgb", "segmentation"))
        measured = []
        for channel, marker in enumerate(MARKERS):
            index = backend.info.index("body", marker)
            pixels = before.rgb[0][before.segmentation[0] == index].astype(float)
            share = pixels.sum(axis=0) / max(pixels.sum(), 1.0) if len(pixels) else np.zeros(3)
            measured.append(
                holds(f"{marker} is {marker}", bool(share[channel] > 0.6), f"share of rgb {share.round(2)}")
            )
        moved = {"red": (-0.3, -0.2, 0.2), "panel": (0.3, 0.3, 0.005)}
        start = Start(joints={"red": [moved["red"]]}, bodies={"panel": [moved["panel"]]})
        backend.write(start, worlds=np.array([1]))
        after = _render(backend, "above", ("rgb", "segmentation"))
        for name, place in moved.items():
            u, v, _ = _project(CAMERAS["above"], np.array(place))
            spot = _spot(after.segmentation[1] == backend.info.index("body", name))
            measured.append(near(f"{name} after moving it in world 1", spot, [u, v], 1.0, "px", "as written"))
        alone = _render(backend, "above", ("rgb",), worlds=np.array([1]))
        return [
            *measured,
            same("picture of world 0", after.rgb[0], before.rgb[0], "nothing moved there"),
            same("world 1 drawn alone", alone.rgb[0], after.rgb[1], "the same picture"),
        ]


def _render(backend: Backend, camera: str, modes: tuple[str, ...], worlds: Array | None = None) -> Images:
    return backend.render(camera, width=WIDTH, height=HEIGHT, modes=modes, worlds=worlds)


def _spot(mask: Array) -> Array:
    """Centre ``(2,)`` of the pixels of a mask, column and row from the top left corner; NaN if there are none."""
    rows, columns = np.nonzero(mask)
    return np.array([columns.mean(), rows.mean()]) + 0.5 if len(rows) else np.full(2, np.nan)


def _axes(camera: Camera) -> Array:
    """Right, down and forward of the camera in the world; up is z, or y for one that looks down."""
    forward = np.subtract(camera.target, camera.pos) / np.linalg.norm(np.subtract(camera.target, camera.pos))
    up = np.array([0.0, 0, 1]) if abs(forward[2]) < 0.999 else np.array([0.0, 1, 0])
    right = np.cross(forward, up) / np.linalg.norm(np.cross(forward, up))
    return np.stack([right, np.cross(forward, right), forward])


def _project(camera: Camera, point: Array) -> tuple[float, float, float]:
    """Pixel column and row, from the top left corner, and depth [m] of a point."""
    x, y, z = _axes(camera) @ (point - camera.pos)
    focal = HEIGHT / 2 / np.tan(camera.fov_rad / 2)
    return WIDTH / 2 + focal * x / z, HEIGHT / 2 + focal * y / z, z


def _floor_depth(camera: Camera) -> Array:
    """Depth ``(H, W)`` of the plane z = 0 at the centre of each pixel; infinite above the horizon."""
    focal = HEIGHT / 2 / np.tan(camera.fov_rad / 2)
    columns, rows = np.meshgrid(np.arange(WIDTH) + 0.5 - WIDTH / 2, np.arange(HEIGHT) + 0.5 - HEIGHT / 2)
    rays = np.stack([columns / focal, rows / focal, np.ones_like(rows)], axis=-1) @ _axes(camera)
    with np.errstate(divide="ignore"):
        depth = -camera.pos[2] / rays[..., 2]
    return np.where(depth > 0, depth, np.inf)


CHECKS = (picture_shapes, pinhole, metric_depth, colours)
