"""Every renderer's camera is the pinhole camera that pose and field of view say; both show the same of any world."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from metasim.core.backend import Start, launch
from metasim.core.errors import InvalidConfig, UnknownName, UnsupportedFeature
from metasim.core.rendering import RENDERERS, Places
from metasim.core.scene import Box, Camera, Scene, Sphere
from metasim.model import Model, compile_scene

Array = Any
SIZE, RADIUS_M = 256, 0.012
CAMERAS = {
    "front": Camera(pos=(1.25, 0.0, 0.75), target=(0.45, 0.0, 0.05), fov_rad=0.75),
    "side": Camera(pos=(0.5, 0.95, 0.55), target=(0.45, 0.0, 0.05), fov_rad=0.75),
    "oblique": Camera(pos=(0.1, -0.7, 0.9), target=(0.4, 0.1, 0.1), fov_rad=0.9),
    "top": Camera(pos=(0.4, 0.0, 1.4), target=(0.4, 0.0, 0.0), fov_rad=0.6),
}
_RNG = np.random.default_rng(0)
POINTS = {f"p{k}": tuple((np.array([0.4, 0.0, 0.15]) + _RNG.uniform(-1, 1, 3) * 0.2).tolist()) for k in range(7)}


@pytest.fixture(scope="module")
def model() -> Model:
    points = {name: Sphere(radius_m=RADIUS_M, pos=pos, fixed=True) for name, pos in POINTS.items()}
    wall = Box(size_m=(6.0, 0.1, 6.0), pos=(0.0, 3.0, 0.0), fixed=True)
    cube = Box(size_m=(0.1, 0.06, 0.08), pos=(0.4, 0.2, 0.5), quat=(0.9, 0.1, 0.3, 0.3))
    return compile_scene(Scene(ground=False, objects={**points, "cube": cube, "wall": wall}, cameras=CAMERAS))


@pytest.fixture(scope="module")
def places(model: Model) -> Places:
    with launch("mujoco") as backend:
        backend.load(model)
        return backend.places()


def renderer(name: str, model: Model) -> Any:
    """A renderer, or the reason why this machine has it not."""
    made = RENDERERS[name](model)
    if name == "mujoco":
        try:
            made.render(Places(qpos=np.zeros((0, 0)), mocap_pos=None, mocap_quat=None), "top", 8, 8)
        except UnsupportedFeature as refusal:
            pytest.skip(str(refusal))
    return made


def seen_from(camera: Camera, point: tuple[float, ...], size: int) -> tuple[Array, float]:
    """Column and row of a point in pixels from the upper left corner, and its depth, by the pinhole formula."""
    back = np.subtract(camera.pos, camera.target)
    z = back / np.linalg.norm(back)
    x = np.cross([0.0, 0.0, 1.0] if abs(z[2]) < 0.999 else [0.0, 1.0, 0.0], z)
    x /= np.linalg.norm(x)
    away = np.subtract(point, camera.pos)
    right, up, depth = away @ x, away @ np.cross(z, x), -(away @ z)
    focal = size / 2 / np.tan(camera.fov_rad / 2)
    return np.array([size / 2 + focal * right / depth, size / 2 - focal * up / depth]), float(depth)


@pytest.mark.parametrize("name", ["mujoco", "pybullet"])
@pytest.mark.parametrize("camera", CAMERAS)
def test_points_are_where_the_pinhole_formula_has_them(model: Model, places: Places, name: str, camera: str) -> None:
    drawer, seen = renderer(name, model), 0
    images = drawer.render(places, camera, SIZE, SIZE, ("rgb", "depth", "segmentation"))
    drawer.close()
    for point, pos in POINTS.items():
        pixel, depth = seen_from(CAMERAS[camera], pos, SIZE)
        if not (10 < pixel.min() and pixel.max() < SIZE - 10):
            continue
        rows, columns = np.nonzero(images.segmentation[0] == model.info.index("body", point))
        if len(rows) < 0.8 * np.pi * (RADIUS_M / depth * SIZE / 2 / np.tan(CAMERAS[camera].fov_rad / 2)) ** 2:
            continue  # partly hidden by another
        seen += 1
        centre = np.array([columns.mean(), rows.mean()]) + 0.5
        assert np.linalg.norm(centre - pixel) < 0.5, point
        assert images.depth[0][rows, columns].min() == pytest.approx(depth - RADIUS_M, abs=0.002)
    assert seen >= 4


def test_both_renderers_show_the_same_bodies_at_the_same_depth(model: Model, places: Places) -> None:
    drawers = [renderer(name, model) for name in ("mujoco", "pybullet")]
    for camera in CAMERAS:
        a, b = (d.render(places, camera, SIZE, SIZE, ("depth", "segmentation")) for d in drawers)
        same = a.segmentation == b.segmentation
        assert same.mean() > 0.995  # but for pixels on edges
        assert set(np.unique(a.segmentation)) == set(np.unique(b.segmentation))
        inside = same & (a.segmentation >= 0)
        assert np.quantile(np.abs(a.depth - b.depth)[inside], 0.99) < 0.01
        assert np.median(np.abs(a.depth - b.depth)[inside]) < 0.001
    for drawer in drawers:
        drawer.close()


@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
def test_a_moved_body_is_drawn_where_each_world_has_it(model: Model, engine: str) -> None:
    drawer = renderer("mujoco", model)
    aside = np.array([[0.4, 0.0, 0.3], [0.3, 0.1, 0.2], [0.5, -0.1, 0.1]])
    with launch(engine, 3) as backend:
        backend.load(model)
        backend.write(Start(bodies={"p0": aside}, joints={"cube": np.array([[9.0, 9.0, 9.0]] * 3)}))
        found = drawer.render(backend.places(), "front", SIZE, SIZE, ("segmentation",)).segmentation
        part = drawer.render(backend.places(np.array([0, 2])), "front", SIZE, SIZE, ("segmentation",)).segmentation
    drawer.close()
    for k, pos in enumerate(aside):
        rows, columns = np.nonzero(found[k] == model.info.index("body", "p0"))
        centre = np.array([columns.mean(), rows.mean()]) + 0.5
        assert np.linalg.norm(centre - seen_from(CAMERAS["front"], tuple(pos), SIZE)[0]) < 0.5
    np.testing.assert_array_equal(part, found[[0, 2]])


def test_sizes_and_qualities_side_by_side_do_not_disturb_each_other(model: Model, places: Places) -> None:
    drawer, fine = renderer("mujoco", model), RENDERERS["mujoco"](model, fine=True)
    first = drawer.render(places, "top", 96, 64).rgb
    fine.render(places, "front", 128, 128)
    larger = drawer.render(places, "top", 192, 128).rgb
    assert larger.shape == (1, 128, 192, 3)
    np.testing.assert_array_equal(drawer.render(places, "top", 96, 64).rgb, first)
    for closed in (drawer, drawer, fine):
        closed.close()


@pytest.mark.parametrize("name", ["mujoco", "pybullet"])
def test_bad_requests_are_refused(model: Model, places: Places, name: str) -> None:
    drawer = RENDERERS[name](model)
    with pytest.raises(InvalidConfig, match="modes must be some of"):
        drawer.render(places, "top", 8, 8, ("rgb", "normals"))
    with pytest.raises(InvalidConfig, match="must be positive"):
        drawer.render(places, "top", 0, 8)
    with pytest.raises(UnknownName, match="camera named 'topp'"):
        drawer.render(places, "topp", 8, 8)
    drawer.close()
