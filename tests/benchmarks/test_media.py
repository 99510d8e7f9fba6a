"""Filmstrips and videos: embedded whole, carried in a folder, and drawn from the episodes they are said to be of."""

import dataclasses
import io
import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from metasim.benchmarks.report import Filmstrip, InvalidMedia, Video, load_media, render, save_media
from metasim.benchmarks.report.choosing import MOST_STRIPS, Shots, shown_together, unsolved
from metasim.benchmarks.report.reruns import filmstrips, rerun, side_by_side
from metasim.benchmarks.results import EpisodeResult, Results
from metasim.core.errors import InvalidConfig

from .test_report import Page, assert_self_contained, payload, png

CLIP = b"\0\0\0\x18ftypisom"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def jpeg(width: int = 40, height: int = 10) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(buffer, "JPEG")
    return buffer.getvalue()


MEDIA = (
    Filmstrip(task="lab/push-v0", label="seed 7, episode 3", image=jpeg(), caption="not solved"),
    Filmstrip(task="lab/push-v0", label="seed 7, episode 4", image=png(30, 6)),
    Video(task="lab/push-v0", label="mujoco", clip=CLIP + b"1", group="episode 0", caption="solved after 12 steps"),
    Video(task="lab/push-v0", label="pybullet", clip=CLIP + b"2", group="episode 0"),
    Filmstrip(task="lab/push-v0", label="starts", image=jpeg(50, 20), caption="levels", failure=False),
    Video(task="Montage", label="all", clip=CLIP + b"3"),
)


def test_every_filmstrip_and_video_is_on_the_page(results):
    page = Page(render(results, media=MEDIA))
    assert_self_contained(page)
    images = {image["alt"]: image for image in page.all("img")}
    for label, kind, size in (("3", "image/jpeg", (40, 10)), ("4", "image/png", (30, 6))):
        image = images[f"lab/push-v0: seed 7, episode {label}"]
        with Image.open(io.BytesIO(payload(image["src"], kind))) as decoded:
            decoded.load()
            assert decoded.size == size == (int(image["width"]), int(image["height"]))
    assert [payload(video["src"], "video/mp4") for video in page.all("video")] == [
        CLIP + b"3",
        CLIP + b"1",
        CLIP + b"2",
    ]
    words = page.words()
    assert "2 filmstrips of unsolved episodes" in words and "seed 7, episode 3: not solved" in words
    assert "episode 0 mujoco: solved after 12 steps pybullet" in words and "Montage" in words


def test_a_folder_of_media_is_read_as_it_was_written(tmp_path):
    listed = save_media(tmp_path / "new", MEDIA)
    found = load_media(tmp_path / "new")
    assert set(found) == set(MEDIA)
    again = save_media(tmp_path / "other", reversed(MEDIA))
    assert listed.read_bytes() == again.read_bytes()
    assert len({*(tmp_path / "new").iterdir()}) == 1 + len(MEDIA)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda folder, tree: (folder / "media.json").unlink(), r"media.json: cannot be read \(No such file"),
        (lambda folder, tree: (folder / tree["media"][0]["file"]).unlink(), r"cannot be read \(No such file"),
        (lambda folder, tree: tree.update(schema="metasim.media/9"), "schema: expected 'metasim.media/1'"),
        (
            lambda folder, tree: tree["media"][1].update(file="../x.png"),
            r"media\[1\].file: expected the name of a file",
        ),
        (lambda folder, tree: tree["media"][0].update(kind="gif"), r"kind: expected 'filmstrip' or 'video'"),
        (lambda folder, tree: tree["media"][0].pop("task"), r"media\[0\].task: missing"),
    ],
)
def test_a_damaged_folder_is_refused(tmp_path, edit, words):
    listed = save_media(tmp_path, MEDIA)
    tree = json.loads(listed.read_bytes())
    edit(tmp_path, tree)
    if listed.exists():
        listed.write_text(json.dumps(tree))
    with pytest.raises(InvalidMedia, match=words):
        load_media(tmp_path)


