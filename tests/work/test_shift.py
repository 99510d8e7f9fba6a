"""A Ray worker's side, driven by hand: what it yields, and when its shard goes on."""

import os
import pickle
import platform
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from metasim.core.errors import EngineFailure
from metasim.work import Emit, shift
from metasim.work.shift import Circumstances, serve

HERE = Circumstances(host=platform.node(), cwd=os.getcwd(), main={}, versions=shift.versions(), source="0f82")
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


def test_the_source_has_a_digest_of_what_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it lies, and however deep."""
    monkeypatch.undo()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(shift, "_SOURCES", ("a_source",))
    folder = tmp_path / "a_source" / "inner"
    folder.mkdir(parents=True)
    (folder / "module.py").write_text("x = 1\n")
    first = shift.source()
    (folder / "module.py").rename(tmp_path / "a_source" / "other.py")
    assert shift.source() == first
    (tmp_path / "a_source" / "other.py").write_text("x = 2\n")
    assert shift.source() != first
