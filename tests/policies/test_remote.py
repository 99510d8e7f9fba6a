"""Remote policies: the same bytes as here, and a plain sentence when something goes wrong."""

import gc
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

msgpack: Any = pytest.importorskip("msgpack", reason="msgpack is not installed (extra remote)")
pytest.importorskip("websockets", reason="websockets is not installed (extra remote)")

from websockets.exceptions import ConnectionClosed  # noqa: E402
from websockets.sync.client import connect  # noqa: E402
from websockets.sync.server import serve  # noqa: E402

from metasim.benchmarks.runner import EvaluateConfig, evaluate  # noqa: E402
from metasim.core.errors import EngineFailure, InvalidConfig  # noqa: E402
from metasim.core.policy import POLICIES  # noqa: E402
from metasim.core.seeding import EpisodeSeed  # noqa: E402
from metasim.core.task import TASKS  # noqa: E402
from metasim.policies import InvalidPolicy  # noqa: E402
from metasim.policies.remote import PolicyServer, RemoteFailure, remote  # noqa: E402

PUSH, REACH = "tabletop/push-cube-v0", "metaworld/reach-v3"
SEED = {"root": 0, "task": PUSH, "episode": 0, "split": "train", "variation": "none"}


@contextmanager
def served(policy: str, task: str = PUSH) -> Iterator[str]:
    server = PolicyServer(policy, task)
    thread = server.start()
    try:
        yield f"remote:url=ws://127.0.0.1:{server.port},timeout=10"
    finally:
        server.stop()
        thread.join(5)


@contextmanager
def stranger(answer: Callable[[Any], None]) -> Iterator[str]:
    """A server that is ours up to its answers."""
    server = serve(answer, "127.0.0.1", 0, compression=None)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"remote:url=ws://127.0.0.1:{server.socket.getsockname()[1]},timeout=1"
    finally:
        server.shutdown()
        thread.join(5)


@pytest.mark.parametrize("policy", ["expert", "noisy-expert:sigma=0.2"])
def test_a_served_policy_gives_the_same_results(policy: str) -> None:
    """Episodes of a policy that remembers, too; in more episodes than worlds."""
    asked = {"tasks": (PUSH,), "episodes": 3, "horizon": 25, "worlds": 2}
    here = evaluate(EvaluateConfig(policy=policy, **asked))
    with served(policy) as words:
        name = remote(words)
        there = evaluate(EvaluateConfig(policy=name, **asked))
    assert str(name).startswith("remote-expert-" if policy == "expert" else "remote-noisy-expert-")
    assert [replace(e, policy="same") for e in there.episodes] == [replace(e, policy="same") for e in here.episodes]
    assert {e.policy for e in there.episodes} == {str(name)}


def test_a_policy_is_known_in_every_process() -> None:
    import pickle

    with served("zero") as words:
        name = remote(words)
        assert pickle.loads(pickle.dumps(name)) == name == remote(words)
        data = pickle.dumps(name)
    with pytest.raises(RemoteFailure, match="cannot be reached"):
        pickle.loads(data)


def test_a_policy_for_something_else_is_refused_with_both_specifications() -> None:
    with served("expert") as words:
        name = remote(words)
        with pytest.raises(InvalidPolicy) as caught:
            evaluate(EvaluateConfig(tasks=(REACH,), policy=name, episodes=1))
    for sentence in (f"It is for {PUSH}: observations (N, 18), actions (N, 4)", f"{REACH}: observations (N, 39)"):
        assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        "remote:",
        "remote:url=http://x:1",
        "remote:url=ws://x:one",
        "remote:url=ws://x:99999",
        "remote:url=ws://x:1,timeout=no",
        "remote:a=1",
    ],
)
def test_addresses_that_are_none(words: str) -> None:
    with pytest.raises(InvalidConfig, match="remote|timeout"):
        remote(words)


