"""The report page: well-formed, self-contained, escaped, and showing what was measured."""

import base64
import dataclasses
import hashlib
import io
import re
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from metasim.benchmarks.report import InvalidMedia, render, write_report
from metasim.benchmarks.results import Results

VOID = {"meta", "link", "img", "br", "hr", "input", "source"}
LOADING = {
    "src",
    "href",
    "srcset",
    "data",
    "poster",
    "action",
    "formaction",
    "xlink:href",
    "ping",
    "background",
}


class Page(HTMLParser):
    """Reads a page, checks that tags are balanced, and keeps what it saw."""

    def __init__(self, page: bytes):
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.styles: list[str] = []
        self.scripts: list[str] = []
        self.feed(page.decode("utf-8"))
        self.close()
        assert self.open == [], f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"an attribute occurs twice in <{tag}>"
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]} at {self.getpos()}"
        self.open.pop()

    def handle_data(self, data):
        {"style": self.styles, "script": self.scripts}.get(self.open[-1] if self.open else "", self.text).append(data)

    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attrs for name, attrs in self.tags if name == tag]


def assert_self_contained(page: Page) -> None:
    for tag, attrs in page.tags:
        assert tag not in {"iframe", "object", "embed", "base", "form"}
        assert tag != "script" or not attrs
        for name, value in attrs.items():
            assert not name.startswith("on"), f"script in {name} of <{tag}>"
            if name in LOADING:
                assert value.startswith(("data:", "#")), f"<{tag} {name}={value[:60]!r}> loads something"
            assert "url(" not in value
    for style in page.styles:
        assert not re.search(r"url\(|@import|https?:|expression\(", style)
    (policy,) = [a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    (script,) = page.scripts
    assert not re.search(r"https?:|fetch|import|XMLHttp|eval|innerHTML", script)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy


def png(width: int = 12, height: int = 8) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def payload(uri: str, kind: str) -> bytes:
    head, body = uri.split(",", 1)
    assert head == f"data:{kind};base64"
    return base64.b64decode(body, validate=True)


def test_the_page_is_balanced_and_loads_nothing(results, tmp_path):
    path = write_report(
        results,
        tmp_path / "out" / "report.html",
        {"lab/push-v0": {"mujoco": png(), "pybullet": png()}},
        notes=["Pictures come from a software renderer."],
        instructions={"lab/push-v0": "Push the puck to the goal."},
        command="metasim eval lab",
    )
    page = Page(path.read_bytes())
    assert_self_contained(page)
    words = page.words()
    for sentence in (
        "Pictures come from a software renderer.",
        "“Push the puck to the goal.”",
        "metasim eval lab",
    ):
        assert sentence in words
    assert "4.0.0" in words and "lab-v1" in words and "world 0 diverged" in words


def test_figures_on_the_page_are_those_of_the_results(results):
    page = Page(render(results))
    words = page.words()
    # pybullet at push: 5 of 10 at any step, 3 of 10 at the last; Wilson by the closed formula
    assert "any 50 % [23.7, 76.3] last 30 % [10.8, 60.3]" in words
    assert "1 episode broken off by the engine" in words
    assert "25 of 30 episodes (83.3 %) end alike" in words
    assert len([row for row in page.all("td") if row.get("class", "") == "error"]) == len(results.episodes)
    widths = {rect["width"] for rect in page.all("rect") if "fill" in rect.get("class", "")}
    assert {"50%", "30%", "100%", "0%"} <= widths
    squares = [rect for rect in page.all("rect") if rect.get("class") in {"all", "some", "never", "broken"}]
    assert len(squares) == len(results.episodes)
    assert sum(rect["class"] == "broken" for rect in squares) == 1


def test_tasks_stand_in_the_order_of_the_configuration(results):
    headings = re.findall(r'id="task-\d+">\s*<div><h3>(.*?)</h3>', render(results).decode())
    assert headings == ["reach-v0", "push-v0", "open-v0"]


def test_every_embedded_picture_decodes(results):
    pictures = {
        "lab/push-v0": {"mujoco": png(12, 8), "pybullet": png(20, 10)},
        "All tasks": {"montage": png(30, 5)},
    }
    page = Page(render(results, pictures))
    sizes = []
    for image in page.all("img"):
        decoded = Image.open(io.BytesIO(payload(image["src"], "image/png")))
        decoded.load()
        assert (image["width"], image["height"]) == (str(decoded.width), str(decoded.height))
        assert image["alt"]
        sizes.append(decoded.size)
    assert sorted(sizes) == [(12, 8), (20, 10), (30, 5)]
    assert "All tasks" in page.words()


def test_an_embedded_video_decodes(results, tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    raw = [ffmpeg, "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "32x32", "-r", "5", "-i", "-"]
    source = tmp_path / "source.mp4"
    frames = np.repeat(np.arange(0, 250, 50, dtype=np.uint8), 32 * 32 * 3).tobytes()
    subprocess.run([*raw, "-pix_fmt", "yuv420p", str(source)], input=frames, check=True)
    page = Page(render(results, videos={"lab/reach-v0": {"mujoco": source.read_bytes()}}))
    assert_self_contained(page)
    (video,) = page.all("video")
    assert {"controls", "muted", "loop", "playsinline"} <= set(video)
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(payload(video["src"], "video/mp4"))
    decode = [ffmpeg, "-v", "error", "-i", str(copy), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    decoded = np.frombuffer(subprocess.run(decode, capture_output=True, check=True).stdout, np.uint8)
    levels = decoded.reshape(5, 32, 32, 3).mean(axis=(1, 2, 3))
    assert levels == pytest.approx([0, 50, 100, 150, 200], abs=4)  # what H.264 makes of a flat grey


HOSTILE = (
    "</td></script></style><script>alert(1)</script><img src=x onerror=alert(1)>"
    """"' &amp; {{ 1234*4321 }} {% raw %} --> ]]>"""
)


def test_hostile_strings_are_shown_and_not_obeyed(make):
    lost = {"success_any": False, "success_last": False, "first_success_step": None, "error": HOSTILE}
    rows = (
        make(task=HOSTILE, backend=HOSTILE, policy=HOSTILE),
        make(task=HOSTILE, backend="b" + HOSTILE, policy=HOSTILE, **lost),
        make(task="third", backend="c", policy="other"),
    )
    config = {"versions": {HOSTILE: HOSTILE}, HOSTILE: [HOSTILE], "tasks": [{"odd": 1}, 3]}
    results = Results(protocol=HOSTILE, config=config, episodes=rows)
    media = {HOSTILE: {HOSTILE: png()}, "x" + HOSTILE: {HOSTILE: png()}}
    video = {HOSTILE: {HOSTILE: b"\0\0\0\x18ftypisom"}}
    page = Page(render(results, media, video, [HOSTILE], {HOSTILE: HOSTILE}, HOSTILE, HOSTILE))
    assert_self_contained(page)
    assert page.words().count(" ".join(HOSTILE.split())) >= 12
    assert len(page.all("img")) == 2
    assert str(1234 * 4321) not in page.words()


def test_a_lone_surrogate_does_not_stop_the_page(make):
    results = Results(protocol="p\ud800", config={"a": "\udfff"}, episodes=(make(),))
    assert b"<h1>p?</h1>" in render(results)


@pytest.mark.parametrize(
    ("pictures", "videos", "message"),
    [
        (
            {"lab/push-v0": {"mujoco": b"\xff\xd8\xff"}},
            {},
            "picture 'mujoco' of 'lab/push-v0': expected .* PNG",
        ),
        ({"lab/push-v0": {"mujoco": b""}}, {}, "expected the bytes of a PNG"),
        ({}, {"lab/push-v0": {"mujoco": b"GIF89a....."}}, "video 'mujoco' of 'lab/push-v0': expected .* MP4"),
    ],
)
def test_media_of_another_kind_are_refused(results, tmp_path, pictures, videos, message):
    with pytest.raises(InvalidMedia, match=message):
        write_report(results, tmp_path / "report.html", pictures, videos)
    assert list(tmp_path.iterdir()) == []


def test_equal_input_gives_equal_bytes(results):
    pictures = {"lab/push-v0": {"mujoco": png(), "pybullet": png()}}
    backwards = {"lab/push-v0": dict(reversed(pictures["lab/push-v0"].items()))}
    config = dict(reversed(results.config.items()))
    assert render(results, pictures) == render(dataclasses.replace(results, config=config), backwards)


@pytest.mark.parametrize("keep", ["nothing", "one task, one engine", "uneven", "two policies"])
def test_results_of_other_shapes_make_a_page(results, make, keep):
    rows = {
        "nothing": (),
        "one task, one engine": tuple(e for e in results.episodes if (e.task, e.backend) == ("lab/reach-v0", "mujoco")),
        "uneven": tuple(e for e in results.episodes if e.backend == "mujoco" or e.task == "lab/push-v0"),
        "two policies": (*results.episodes, *(make(policy="random", seed=i) for i in range(250))),
    }[keep]
    page = Page(render(Results(protocol="p", config={}, episodes=rows)))
    assert_self_contained(page)
    assert ("not run" in page.words()) == (keep in ("uneven", "two policies"))