def test_media_of_another_kind_are_not_written(tmp_path):
    with pytest.raises(InvalidMedia, match="PNG or JPEG"):
        save_media(tmp_path, [Filmstrip(task="a", label="b", image=b"GIF89a")])
    with pytest.raises(InvalidMedia, match="PNG or JPEG"):
        save_media(tmp_path, [Filmstrip(task="a", label="b", image=png()[:60])])
    with pytest.raises(InvalidMedia, match="MP4"):
        save_media(tmp_path, [Video(task="a", label="b", clip=b"RIFF")])


def played(e: EpisodeResult, frames: int = 9, **changes: Any) -> Any:
    """A recording of an episode that went as the results say, frame by frame brighter."""
    shown = tuple(np.full((32, 32, 3), 20 * k, np.uint8) for k in range(frames))
    said = {"frames": shown, "fps": 10.0, "success_any": e.success_any, "steps": e.length, "error": ""}
    return SimpleNamespace(**{**said, **changes})


def test_filmstrips_are_of_the_first_unsolved_episodes_of_each_cell(results):
    asked = []
    found = filmstrips(results, 2, run=lambda e: asked.append(e) or played(e))
    wanted = [
        *(("lab/open-v0", backend, seed) for backend in ("mujoco", "pybullet") for seed in (0, 1)),
        *(("lab/push-v0", "pybullet", seed) for seed in (5, 6)),
    ]
    assert [(e.task, e.backend, e.seed) for e in asked] == wanted
    assert [strip.label for strip in found.media][-1] == "pybullet, expert, seed 6, episode 0"
    first = found.media[0]
    assert isinstance(first, Filmstrip)
    with Image.open(io.BytesIO(first.image)) as image:
        image.load()
        assert image.size == (7 * 32, 32)
        columns = np.asarray(image)[16, 16::32, 0]
    assert columns == pytest.approx([0, 20, 60, 80, 100, 140, 160], abs=6)  # 7 of 9 frames, from first to last
    assert found.notes == ()


def outcomes(make: Any, label: str, solved: int, task: str = "lab/a-v0", **fields: Any) -> list[EpisodeResult]:
    """Four episodes of a condition, the first so many solved, each condition with returns of its own."""
    failed = {"success_any": False, "success_last": False, "first_success_step": None}
    place = {"level": label} if label == "control" or label.startswith("L") else {"factor": label}
    worth = float(sum(map(ord, label)))
    rows = [{"task": task, "episode": k, "episode_return": worth, **place, **fields} for k in range(4)]
    return [make(**row, **({} if k < solved else failed)) for k, row in enumerate(rows)]


def test_of_many_conditions_the_worst_are_filmed(make):
    rows = [e for label, n in (("control", 4), ("L0", 1), ("mass", 2), ("gains", 0)) for e in outcomes(make, label, n)]
    alike = [dataclasses.replace(e, level="L1") for e in rows if e.level == "L0"]
    looks = [dataclasses.replace(e, level="", factor="light") for e in rows if e.level == "control"]
    found, left_out = unsolved(Results(protocol="p", config={}, episodes=(*rows, *alike, *looks)), 2)
    assert [(e.condition.label, e.episode) for e in found] == [("L1", 1), ("L1", 2), ("gains", 0), ("gains", 1)]
    assert left_out == 1  # mass
    tasks = [f"lab/t{k:03}-v0" for k in range(MOST_STRIPS)]
    many = [e for k, task in enumerate(tasks) for e in outcomes(make, "mass", k % 3, task)]
    found, left_out = unsolved(Results(protocol="p", config={}, episodes=tuple(many)), 2)
    assert len(found) == MOST_STRIPS and left_out == MOST_STRIPS // 2
    shown = {e.task for e in found}
    assert shown >= set(tasks[::3]) and not shown & set(tasks[2::3])  # the worst ones


def test_videos_show_the_control_and_the_highest_level(make):
    labels = ("control", "L0", "L1", "mass")
    rows = [e for label in labels for engine in ("a", "b") for e in outcomes(make, label, 1, backend=engine)]
    both = Results(protocol="p", config={}, episodes=tuple(rows))
    assert [
        (name, [(e.backend, e.condition.label, e.episode) for e in row]) for name, row in shown_together(both, 1)
    ] == [(label, [("a", label, 0), ("b", label, 0)]) for label in ("control", "L1")]
    alone = shown_together(both.only(backend="a"), 2)
    assert [(name, [(e.condition.label, e.episode) for e in row]) for name, row in alone] == [
        ("", [("control", k), ("L1", k)]) for k in (0, 1)
    ]