def test_a_server_that_is_killed() -> None:
    """In a process of its own, in the middle of an episode: one new attempt, then a sentence."""
    command = [sys.executable, "-m", "metasim", "serve-policy", "zero", "--task", PUSH, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        words = process.stdout.readline().strip()
        policy = POLICIES[remote(f"{words},timeout=5")](TASKS[PUSH], 2)
        policy.reset(np.arange(2), [EpisodeSeed(root=0, task=PUSH, episode=i) for i in range(2)])
        assert policy.act(np.zeros((2, 18))).shape == (2, 4)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with pytest.raises(EngineFailure, match=r"ws://127.0.0.1:\d+ cannot be reached .* metasim serve-policy"):
            policy.act(np.zeros((2, 18)))
    policy.close()
    policy.close()


def test_a_lost_connection_is_made_anew_and_nothing_is_forgotten() -> None:
    """A policy with noise of its own goes on where it was; an answer that got lost is the same one again."""
    local = POLICIES["random"](TASKS[PUSH], 2)
    seeds = [EpisodeSeed(root=0, task=PUSH, episode=i) for i in range(2)]
    local.reset(np.arange(2), seeds)
    with served("random") as words:
        policy = POLICIES[remote(words)](TASKS[PUSH], 2)
        policy.reset(np.arange(2), seeds)
        for step in range(6):
            if step in (2, 4):
                policy._connection._socket.socket.shutdown(socket.SHUT_RDWR)
            np.testing.assert_array_equal(policy.act(np.zeros((2, 18))), local.act(np.zeros((2, 18))))
        policy.close()


def test_a_client_that_came_back_is_not_taken_for_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server may notice that the first connection is lost after the second one was made."""
    monkeypatch.setattr("metasim.policies.remote.server.KEPT_S", 0.0)

    def say(there: Any, session: str, answered: int) -> None:
        assert msgpack.unpackb(there.recv(5))["type"] == "hello"
        said = {"protocol": "metasim.remote/1", "session": session, "worlds": 1, "answered": answered}
        there.send(packed("hello", 0, {**said, "digest": server.specification.digest}))
        assert msgpack.unpackb(there.recv(5))["type"] == "ready"

    server = PolicyServer("zero", PUSH)
    server.start()
    lost, back, other = (connect(f"ws://127.0.0.1:{server.port}", compression=None) for _ in range(3))
    say(lost, "the first", 0)
    say(back, "the first", 0)
    lost.close()
    time.sleep(0.2)
    say(other, "another one", 0)  # now those are forgotten whose client is gone
    begin = {"rows": plain_array([0], "<i8"), "seeds": [SEED], "sample": {}}
    back.send(packed("episode_start", 1, begin))
    assert msgpack.unpackb(back.recv(5))["type"] == "ready"
    server.stop()


def test_a_client_that_nobody_needs_leaves() -> None:
    """An evaluation makes a policy for each task, and forgets it."""
    with served("zero") as words:
        policy = POLICIES[remote(words)](TASKS[PUSH], 1)
        socket = policy._connection._socket
        del policy
        gc.collect()
        with pytest.raises(ConnectionClosed):
            socket.recv(5)


def test_a_server_that_stops_leaves_its_clients() -> None:
    """Else the threads that wait for them would keep the process after Ctrl-C."""
    server = PolicyServer("zero", PUSH)
    server.start()
    policy = POLICIES[remote(f"remote:url=ws://127.0.0.1:{server.port}")](TASKS[PUSH], 1)
    waiting = set(threading.enumerate())
    server.stop()
    server.stop()
    for thread in waiting - {threading.main_thread()}:
        thread.join(5)
        assert not thread.is_alive()
    policy.close()


def hello(**changes: Any) -> bytes:
    said = {"name": "x", "task": PUSH, "observation_size": 18, "action_size": 4, "cameras": {}, "shown": []}
    said |= {"protocol": "metasim.remote/1", "digest": "d", **changes}
    return packed("hello", 0, said)


def packed(kind: str, seq: int, payload: Any) -> bytes:
    return msgpack.packb({"type": kind, "payload": payload, "seq": seq, "timestamp": 0.0})


def plain_array(values: Any, dtype: str = "<f4", **changes: Any) -> dict[str, Any]:
    values = np.asarray(values, np.dtype(dtype))
    said = {"__ndarray__": True, "dtype": dtype, "shape": list(values.shape), "data": values.tobytes()}
    return {**said, **changes}


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (plain_array(np.zeros((1, 3))), r"\(1, 4\) float32, got \(1, 3\)"),
        (plain_array(np.zeros((1, 4)), "<f8"), "float32, got .* float64"),
        (plain_array([[0.0, np.nan, 0.0, 0.0]]), r"not finite in worlds \[0\]"),
        (plain_array(np.zeros((1, 4)), shape=[2, 4]), "has 32 bytes, not 16"),
        (plain_array(np.zeros((1, 4)), dtype="|O"), "no type of"),
        (plain_array(np.zeros((1, 4)), dtype=">f4"), "little-endian"),
        ({"__ndarray__": True}, "needs dtype, shape and data"),
        ([0.0, 0.0, 0.0, 0.0], "must be an array, got list"),
        (None, "must be an array"),
    ],
)
def test_answers_that_are_no_actions(action: Any, message: str) -> None:
    def answer(there: Any) -> None:
        there.send(hello())
        for data in there:
            seq, kind = (said := msgpack.unpackb(data))["seq"], said["type"]
            there.send(packed("action", seq, {"action": action}) if kind == "observation" else packed("ready", seq, {}))

    with stranger(answer) as words:
        policy = POLICIES[remote(words)](TASKS[PUSH], 1)
        with pytest.raises(RemoteFailure, match=message):
            policy.act(np.zeros((1, 18)))
        policy.close()


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (hello(protocol="metasim.remote/2"), "speaks protocol 'metasim.remote/2', and this is 'metasim.remote/1'"),
        (hello(observation_size=0), "sizes must be positive"),
        (hello(cameras={"front": 3}), "its specification is not one"),
        (packed("action", 0, {}), "begins with 'action'"),
        (packed("party", 0, {}), "its type is 'party'"),
        (b"\x00garbage", "no msgpack"),
        ("hello", "text, not binary"),
        (None, "no answer within 1 s"),
    ],
)
def test_servers_of_something_else(first: Any, message: str) -> None:
    def answer(there: Any) -> None:
        if first is not None:
            there.send(first)
        there.recv()

    with stranger(answer) as words, pytest.raises(RemoteFailure, match=message):
        remote(words)


@pytest.mark.parametrize(
    ("kind", "payload", "message"),
    [
        ("observation", {}, "'observation' must be an array"),
        ("observation", {"observation": plain_array(np.zeros((3, 18)), "<f8")}, r"\(2, 18\) float64, got \(3, 18\)"),
        ("observation", {"observation": plain_array(np.full((2, 18), np.inf), "<f8")}, "not finite"),
        ("episode_start", {"rows": plain_array([0, 2], "<i8"), "seeds": []}, "rows must be different numbers"),
        ("episode_start", {"rows": plain_array([0], "<i8"), "seeds": [{"root": 0}]}, "a seed is a map"),
        ("episode_start", {"rows": plain_array([0], "<i8"), "seeds": [{**SEED, "root": "0"}]}, "root of a seed"),
        ("action", {}, "a client asks with"),
    ],
)
def test_what_a_server_refuses(kind: str, payload: Any, message: str) -> None:
    """A client that does not keep to the protocol is told why, and cut off; others go on."""
    import re

    with served("zero") as words, connect(words.partition("=")[2].partition(",")[0]) as client:
        digest = msgpack.unpackb(client.recv())["payload"]["digest"]
        said = {"protocol": "metasim.remote/1", "session": "12345678", "worlds": 2, "digest": digest}
        client.send(packed("hello", 0, said))
        assert msgpack.unpackb(client.recv())["type"] == "ready"
        client.send(packed(kind, 1, payload))
        answer = msgpack.unpackb(client.recv())
        assert (answer["type"], answer["seq"]) == ("error", 1)
        assert re.search(message, answer["payload"]["message"])


def test_sessions_are_counted_and_one_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that go on are not disturbed; who leaves makes room, and who is lost does after a while."""
    server = PolicyServer("zero", PUSH, sessions=2)
    server.start()
    factory = POLICIES[remote(f"remote:url=ws://127.0.0.1:{server.port},timeout=10")]
    one, two = (factory(TASKS[PUSH], 1) for _ in range(2))
    with pytest.raises(RemoteFailure, match=r"has 2 sessions already.*lost counts for 60 s.*--sessions"):
        factory(TASKS[PUSH], 1)
    two._connection._socket.socket.shutdown(socket.SHUT_RDWR)
    for policy in (one, two):  # the second comes back to its own place
        assert policy.act(np.zeros((1, 18))).shape == (1, 4)
    one.close()
    three = until(lambda: factory(TASKS[PUSH], 1))
    three._connection._socket.socket.shutdown(socket.SHUT_RDWR)
    with pytest.raises(RemoteFailure, match="has 2 sessions already"):
        factory(TASKS[PUSH], 1)
    monkeypatch.setattr("metasim.policies.remote.server.KEPT_S", 0.0)
    four = until(lambda: factory(TASKS[PUSH], 1))
    for policy in (two, three, four):
        policy.close()
    server.stop()
    with pytest.raises(InvalidConfig, match="sessions must be 1 or more, got 0"):
        PolicyServer("zero", PUSH, sessions=0)


def until(make: Callable[[], Any]) -> Any:
    """Try for a while: the server hears that a client has left some moments after it did."""
    for _ in range(50):
        try:
            return make()
        except RemoteFailure:
            time.sleep(0.05)
    return make()
