"""Films of a frozen protocol on a page: decodable, showing what differs between levels, and loaded from nowhere."""

import contextlib
import io
import subprocess

import numpy as np
import pytest
from PIL import Image

from metasim.benchmarks import Results
from metasim.benchmarks.generalization import BenchConfig, Rerun, bench
from metasim.benchmarks.report import Films, Filmstrip, filmstrips, levels, render, reruns, side_by_side
from metasim.view import ffmpeg

from .test_report import Page, assert_self_contained, payload

SIZE = reruns.START.size


@pytest.fixture(scope="module")
def results() -> Results:
    """Nobody solves it in so few steps."""
    said = {"tasks": ("pick-cube",), "conditions": ("control", "L0", "L3"), "episodes": 1, "horizon": 6, "worlds": 1}
    return bench(BenchConfig(policy="expert", **said))


@pytest.fixture(scope="module")
def films(results: Results) -> list[Films]:
    pytest.importorskip("imageio_ffmpeg")
    found = list[Films]()
    for shots, draw in (
        (reruns.START, lambda run: levels(results, run=run)),
        (reruns.STRIP, lambda run: filmstrips(results, 1, run=run)),
        (reruns.VIDEO, lambda run: side_by_side(results, 1, run=run)),
    ):
        with contextlib.closing(Rerun(results, shots)) as again:
            found.append(draw(again))
    assert not [note for some in found for note in some.notes]
    return found


def decoded(image: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(image)) as found:
        return np.asarray(found.convert("RGB"), float)


def test_levels_look_different(films: list[Films]) -> None:
    (strip,) = films[0].media
    assert isinstance(strip, Filmstrip) and not strip.failure
    pixels = decoded(strip.image)[-SIZE[1] :]
    control, same, varied = (pixels[:, k * SIZE[0] : (k + 1) * SIZE[0]] for k in range(3))
    assert np.abs(control - same).mean() < 8.0  # the cube lies elsewhere, and that is all
    assert np.abs(control - varied).mean() > 20.0  # materials, camera and light


def test_a_failure_at_a_level_is_filmed_with_its_looks(films: list[Films]) -> None:
    control, varied = (strip for strip in films[1].media if isinstance(strip, Filmstrip))
    assert "control" in control.label and "L3" in varied.label
    first, second = (decoded(strip.image)[:, : reruns.STRIP.size[0]] for strip in (control, varied))
    assert np.abs(first - second).mean() > 20.0


def test_the_page_embeds_what_can_be_decoded_and_loads_nothing(results: Results, films: list[Films]) -> None:
    page = Page(render(results, media=[item for some in films for item in some.media]))
    assert_self_contained(page)
    images, videos = page.all("img"), page.all("video")
    assert (len(images), len(videos)) == (3, 2)
    for image in images:
        pixels = decoded(payload(image["src"], "image/jpeg"))
        assert pixels.shape == (int(image["height"]), int(image["width"]), 3)
    assert "how it begins at each level" in page.words() and "2 filmstrips of unsolved episodes" in page.words()
    command = [ffmpeg(), "-loglevel", "error", "-i", "pipe:0", "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]
    for video in videos:
        ran = subprocess.run(command, input=payload(video["src"], "video/mp4"), capture_output=True, check=True)
        width, height = reruns.VIDEO.size
        assert ran.stdout and len(ran.stdout) % (3 * width * height) == 0
