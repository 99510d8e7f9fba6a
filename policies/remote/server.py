"""Serves a policy: each connection is a session of its own, which outlives a lost connection for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from metasim.core.errors import InvalidConfig, MetasimError
from metasim.core.policy import POLICIES
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS
from metasim.core.task_files import contents
from metasim.policies.remote.messages import (
    ACTION,
    END,
    ERROR,
    HELLO,
    MOST_BYTES,
    OBSERVATION,
    PROTOCOL,
    READY,
    START,
    BadMessage,
    Message,
    array,
    pack,
    unpack,
)
from metasim.policies.remote.specification import Specification, digest_of
from metasim.policies.saved import sizes
from metasim.work.shift import source, versions

Array = Any
KEPT_S = 60.0
"""How long a session waits for its client to come back."""
CLOSE_S = 2.0
"""How long a client may take to say goodbye."""
GOING_AWAY = 1001
MOST_WORLDS = 65_536
MOST_SESSIONS = 64
"""How many sessions a server has at a time unless told otherwise."""


@dataclass
class _Session:
    """A policy in a client's worlds, and the last answer, which is given again if its request is.

    ``by`` is the connection it goes on at, ``left`` when that was lost.
    """

    policy: Any
    worlds: int
    seq: int = 0
    answer: bytes = b""
    lock: threading.Lock = field(default_factory=threading.Lock)
    by: Any = None
    left: float | None = None


class PolicyServer:
    """Serves a policy of one task on a port, in threads of this process.

    Args:
        policy: Its name.
        task: Task id.
        host: Address to listen at.
        port: Port; 0 for any that is free.
        sessions: Most sessions at a time, those whose client may still come back included.

    Attributes:
        specification: What it says of itself.
        port: Where it listens.

    Raises:
        InvalidConfig: If the policy cannot run the task, the port is taken, or there may be no session.
    """

    def __init__(
        self, policy: str, task: str, host: str = "127.0.0.1", port: int = 0, sessions: int = MOST_SESSIONS
    ) -> None:
        from websockets.sync.server import serve  # pyright: ignore[reportMissingImports]

        if sessions < 1:
            raise InvalidConfig(f"sessions must be 1 or more, got {sessions}")
        self._most = sessions
        self._factory, self._task = POLICIES[policy], TASKS[task]
        made = self._factory(self._task, 1)
        observed, actions = sizes(self._task, ())
        said = Specification(
            name=str(policy),
            task=task,
            observation_size=observed,
            action_size=actions,
            cameras={name: tuple(size) for name, size in (getattr(made, "cameras", None) or {}).items()},
            shown=tuple(getattr(made, "shown", ())),
        )
        made_of = {**versions(), "source": source(), "files": contents([self._factory])}
        self.specification = replace(said, digest=digest_of(said, made_of))
        self._sessions: dict[str, _Session] = {}
        self._sockets, self._lock = set[Any](), threading.Lock()
        try:
            self._server: Any = serve(
                self._talk, host, port, compression=None, max_size=MOST_BYTES, close_timeout=CLOSE_S
            )
        except OSError as error:
            raise InvalidConfig(f"cannot listen at {host}:{port} ({error.strerror}); name another --port") from error
        self.port: int = self._server.socket.getsockname()[1]

    def run(self) -> None:
        """Serve until :meth:`stop`, in this thread."""
        self._server.serve_forever()

    def start(self) -> threading.Thread:
        """Serve in a thread of its own and return it."""
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """Stop listening and leave all clients; may be called from any thread, and twice."""
        self._server.shutdown()
        with self._lock:
            sockets = tuple(self._sockets)
        for socket in sockets:  # else their threads would keep the process until every client has left
            socket.close(GOING_AWAY)

    def _talk(self, socket: Any) -> None:
        """Speak with one client until it leaves."""
        from websockets.exceptions import ConnectionClosed  # pyright: ignore[reportMissingImports]

        name, seq = "", 0
        with self._lock:
            self._sockets.add(socket)
        try:
            socket.send(pack(Message(type=HELLO, payload=self.specification.payload(), seq=0)))
            for data in socket:
                message = unpack(data)
                seq = message.seq
                if message.type == END:
                    with self._lock:
                        self._sessions.pop(name, None)
                    return
                if message.type == HELLO:
                    name = self._greet(message.payload, socket)
                    socket.send(pack(Message(type=READY, payload={}, seq=seq)))
                elif name not in self._sessions:
                    raise BadMessage("a client has to say hello first")
                else:
                    socket.send(self._answer(self._sessions[name], message))
        except ConnectionClosed:
            return
        except (BadMessage, MetasimError) as error:
            self._complain(socket, seq, str(error))
        except Exception as error:  # a stranger's policy may raise anything; the client is told
            self._complain(socket, seq, f"the policy raised {type(error).__name__}: {error}")
        finally:
            with self._lock:
                self._sockets.discard(socket)
                session = self._sessions.get(name)
                if session is not None and session.by is socket:  # the client may have come back at another one
                    session.left = time.monotonic()

    def _greet(self, payload: Mapping[str, Any], socket: Any) -> str:
        """Begin a session, or go on with one, and return its name."""
        if payload.get("protocol") != PROTOCOL:
            raise BadMessage(f"the client speaks protocol {payload.get('protocol')!r}, and this is {PROTOCOL!r}")
        name, worlds = payload.get("session"), payload.get("worlds")
        if not isinstance(name, str) or not 8 <= len(name) <= 64:
            raise BadMessage("a session is named by 8 to 64 characters")
        if isinstance(worlds, bool) or not isinstance(worlds, int) or not 1 <= worlds <= MOST_WORLDS:
            raise BadMessage(f"worlds must be a whole number from 1 to {MOST_WORLDS}, got {worlds!r}")
        if payload.get("digest") != self.specification.digest:
            raise BadMessage("the client wants another policy than is served here now")
        with self._lock:
            now = time.monotonic()
            gone = [key for key, known in self._sessions.items() if known.left and now - known.left > KEPT_S]
            for key in gone:
                del self._sessions[key]
            known = self._sessions.get(name)
            if known is None:
                if payload.get("answered", 0):
                    raise BadMessage("the session is not known here any more, and what the policy remembered is lost")
                if len(self._sessions) >= self._most:
                    raise BadMessage(
                        f"it has {self._most} sessions already, the most it serves at a time; wait until a client ends"
                        f" (one that is lost counts for {KEPT_S:g} s), or start it with more --sessions"
                    )
                known = self._sessions[name] = _Session(self._factory(self._task, worlds), worlds)
            elif known.worlds != worlds:
                raise BadMessage(f"the session has {known.worlds} worlds, not {worlds}")
            known.by, known.left = socket, None
        return name

    def _answer(self, session: _Session, message: Message) -> bytes:
        with session.lock:
            if message.seq == session.seq and session.answer:
                return session.answer
            if message.seq != session.seq + 1:
                raise BadMessage(f"request {message.seq} does not follow {session.seq}")
            doing: Callable[[_Session, Mapping[str, Any]], tuple[str, dict[str, Any]]]
            if message.type not in (START, OBSERVATION):
                raise BadMessage(f"a client asks with {START!r} or {OBSERVATION!r}, not {message.type!r}")
            doing = self._start if message.type == START else self._act
            kind, payload = doing(session, message.payload)
            session.seq = message.seq
            session.answer = pack(Message(type=kind, payload=payload, seq=message.seq))
            return session.answer

    def _start(self, session: _Session, payload: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        rows = array(payload, "rows", (None,), np.int64)
        said, sample = payload.get("seeds"), payload.get("sample")
        if len(np.unique(rows)) < len(rows) or not ((0 <= rows) & (rows < session.worlds)).all():
            raise BadMessage(f"rows must be different numbers from 0 to {session.worlds - 1}, got {rows.tolist()}")
        if not isinstance(said, list) or len(said) != len(rows):
            raise BadMessage(f"seeds must be a list of {len(rows)}, one per row")
        seeds = [_seed(one) for one in said]
        session.policy.reset(rows, seeds)
        if self.specification.shown:
            if not isinstance(sample, dict) or {*sample} != {*self.specification.shown}:
                raise BadMessage(f"sample must have {list(self.specification.shown)}")
            session.policy.show(rows, sample)
        return READY, {}

    def _act(self, session: _Session, payload: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        observed = array(payload, "observation", (session.worlds, self.specification.observation_size), np.float64)
        if not np.isfinite(observed).all():
            raise BadMessage("'observation' has values that are not finite")
        if self.specification.cameras:
            given: Any = payload.get("pictures")
            given = given if isinstance(given, dict) else {}
            session.policy.look({
                name: array(given, name, (session.worlds, *size, 3), np.uint8)
                for name, size in self.specification.cameras.items()
            })  # fmt: skip
        action = np.asarray(session.policy.act(observed), np.float32)
        return ACTION, {"action": action}

    @staticmethod
    def _complain(socket: Any, seq: int, why: str) -> None:
        from websockets.exceptions import ConnectionClosed  # pyright: ignore[reportMissingImports]

        try:
            socket.send(pack(Message(type=ERROR, payload={"message": why}, seq=seq)))
        except ConnectionClosed:
            return


def _seed(said: Any) -> EpisodeSeed:
    kinds = {"root": int, "task": str, "episode": int, "split": str, "variation": str}
    if not isinstance(said, dict) or {*said} != {*kinds}:
        raise BadMessage(f"a seed is a map of {list(kinds)}, got {said!r}")
    odd = [name for name, kind in kinds.items() if not isinstance(said[name], kind)]
    if odd:
        raise BadMessage(f"{odd[0]} of a seed must be {kinds[odd[0]].__name__}, got {said[odd[0]]!r}")
    return EpisodeSeed(**said)
