"""A Ray worker's side, driven by hand: what it yields, and when its shard goes on."""

import os
import pickle
import platform
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from metasim.core.errors import EngineFailure
from metasim.work import Emit, shift
from metasim.work.shift import Circumstances, serve

HERE = Circumstances(host=platform.node(), cwd=os.getcwd(), main={}, versions=shift.versions(), source="0f82")
ROOT = Path(__file__).resolve().parents[2]
told: list[int] = []


@pytest.fixture(autouse=True)
def _the_source_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shift, "source", lambda: "0f82")


def count(shard: int, emit: Emit) -> int:
    told.clear()
    for i in range(shard):
        emit(i)
        told.append(i)
    return shard * shard


def leave(shard: int, emit: Emit) -> None:
    sys.exit(shard)


def messages(function: Any, shard: int, circumstances: Circumstances = HERE) -> Iterator[tuple[str, Any]]:
    return map(pickle.loads, serve(pickle.dumps((function, shard)), circumstances))


def test_a_shard_waits_until_its_event_was_taken() -> None:
    heard = messages(count, 3)
    assert next(heard) == ("began", f"process {os.getpid()} on {platform.node()}")
    assert next(heard) == ("event", 0)
    time.sleep(0.2)
    assert told == []
    assert [*heard] == [("event", 1), ("event", 2), ("result", 9)]
    assert told == [0, 1, 2]


def test_a_shard_that_would_end_its_process_is_an_error() -> None:
    (_, (kind, (error, _))) = messages(leave, 3)
    assert (kind, type(error), str(error)) == ("error", EngineFailure, "the worker ended itself with SystemExit(3)")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"versions": {**HERE.versions, "mujoco": "1.0"}}, f"mujoco {HERE.versions['mujoco']} instead of 1.0"),
        ({"versions": {**HERE.versions, "h6py": "1.0"}}, "h6py missing instead of 1.0"),
        ({"host": "elsewhere", "source": "16b1"}, "another source of metasim .* than elsewhere"),
    ],
)
def test_a_machine_with_other_packages_is_refused(changes: dict[str, Any], words: str) -> None:
    (_, (kind, (error, _))) = messages(count, 1, replace(HERE, **changes))
    assert kind == "error"
    with pytest.raises(EngineFailure, match=f"{platform.node()} has {words}.*on every machine"):
        raise error


def test_the_same_packages_elsewhere_will_do() -> None:
    assert [*messages(count, 0, replace(HERE, host="elsewhere", cwd="/nowhere"))][-1] == ("result", 0)


def test_no_thread_is_left() -> None:
    assert len([*messages(count, 1)]) == 3
    assert not [thread for thread in threading.enumerate() if thread.name == "metasim-shard" and thread.is_alive()]


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of its own, with one inside that may as well lie elsewhere."""
    monkeypatch.undo()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(shift, "_SOURCES", ("a_source", "a_source.inner"))
    folder = tmp_path / "a_source"
    for name, text in {
        "module.py": "x = 1\n",
        "inner/a.xml": "<a/>",
        "inner/deep/b.obj": "v 0 0 0",
        "look.css": "a",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("name", ["module.py", "inner/a.xml", "inner/deep/b.obj", "inner/new.json"])
def test_the_source_has_a_digest_of_what_results_depend_on(sources: Path, name: str) -> None:
    """Code, scenes and meshes, however deep; one byte is enough."""
    first = shift.source()
    with (sources / name).open("a") as file:
        file.write(" ")
    assert shift.source() != first


def test_files_that_change_places_are_others(sources: Path) -> None:
    first = shift.source()
    (sources / "inner" / "b.xml").write_text("<b/>")
    second = shift.source()
    for old, new in (("a", "c"), ("b", "a"), ("c", "b")):
        (sources / "inner" / f"{old}.xml").rename(sources / "inner" / f"{new}.xml")
    assert len({first, second, shift.source()}) == 3


def test_what_decides_nothing_is_not_in_the_digest(sources: Path) -> None:
    first = shift.source()
    (sources / "look.css").write_text("b")
    (sources / "inner" / "module.cpython-311.pyc").write_bytes(b"compiled")
    (sources / "inner" / "folder.json").mkdir()
    (sources / "gone.py").symlink_to(sources / "nowhere.py")
    assert shift.source() == first


def test_the_digest_does_not_say_where_a_package_lies(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout has in folders of their own what an installation has in one."""
    first = shift.source()
    outside = sources.parent / "elsewhere" / "folder"
    outside.parent.mkdir()
    (sources / "inner").rename(outside)
    homes = {"a_source": sources, "a_source.inner": outside}
    spec = lambda name: SimpleNamespace(submodule_search_locations=[str(homes[name])])  # noqa: E731
    monkeypatch.setattr(shift.importlib.util, "find_spec", spec)
    assert shift.source() == first


def test_every_kind_of_file_that_is_shipped_decides_or_only_looks() -> None:
    """A new kind has to be put with one or the other."""
    shipped = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["*"]
    looks = {".typed", ".jinja", ".css", ".js", ".html"}
    assert {Path(pattern).suffix for pattern in shipped} <= shift._DECIDING | looks
