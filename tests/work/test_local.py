"""The local pool: order, events, errors, deaths. Real processes, started by a script of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasim.core.errors import EngineFailure, InvalidConfig, UnknownName
from metasim.work import run_shards, shards

SCRIPT = Path(__file__).with_name("pool_script.py")


def start(what: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), what, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"},
    )


def said(what: str, folder: Path) -> dict[str, Any]:
    out, err = start(what, folder).communicate(timeout=60)
    assert out, err
    return json.loads(out)


def wait_for(condition: Callable[[], object], seconds: float = 30.0) -> bool:
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)
    return True


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@given(st.lists(st.integers()), st.integers(1, 9))
def test_item_i_is_in_shard_i_modulo_n(items: list[int], n: int) -> None:
    dealt = shards(items, n)
    assert len(dealt) == n
    assert [dealt[i % n][i // n] for i in range(len(items))] == items
    assert sum(map(len, dealt)) == len(items)


@pytest.mark.parametrize("n", [0, -1])
def test_no_shards_and_no_workers_are_refused(n: int) -> None:
    with pytest.raises(InvalidConfig, match=str(n)):
        shards([1], n)
    with pytest.raises(InvalidConfig, match=str(n)):
        run_shards(lambda shard, emit: None, [1], n)


def test_one_worker_runs_in_this_process() -> None:
    events: list[int] = []

    def work(shard: int, emit: Callable[[int], None]) -> tuple[int, int]:
        emit(shard)
        return shard * shard, os.getpid()

    assert run_shards(work, [3, 1, 2], 1, events.append) == [(n * n, os.getpid()) for n in (3, 1, 2)]
    assert events == [3, 1, 2]
    assert run_shards(work, [], 4) == []


def test_the_others_are_not_held_up_by_this_process(tmp_path: Path) -> None:
    """They say more than a pipe holds while it says nothing."""
    heard = said("chatter", tmp_path)
    quiet, chatty = heard["results"][0], heard["results"][1:]
    assert quiet["slept_s"] > 1.0 and len(heard["events"]) == 2 * 400
    assert all(one["slept_s"] < 1.0 for one in chatty)


def test_what_fails_in_the_caller_ends_everything_at_once(tmp_path: Path) -> None:
    heard = said("deaf", tmp_path)
    assert (heard["error"], heard["text"]) == ("ValueError", "no more of this") and heard["notes"] == []
    assert len(heard["events"]) == 1


def test_a_shard_that_would_end_the_process_is_an_error() -> None:
    def leave(shard: int, emit: Any) -> int:
        if shard == 1:
            sys.exit(3)
        return shard

    with pytest.raises(EngineFailure, match=r"ended itself with SystemExit\(3\)"):
        run_shards(leave, [0, 1, 2])


def test_one_worker_finishes_the_other_shards_before_it_raises() -> None:
    done: list[int] = []

    def work(shard: int, emit: Any) -> None:
        if shard == 0:
            raise EngineFailure("broken")
        done.append(shard)

    with pytest.raises(EngineFailure, match="broken") as error:
        run_shards(work, [0, 1, 2])
    assert done == [1, 2]
    assert error.value.__notes__ == ["in shard 0 of 3"]


def test_results_come_in_the_order_of_the_shards_and_workers_have_one_thread(tmp_path: Path) -> None:
    heard = said("report", tmp_path)
    assert [r["shard"] for r in heard["results"]] == [0, 1, 2]
    assert {r["threads"] for r in heard["results"]} == {"1"}
    first, second, _ = (r["pid"] for r in heard["results"])
    assert first == heard["pid"] != second  # and the last one is whoever's turn it was
    assert sorted(map(tuple, heard["events"])) == [(w, i) for w in ("began", "ended") for i in range(3)]
    assert heard["threads"] is None  # the parent's own environment is as it was


def test_an_error_keeps_its_type_and_names_the_shard_and_the_others_finish(tmp_path: Path) -> None:
    heard = said("fail", tmp_path)
    assert heard["error"] == UnknownName.__name__
    assert "wheel" in heard["text"]
    assert any("in shard 1 of 3" in note for note in heard["notes"])
    assert any("pool_script.py" in note for note in heard["notes"])  # where it happened
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0.done", "2.done"]


def test_a_killed_worker_is_named_and_the_others_finish(tmp_path: Path) -> None:
    heard = said("die", tmp_path)
    assert heard["error"] == EngineFailure.__name__
    assert "shard 1 of 3" in heard["text"]
    assert "SIGKILL" in heard["text"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0.done", "2.done"]


@pytest.mark.parametrize(("what", "words"), [("fail_oddly", "the very words"), ("answer_oddly", "lambda")])
def test_what_cannot_be_pickled_is_quoted(what: str, words: str, tmp_path: Path) -> None:
    heard = said(what, tmp_path)
    assert words in heard["text"] + "".join(heard["notes"])


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_parent(kill: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C reaches the whole process group, a kill only the parent."""
    parent = start("hang", tmp_path)
    assert wait_for(lambda: len(list(tmp_path.iterdir())) == 2)
    workers = [int(p.stem) for p in tmp_path.iterdir()]
    if kill == signal.SIGINT:
        os.killpg(parent.pid, kill)
    else:
        parent.kill()
    _, err = parent.communicate(timeout=60)
    assert wait_for(lambda: not any(map(alive, workers)), 10)
    assert err.count("Traceback") <= 1  # the parent's own KeyboardInterrupt, nothing from workers
    assert parent.returncode != 0
