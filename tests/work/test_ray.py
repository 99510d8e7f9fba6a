"""Shards on Ray: what the local pool promises, on two nodes, and ends that are told."""

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from metasim.core.errors import EngineFailure, InvalidConfig, MissingDependency, UnknownName
from metasim.work import Local, Ray, executor, reaching

SCRIPT = Path(__file__).with_name("pool_script.py")
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray comes with the extra ray")


def start(what: str, folder: Path, address: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), what, str(folder), address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"},
    )


def said(what: str, folder: Path, address: str) -> dict[str, Any]:
    """What the script says in its last line; Ray may have said something before."""
    out, err = start(what, folder, address).communicate(timeout=120)
    assert out, err
    return json.loads(out.splitlines()[-1])


def wait_for(condition: Callable[[], object], seconds: float) -> bool:
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.05)
    return True


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_two_nodes_work_at_a_time(ray_nodes: Any, tmp_path: Path) -> None:
    heard = said("meet", tmp_path, ray_nodes.address)
    assert len(heard["results"]) == 3
    assert len(set(heard["results"])) == 2


@pytest.mark.slow
def test_results_come_in_the_order_of_the_shards_and_workers_have_one_thread(ray_nodes: Any, tmp_path: Path) -> None:
    heard = said("report", tmp_path, ray_nodes.address)
    assert [r["shard"] for r in heard["results"]] == [0, 1, 2]
    assert {r["threads"] for r in heard["results"]} == {"1"}
    assert heard["pid"] not in {r["pid"] for r in heard["results"]}
    assert sorted(map(tuple, heard["events"])) == [(w, i) for w in ("began", "ended") for i in range(3)]
    assert heard["threads"] is None  # the caller's own environment is as it was


@pytest.mark.slow
def test_an_error_keeps_its_type_and_names_the_shard_and_the_others_finish(ray_nodes: Any, tmp_path: Path) -> None:
    heard = said("fail", tmp_path, ray_nodes.address)
    assert heard["error"] == UnknownName.__name__
    assert "wheel" in heard["text"]
    assert heard["notes"][-1] == "in shard 1 of 3"
    assert "pool_script.py" in heard["notes"][0]  # where it happened
    assert names(tmp_path) == ["0.done", "2.done"]


@pytest.mark.slow
@pytest.mark.parametrize(("what", "words"), [("fail_oddly", "the very words"), ("answer_oddly", "lambda")])
def test_what_cannot_be_pickled_is_quoted(what: str, words: str, ray_nodes: Any, tmp_path: Path) -> None:
    heard = said(what, tmp_path, ray_nodes.address)
    assert words in heard["text"] + "".join(heard["notes"])


@pytest.mark.slow
def test_a_killed_worker_is_named_and_the_others_finish(ray_nodes: Any, tmp_path: Path) -> None:
    heard = said("die", tmp_path, ray_nodes.address)
    assert heard["error"] == EngineFailure.__name__
    assert "worker of shard 1 of 3 (process " in heard["text"] and "was lost: The worker died" in heard["text"]
    assert names(tmp_path) == ["0.done", "2.done"]


@pytest.mark.slow
@needs_ray
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_ray_that_was_started_here_ends_with_its_caller(
    end: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C reaches the whole process group, the others the caller only; files are left by a kill only."""
    scratch = Path(tempfile.mkdtemp(prefix="room-"))  # tmp_path is too long for Ray's sockets
    monkeypatch.setenv("TMPDIR", str(scratch))
    caller = start("hang", tmp_path, "local")
    assert wait_for(lambda: len(names(tmp_path)) == 2, 60)
    assert len(names(scratch)) == 1
    workers = [int(p.stem) for p in tmp_path.iterdir()]
    if end == signal.SIGINT:
        os.killpg(caller.pid, end)
    else:
        caller.send_signal(end)
    caller.communicate(timeout=60)
    assert caller.returncode != 0
    assert wait_for(lambda: not any(map(alive, workers)), 20)
    assert bool(names(scratch)) == (end == signal.SIGKILL)
    shutil.rmtree(scratch)


@needs_ray
def test_an_address_with_nothing_behind_it_is_told_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(EngineFailure, match=rf"no Ray cluster to use at '127.0.0.1:{port}': .*refused.*`ray start"):
        Ray(f"127.0.0.1:{port}").run(print, [1])
    assert time.monotonic() - began < 10


@needs_ray
def test_something_else_behind_an_address_is_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "_ANSWER_S", 2.0)
    with socket.socket() as deaf:
        deaf.bind(("", 0))
        deaf.listen()
        with pytest.raises(EngineFailure, match="it gave no answer in 2 s"):
            Ray(f"127.0.0.1:{deaf.getsockname()[1]}").run(print, [1])


@pytest.mark.parametrize("address", ["", "somewhere", "ray://head:10001", "head:port", "http://head:80", "a b:1"])
def test_what_cannot_be_an_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidConfig, match="'local', 'auto' or HOST:PORT"):
        Ray(address)


def test_no_workers_are_refused_and_no_shards_need_no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    with pytest.raises(InvalidConfig, match="0"):
        Ray(workers=0)
    with Ray("nowhere:1") as pool:
        assert pool.run(print, []) == []


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"metasim-robotics\[ray\]"):
        executor("local", 2)
    assert executor(None, 2) == Local(2)


def test_a_cluster_that_asks_for_a_token_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "gcs_client.cc: Failed to get cluster ID: Unauthenticated: RPC error: InvalidAuthToken: Authentication ..."
    probe = f"import sys; sys.stderr.write({words!r}); sys.exit(1)"
    monkeypatch.setattr(reaching, "_PROBE", probe)
    with pytest.raises(EngineFailure, match="at 'auto' asks for its token: .*RAY_AUTH_MODE=token"):
        reaching.check_reachable("auto")