def test_frames_are_counted_or_follow_the_clock(make):
    e = make(length=120, first_success_step=40)
    assert Shots(size=(8, 8), frames=7).of(e)(0.04) == [0, 20, 40, 60, 80, 100, 120]
    clocked = Shots(size=(8, 8), fps=10.0, tail_s=0.4)
    assert clocked.of(e)(0.02) == [*range(0, 60, 5), 60] and clocked.rate(e, 0.02) == pytest.approx(10.0)
    assert Shots(size=(8, 8), frames=1).of(e)(0.04) == [0]


def test_what_does_not_end_as_it_did_is_not_shown(results):
    found = filmstrips(results, 1, run=lambda e: played(e, success_any=e.backend == "pybullet"))
    assert {strip.label.partition(",")[0] for strip in found.media} == {"mujoco"}
    assert len(found.notes) == 2
    assert "lab/open-v0, pybullet, expert, seed 0, episode 0" in found.notes[0] and "instead of 100" in found.notes[0]


def test_what_cannot_be_run_is_said(results, make):
    def refuse(e):
        raise InvalidConfig("no such policy")

    assert filmstrips(results, 1, run=refuse).notes[0] == "Not drawn: lab/open-v0 in mujoco: no such policy."
    failed = make(factor="mass", value=2.0, success_any=False, success_last=False, first_success_step=None)
    varied = dataclasses.replace(results, episodes=(failed,))
    found = filmstrips(varied, 1)
    assert found.media == () and "episodes with condition mass = 2 can only be drawn by the protocol" in found.notes[0]
    goals = dataclasses.replace(results, config={"goals": "MT10"})
    assert "a protocol's goals" in filmstrips(goals, 1).notes[0]
    assert callable(rerun(results, Shots(size=(8, 8), fps=4.0)))


def test_videos_are_of_the_same_start_in_every_engine_side_by_side(results):
    pytest.importorskip("imageio_ffmpeg")
    found = side_by_side(results, 1, run=played)
    assert [(v.task, v.group, v.label) for v in found.media if isinstance(v, Video)] == [
        (task, "seed 0, episode 0", f"{backend} · expert")
        for task in ("lab/open-v0", "lab/push-v0", "lab/reach-v0")
        for backend in ("mujoco", "pybullet")
    ]
    assert [v.caption for v in found.media][1:3] == ["not solved", "solved after 12 steps"]
    page = Page(render(results, media=found.media))
    assert len(page.all("video")) == 6 and page.words().count("seed 0, episode 0 mujoco · expert") == 3


def test_a_browser_shows_the_page(results, tmp_path: Path):
    """The script is allowed by its digest, nothing is refused or asked for, and there is something to see."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is on the path")
    page, picture = tmp_path / "page.html", tmp_path / "page.png"
    page.write_bytes(render(results, {"lab/push-v0": {"mujoco": png(64, 64)}}, media=MEDIA[:2]))
    words = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    words += ["--enable-logging=stderr", "--window-size=1000,2400"]
    ran = subprocess.run([*words, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    assert '<html lang="en" class="js">' in ran.stdout
    assert "CONSOLE" not in ran.stderr
    subprocess.run([*words, f"--screenshot={picture}", page.as_uri()], capture_output=True, timeout=120, check=True)
    with Image.open(picture) as shown:
        pixels = np.asarray(shown.convert("RGB"))
    assert pixels.shape == (2400, 1000, 3)
    assert pixels[5, 500].tolist() == [15, 27, 45]  # the head of the page
    colours = {tuple(colour) for colour in pixels[::3, ::3].reshape(-1, 3).tolist()}
    assert {(37, 99, 201), (217, 114, 11)} <= colours  # both engines' bars
    assert (23, 86, 159) in colours  # a cell of the heat map at 100 %
