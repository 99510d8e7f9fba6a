"""What looks do to the geoms of a surface, each of which may have a colour of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from metasim.core.backend import launch
from metasim.core.errors import UnsupportedFeature
from metasim.core.looks import Looks, MaterialLook, ReflectionLook
from metasim.core.rendering import RENDERERS, Renderer
from metasim.core.scene import Box, Camera, Scene
from metasim.model import compile_scene

Array = Any
COLOURS = {"red": (0.9, 0.1, 0.1, 1.0), "green": (0.1, 0.8, 0.1, 1.0), "grey": (0.5, 0.5, 0.5, 1.0)}
SIZE = 64
AS_IT_IS = ReflectionLook(specular=0.5, shininess=0.5, reflectance=0.0)
"""What MuJoCo takes for geoms without a material."""
DULL = ReflectionLook(specular=0.0, shininess=0.0)


@pytest.fixture(scope="module")
def drawn() -> Iterator[Any]:
    """What draws three boxes side by side, all of them the table, and where each of them is seen."""
    boxes = {
        name: Box(size_m=(0.1, 0.1, 0.02), pos=(0.12 * k, 0.0, 0.0), rgba=rgba, fixed=True)
        for k, (name, rgba) in enumerate(COLOURS.items())
    }
    above = {"top": Camera(pos=(0.12, 0.0, 0.5), target=(0.12, 0.0, 0.0), fov_rad=0.8)}
    model = compile_scene(Scene(ground=False, objects=boxes, cameras=above))
    drawer: Renderer = RENDERERS["mujoco"](model, {"table": tuple(COLOURS)})
    with launch("mujoco") as backend:
        backend.load(model)
        places = backend.places()

    def draw(looks: Looks | None) -> Array:
        return drawer.render(places, "top", SIZE, SIZE, ("rgb",), [looks]).rgb[0].astype(int)

    try:
        bodies = drawer.render(places, "top", SIZE, SIZE, ("segmentation",)).segmentation[0]
    except UnsupportedFeature as refusal:
        pytest.skip(str(refusal))
    yield draw, {name: bodies == model.info.index("body", name) for name in COLOURS}
    drawer.close()


def hue(pixels: Array) -> Array:
    """The colour ``(3,)`` as a share of its brightest part."""
    mean = pixels.mean(axis=0)
    return mean / mean.max()


def test_reflection_leaves_every_geom_its_colour(drawn: Any) -> None:
    draw, seen = drawn
    plain, same, dull = draw(None), draw(Looks(reflection=AS_IT_IS)), draw(Looks(reflection=DULL))
    for name, where in seen.items():
        assert where.sum() > 50
        np.testing.assert_allclose(same[where], plain[where], atol=2)
        np.testing.assert_allclose(hue(dull[where]), np.array(COLOURS[name][:3]) / max(COLOURS[name][:3]), atol=0.05)
    np.testing.assert_array_equal(draw(None), plain)


def test_a_material_covers_every_geom_with_or_without_reflection(drawn: Any) -> None:
    draw, seen = drawn
    tint = (0.1, 0.2, 0.8)
    blue = {"table": MaterialLook(tint=tint)}
    shiny, dull = draw(Looks(materials=blue)), draw(Looks(materials=blue, reflection=DULL))
    for where in seen.values():
        assert hue(shiny[where]).argmax() == 2
        np.testing.assert_allclose(hue(dull[where]), np.array(tint) / max(tint), atol=0.05)
