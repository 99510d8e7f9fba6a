"""Pictures: the right way up, whole, and from the software renderer where there is no other."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from metasim.core.errors import InvalidConfig, UnknownName, UnsupportedFeature
from metasim.core.rotation import rotate
from metasim.core.seeding import EpisodeSeed
from metasim.envs import Episodes
from metasim.view import grid, label, picture, pictures, png, strip
from metasim.view.pictures import SOFTWARE, SOFTWARE_NAME, hangs

SIZE = (64, 48)


@pytest.fixture(scope="module")
def episodes() -> Iterator[Episodes]:
    """Two worlds at the start of an episode each."""
    worlds = Episodes("metaworld/drawer-open-v3", num_worlds=2)
    worlds.begin(np.arange(2), [EpisodeSeed(root=0, task=worlds.task.id, episode=i) for i in range(2)])
    yield worlds
    worlds.close()


@pytest.fixture
def drawable(episodes: Episodes) -> Episodes:
    """The same, where the engine itself can draw."""
    if picture(episodes, size=(8, 8)).renderer == SOFTWARE_NAME:
        pytest.skip("there is no OpenGL here")
    return episodes


def noise(seed: int, height: int = 6, width: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_hanging_camera_is_turned_by_half_a_turn(drawable: Episodes) -> None:
    raw = drawable.backend.render("corner2", width=64, height=48, worlds=np.array([1])).rgb[0]
    as_it_hangs = picture(drawable, size=SIZE, world=1, upright=False)
    turned = picture(drawable, size=SIZE, world=1)
    assert turned.camera == "corner2" and turned.rgb.shape == (48, 64, 3)
    np.testing.assert_array_equal(as_it_hangs.rgb, raw)
    np.testing.assert_array_equal(turned.rgb, np.rot90(raw, 2))
    assert np.ptp(turned.rgb) > 100
    assert "mujoco" in turned.renderer


def test_a_camera_hangs_when_its_upper_edge_points_down(episodes: Episodes) -> None:
    up = {
        name: float(rotate(episodes.model.mj.cam_quat[i], np.array([0.0, 1.0, 0.0]))[2])
        for i, name in enumerate(episodes.model.info.cameras)
    }
    fixed = [name for i, name in enumerate(up) if episodes.model.mj.cam_bodyid[i] == 0]
    got = {name: hangs(episodes.model, i) for i, name in enumerate(up)}
    assert got == {name: name in fixed and height < 0 for name, height in up.items()}
    assert got["corner2"] and not got["gripperPOV"]


def test_worlds_are_drawn_apart(drawable: Episodes) -> None:
    first, second = (picture(drawable, size=SIZE, world=i).rgb for i in range(2))
    assert not np.array_equal(first, second)


@pytest.fixture
def without_opengl(episodes: Episodes, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The engine cannot draw; the list is of the cameras it was asked for."""
    asked: list[str] = []

    def refuse(camera: str, **_: Any) -> None:
        asked.append(camera)
        raise UnsupportedFeature("no OpenGL")

    monkeypatch.setattr(pictures, "_refusals", {})
    monkeypatch.setattr(episodes.backend, "render", refuse)
    return asked


def test_without_opengl_the_software_renderer_draws(episodes: Episodes, without_opengl: list[str]) -> None:
    """It shows what PyBullet shows of the same episode: the start differs by how each engine settles.

    An engine that refused is not asked again: MuJoCo would end the process.
    """
    drawn = [picture(episodes, size=SIZE, world=i) for i in range(2)]
    assert {p.renderer for p in drawn} == {SOFTWARE_NAME}
    assert without_opengl == ["corner2"]
    assert not np.array_equal(drawn[0].rgb, drawn[1].rgb)
    other = Episodes(episodes.task.id, "pybullet", 2)
    other.begin(np.arange(2), [seed for seed in episodes.seeds if seed is not None])
    for i in range(2):
        want = picture(other, size=SIZE, world=i)
        assert "pybullet" in want.renderer
        off = [np.abs(d.rgb.astype(float) - want.rgb).mean() for d in (drawn[i], drawn[1 - i])]
        assert off[0] < 1.0 and off[0] < 0.5 * off[1]
    other.close()


@pytest.mark.usefixtures("without_opengl")
def test_where_nothing_can_draw_both_reasons_are_given(episodes: Episodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, SOFTWARE[0], None)
    with pytest.raises(UnsupportedFeature, match="no OpenGL.*not there"):
        picture(episodes, "corner", SIZE)


def test_an_unknown_camera_names_the_nearest(episodes: Episodes) -> None:
    with pytest.raises(UnknownName, match="corner2"):
        picture(episodes, "corner22")


@pytest.mark.parametrize("size", [(0, 48), (64, -1)])
def test_a_size_must_be_positive(episodes: Episodes, size: tuple[int, int]) -> None:
    with pytest.raises(InvalidConfig, match="size"):
        picture(episodes, size=size)


def test_a_png_holds_the_picture() -> None:
    rgb = noise(0)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png(rgb)))), rgb)
    assert png(rgb) == png(rgb.copy())


def test_a_label_stands_above_the_picture() -> None:
    rgb = np.zeros((60, 80, 3), np.uint8)
    page = label(rgb, "mujoco")
    head = page[: len(page) - 60]
    np.testing.assert_array_equal(page[-60:], rgb)
    assert len(head) > 10 and head.max() == 255 and head.min() < 100


def test_a_grid_is_filled_by_rows() -> None:
    pictures = [noise(i) for i in range(5)]
    page = grid(pictures, 3)
    assert page.shape == (12, 24, 3)
    np.testing.assert_array_equal(page[:6, 8:16], pictures[1])
    np.testing.assert_array_equal(page[6:, :8], pictures[3])
    assert (page[6:, 16:] == 255).all()


def test_a_strip_goes_from_the_first_frame_to_the_last() -> None:
    frames = [np.full((4, 4, 3), i, np.uint8) for i in range(11)]
    assert strip(frames, 3)[0, ::4, 0].tolist() == [0, 5, 10]
    assert strip(frames[:2], 6)[0, ::4, 0].tolist() == [0, 1]


@pytest.mark.parametrize("odd", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8)])
def test_what_is_no_picture_is_refused(odd: np.ndarray) -> None:
    with pytest.raises(InvalidConfig, match="uint8"):
        png(odd)


def test_pictures_of_different_sizes_make_no_grid() -> None:
    with pytest.raises(InvalidConfig, match="one size"):
        grid([noise(0), noise(1, 4, 4)], 2)


def test_mujoco_draws_even_if_somebody_imported_it_before_metasim() -> None:
    """MuJoCo chooses how to draw when it is imported, and without a display it chooses what needs one."""
    code = (
        "import mujoco, metasim\n"
        "env = metasim.make('metaworld/reach-v3', render_mode='rgb_array', width=32, height=24)\n"
        "env.reset(seed=0)\n"
        "print(env.render().std() > 1)\n"
    )
    environment = {k: v for k, v in os.environ.items() if k not in ("MUJOCO_GL", "PYOPENGL_PLATFORM", "DISPLAY")}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    if "UnsupportedFeature" in ran.stderr:
        pytest.skip("there is no OpenGL here")
    assert ran.stdout.strip() == "True", ran.stderr
