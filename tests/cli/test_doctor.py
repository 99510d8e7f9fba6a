"""The doctor: healthy here, and with each thing missing it says what to install."""

import json
import sys

import pytest

from metasim.cli import findings
from metasim.core.task import TASKS


@pytest.mark.parametrize(
    ("version", "wanted", "good"),
    [
        ("4.0.0", ">=4.0,<5", True),
        ("3.9.9", ">=4.0,<5", False),
        ("5.0", ">=4.0,<5", False),
        ("4.10.1", ">=4.9", True),
        ("4", ">=4.0.0", True),
        ("2.0.0rc1", ">=2.0,<3", True),
        ("1.2", "", True),
        ("1.2", ">1.2", False),
        ("1.2", "<=1.2", True),
    ],
)
def test_a_version_lies_in_a_range(version: str, wanted: str, good: bool) -> None:
    assert findings.within(version, wanted) is good


def test_attempts_are_made_in_another_process() -> None:
    assert findings.attempt("print('a'); print('b')") == ("b", "")
    assert findings.attempt("raise ImportError('no such thing')") == ("", "ImportError: no such thing")
    assert findings.attempt("import os; os.abort()")[1].startswith("ended with -")


def test_a_package_out_of_range_says_which_to_install() -> None:
    assert findings.package("numpy", ">=1.0").state == "ok"
    old = findings.package("numpy", ">=99")
    assert (old.state, old.fix) == ("missing", 'pip install "numpy>=99"')
    assert findings.package("no-such-package", ">=1").detail == "not installed"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Engines are not tried: what each piece of code ends with, empty for success."""
    outcomes = {findings.TRY_MUJOCO: "", findings.TRY_PYBULLET: "", findings.TRY_OPENGL: ""}
    monkeypatch.setattr(findings, "attempt", lambda code: ("fine", outcomes[code]))
    return outcomes


def test_a_healthy_machine(run, quick) -> None:
    ran, read = run("doctor"), run("doctor", "--json")
    assert (ran.code, read.code) == (0, 0)
    tree = json.loads(read.out)
    assert tree["ok"] is True
    assert {"python", "mujoco", "pybullet runs", "OpenGL", "ffmpeg", "tasks"} <= {f["name"] for f in tree["findings"]}


def test_a_missing_engine_is_a_negative_verdict(run, quick) -> None:
    quick[findings.TRY_PYBULLET] = "ModuleNotFoundError: No module named 'pybullet'"
    ran = run("doctor")
    assert ran.code == 1
    assert "MISSING" in ran.out and "pybullet" in ran.err


def test_missing_opengl_is_none_and_the_doctor_says_what_draws_instead(run, quick) -> None:
    quick[findings.TRY_OPENGL] = "no EGL"
    ran = run("doctor")
    assert ran.code == 0
    assert "software renderer" in ran.out and "libegl1" in ran.err


def test_a_missing_video_extra_is_none_either(run, quick, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    ran = run("doctor")
    assert ran.code == 0 and 'pip install "metasim-robotics[video]"' in ran.err


def test_a_plug_in_that_failed_is_named(run, quick, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS.failures, "their-tasks", "ImportError: no")
    ran = run("doctor")
    assert ran.code == 0 and "their-tasks" in ran.out


@pytest.mark.parametrize(("compiler", "words"), [("/usr/bin/g++", "builds it"), (None, "build-essential")])
def test_where_pybullet_has_no_wheel_it_is_built(
    monkeypatch: pytest.MonkeyPatch, compiler: str | None, words: str
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    monkeypatch.setattr(findings.shutil, "which", lambda _: compiler)
    assert words in findings.how_to_get_pybullet()
    assert findings.python().state == "ok" and "built" in findings.python().detail
