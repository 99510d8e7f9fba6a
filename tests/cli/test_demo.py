"""The demo leaves everything it promises, and finds it there the next time."""

import json
import re
from pathlib import Path

import pytest

from metasim.benchmarks import load
from metasim.cli import showcase
from metasim.cli.demo import usable
from metasim.core.backend import BACKENDS
from metasim.core.errors import MissingDependency
from metasim.datasets import inspect

WORDS = (
    "demo",
    "metaworld/reach-v3",
    "--backend",
    "mujoco",
    "--episodes",
    1,
    "--horizon",
    60,
    "--workers",
    1,
    "--out",
    "out",
)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showcase, "STILL_PX", (32, 32))
    monkeypatch.setattr(showcase, "FILM_PX", (32, 32))
    monkeypatch.setattr(showcase, "FILM_FPS", 2.0)
    monkeypatch.setattr(showcase, "TAIL", 0)


def contents() -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in sorted(Path("out").rglob("*")) if file.is_file()}


def test_the_demo(run) -> None:
    ran = run(*WORDS)
    assert ran.code == 0
    assert ran.out.endswith("out/report.html\n")
    assert re.findall(r"\[(\d)/(\d)\]", ran.err) == [(str(i), "5") for i in range(1, 6)]
    first = contents()
    page = first["out/report.html"].decode()
    assert page.count("data:image/png") == 1 and page.count("data:video/mp4") == 1
    assert "1 of 1 episodes replayed bit by bit" in page and "metasim demo metaworld/reach-v3" in page
    assert inspect("out/demos.h5").episodes == 1
    results = load("out/results.json")
    assert [e.seed for e in results.episodes] == [1000, 1000] and all(e.success_any for e in results.episodes)
    assert json.loads(first["out/verified.json"])["ok"] is True

    again = run(*WORDS)
    assert again.code == 0
    assert contents() == first


def test_without_the_video_extra_there_is_a_report_that_says_so(run, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> bytes:
        raise MissingDependency("MP4 videos need the extra 'video'")

    monkeypatch.setattr(showcase, "film", missing)
    ran = run(*WORDS)
    page = Path("out/report.html").read_text()
    assert ran.code == 0
    assert "There is no video" in page and "data:video" not in page


def test_other_settings_in_the_same_folder_are_refused(run) -> None:
    Path("out").mkdir()
    assert run("collect", "metaworld/push-v3", "--episodes", 1, "--out", "out/demos_mujoco.h5").code == 0
    ran = run(*WORDS)
    assert ran.code == 2 and "demos_mujoco.h5" in ran.err


def test_an_engine_that_is_not_there_is_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKENDS._items, "pybullet", "no_such_package.engine:Engine")
    engines, notes = usable(())
    assert engines == ("mujoco",)
    assert len(notes) == 1 and "pybullet does not run" in notes[0] and "no_such_package" in notes[0]
    with pytest.raises(MissingDependency, match="no_such_package"):
        usable(("pybullet",))
