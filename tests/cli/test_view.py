"""The verb ``view``: a task, a dataset, and what cannot be viewed."""

import importlib.util
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from metasim.cli.view import DatasetRecordings
from metasim.datasets import CollectConfig, Dataset, collect
from metasim.view.live import Playback

TASK = "metaworld/reach-v3"
BRIEF = ("--port", "0", "--duration", "0.3")
with_viser = pytest.mark.skipif(importlib.util.find_spec("viser") is None, reason="viser (extra `view`) is not here")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two short episodes."""
    out = tmp_path_factory.mktemp("view") / "reach.hdf5"
    return collect(CollectConfig(tasks=(TASK,), out=out, episodes=2, tail=2))


@with_viser
def test_a_task_is_served_and_its_address_is_all_that_is_said(run: Any) -> None:
    ran = run("view", TASK, *BRIEF, "--no-open", "--num-envs", 2, "--backend", "pybullet", "--policy", "random")
    assert ran.code == 0 and ran.err == ""
    assert ran.out.startswith("http://localhost:") and len(ran.out.splitlines()) == 1


@with_viser
def test_a_task_of_ones_own_is_served(run: Any, my_task: tuple[str, ...]) -> None:
    ran = run("view", *my_task, *BRIEF, "--no-open", "--paused")
    assert ran.code == 0 and ran.out.startswith("http://")


@with_viser
def test_a_dataset_is_served(run: Any, dataset: Path) -> None:
    ran = run("view", dataset, *BRIEF, "--no-open", "--episode", 1)
    assert ran.code == 0 and ran.out.startswith("http://") and ran.err == ""


@with_viser
def test_without_a_screen_the_address_is_given_and_it_goes_on(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    ran = run("view", TASK, *BRIEF)
    assert ran.code == 0 and "no browser to open here" in ran.err and ran.out.strip() in ran.err


def test_what_is_shown_of_a_dataset_is_what_it_holds(dataset: Path) -> None:
    with Dataset(dataset) as data:
        shown = Playback(DatasetRecordings(data), 1)
        try:
            demo = data.episode(1)
            assert list(shown.curves()[0]) == demo.array("rewards").tolist()
            assert shown.labels[1].startswith(f"1: {len(demo)} steps, solved")
            shown.seek(shown.last)
            assert shown.at == len(demo) and shown.status().success
        finally:
            shown.close()


def test_a_port_in_use(run: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = run("view", TASK, "--port", port, "--no-open")
    assert ran.code == 2 and f"--port {port + 1}" in ran.err and ran.out == ""


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("metaworld/raech-v3",), "did you mean ['metaworld/reach-v3'"),
        (("nothing.hdf5",), "nothing.hdf5"),
        (("notes.txt",), "notes.txt"),
        ((TASK, "--backend", "havok"), "no backend named 'havok'"),
        ((TASK, "--policy", "best"), "no policy named 'best'"),
        ((TASK, "--num-envs", "0"), "at least 1"),
        ((TASK, "--camera", "sky"), "no camera named 'sky'"),
        ((TASK, "--speed", "0"), "speed must be a positive number"),
        ((TASK, "--port", "70000"), "from 0 (any free one) to 65535"),
    ],
)
def test_what_cannot_be_viewed_is_said_in_one_line(run: Any, words: tuple[str, ...], sentence: str) -> None:
    Path("notes.txt").write_text("these are notes")
    ran = run("view", *words, "--no-open")
    assert ran.code == 2 and sentence in ran.err and len(ran.err.splitlines()) == 1 and ran.out == ""


def test_a_dataset_takes_no_engine_and_has_so_many_episodes(run: Any, dataset: Path) -> None:
    ran = run("view", dataset, "--backend", "pybullet", "--num-envs", 2)
    assert ran.code == 2 and "takes no --backend, --num-envs" in ran.err
    assert "episodes 0 to 1, no episode 7" in run("view", dataset, "--episode", 7).err


def test_without_viser_the_extra_is_named(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "viser", None)
    ran = run("view", TASK, "--no-open")
    assert ran.code == 2 and 'pip install "metasim-robotics[view]"' in ran.err
