"""A client's end of a connection: asks and answers in turns, with time-outs, and one new attempt when it is lost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from metasim.core.errors import MetasimError
from metasim.policies.remote.messages import (
    END,
    ERROR,
    HELLO,
    MOST_BYTES,
    BadMessage,
    Message,
    RemoteFailure,
    pack,
    unpack,
)
from metasim.policies.remote.specification import Specification, specification_of

Greeting = Callable[[Specification, int], tuple[str, dict[str, Any], str]]


class Connection:
    """A connection to a server of a policy.

    Args:
        url: Where.
        timeout_s: Longest wait for a connection, and for one answer.
        greeting: What is asked first on every connection, given the server's specification and :attr:`answered`; None
            for nothing.

    Attributes:
        answered: Number of the last request that was answered.
    """

    def __init__(self, url: str, timeout_s: float, greeting: Greeting | None = None) -> None:
        self.url, self._timeout_s, self._greeting = url, timeout_s, greeting
        self._socket: Any = None
        self.answered = 0

    def open(self) -> Specification:
        """Connect and return what the server says it serves.

        Raises:
            RemoteFailure: If there is no server, or none of this protocol.
        """
        from websockets.exceptions import WebSocketException  # pyright: ignore[reportMissingImports]
        from websockets.sync.client import connect  # pyright: ignore[reportMissingImports]

        try:
            self._socket = connect(
                self.url,
                open_timeout=self._timeout_s,
                close_timeout=2,
                compression=None,
                max_size=MOST_BYTES,
                proxy=None,
            )
        except (OSError, WebSocketException) as error:
            raise self.failure(
                f"cannot be reached ({type(error).__name__}: {error}); start it: metasim serve-policy"
            ) from error
        try:
            hello = self._receive()
            if hello.type != HELLO:
                raise BadMessage(f"it begins with {hello.type!r} instead of {HELLO!r}")
            specification = specification_of(hello.payload)
            if self._greeting is not None:
                self._exchange(*self._greeting(specification, self.answered), seq=0)
        except (BadMessage, _Lost) as error:
            self.close()
            raise self.failure(f"is no server of policies that can be used: {error}") from error
        except MetasimError:
            self.close()
            raise
        return specification

    def ask(self, type: str, payload: Mapping[str, Any], answer: str) -> Mapping[str, Any]:
        """Ask and return the payload of the answer, which is of a type; a lost connection is made anew, once.

        Raises:
            RemoteFailure: If it is lost again, no answer comes in time, or another one does.
        """
        seq = self.answered + 1
        try:
            try:
                found = self._exchange(type, payload, answer, seq)
            except _Lost:
                self.close()
                self.open()  # the server knows the session, and gives an answer again that was lost
                found = self._exchange(type, payload, answer, seq)
        except _Lost as error:
            raise self.failure(f"closed the connection twice: {error}") from error
        except BadMessage as error:
            raise self.failure(f"does not keep to the protocol: {error}") from error
        self.answered = seq
        return found

    def failure(self, what: str) -> RemoteFailure:
        """Return an error that says what the server did."""
        return RemoteFailure(f"the policy at {self.url} {what}")

    def close(self, word: str = "") -> None:
        """Close; may be called twice. A word, if any, is said first."""
        socket, self._socket = self._socket, None
        if socket is None:
            return
        with contextlib.suppress(Exception):  # it may be gone already, in one of many ways
            if word:
                socket.send(pack(Message(type=END, payload={}, seq=self.answered + 1)))
            socket.close()

    def _exchange(self, type: str, payload: Mapping[str, Any], answer: str, seq: int) -> Mapping[str, Any]:
        from websockets.exceptions import ConnectionClosed  # pyright: ignore[reportMissingImports]

        try:
            self._socket.send(pack(Message(type=type, payload=payload, seq=seq)))
        except (ConnectionClosed, OSError, AttributeError) as error:
            raise _Lost(str(error)) from error
        said = self._receive()
        if said.type == ERROR:
            raise self.failure(f"refused: {said.payload.get('message', 'it does not say why')}")
        if (said.type, said.seq) != (answer, seq):
            raise BadMessage(f"expected {answer!r} number {seq}, got {said.type!r} number {said.seq}")
        return said.payload

    def _receive(self) -> Message:
        from websockets.exceptions import ConnectionClosed  # pyright: ignore[reportMissingImports]

        try:
            return unpack(self._socket.recv(timeout=self._timeout_s))
        except TimeoutError as error:
            self.close()
            raise self.failure(f"gave no answer within {self._timeout_s:g} s") from error
        except (ConnectionClosed, OSError) as error:
            raise _Lost(str(error)) from error


class _Lost(Exception):
    """The connection is gone."""
