"""A policy that is served elsewhere, as a policy of N worlds, under the name ``remote:url=ws://HOST:PORT``."""

from __future__ import annotations

import secrets
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from metasim.core.errors import InvalidConfig, UnknownName
from metasim.core.policy import POLICIES
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import Task
from metasim.policies.learned import InvalidPolicy
from metasim.policies.remote.connection import Connection
from metasim.policies.remote.messages import (
    ACTION,
    END,
    HELLO,
    OBSERVATION,
    PROTOCOL,
    READY,
    START,
    BadMessage,
    array,
)
from metasim.policies.remote.specification import Specification
from metasim.policies.saved import sizes

Array = Any
PREFIX = "remote:"
TIMEOUT_S = 30.0


class Remote:
    """A served policy in N worlds.

    Args:
        url: Where it is served.
        num_worlds: N.
        timeout_s: Longest wait for one answer.
        digest: What the policy's must be; empty for any.

    Attributes:
        shown: Factors of the episode that it is told: see :meth:`show`.
        cameras: Camera to height and width of the pictures that it is shown: see :meth:`look`.

    Raises:
        RemoteFailure: If it cannot be reached.
        InvalidPolicy: If it is another policy than it was.
    """

    def __init__(self, url: str, num_worlds: int, timeout_s: float = TIMEOUT_S, digest: str = "") -> None:
        self._connection = Connection(url, timeout_s, _Greeting(url, secrets.token_hex(16), num_worlds, digest))
        self.specification = self._connection.open()
        self.shown, self.cameras = self.specification.shown, self.specification.cameras
        self._begun: dict[str, Any] = {}
        self._pictures: Mapping[str, Array] = {}
        self._end = weakref.finalize(self, _close, self._connection)

    def reset(self, rows: Array, seeds: Sequence[EpisodeSeed]) -> None:
        """Begin episodes in some worlds."""
        said = {"rows": np.asarray(rows, np.int64), "seeds": [asdict(seed) for seed in seeds]}
        self._begun = said
        if not self.shown:
            self._connection.ask(START, {**said, "sample": {}}, READY)

    def show(self, rows: Array, sample: Mapping[str, Array]) -> None:
        """Tell the policy the factors of the episodes that begin: name to ``(n, ...)``."""
        factors = {name: np.asarray(sample[name], np.float64) for name in self.shown}
        said = {**self._begun, "rows": np.asarray(rows, np.int64), "sample": factors}
        self._connection.ask(START, said, READY)

    def look(self, pictures: Mapping[str, Array]) -> None:
        """Keep pictures of what it acts on next: camera to ``(N, H, W, 3)`` uint8."""
        self._pictures = {name: np.asarray(pictures[name], np.uint8) for name in self.cameras}

    def act(self, observation: Array) -> Array:
        """Return actions ``(N, A)`` float32 for flat observations ``(N, D)``.

        Raises:
            RemoteFailure: If there is no answer in time, the connection is lost twice, or the answer is no actions.
        """
        said = {"observation": np.asarray(observation, np.float64), "pictures": self._pictures}
        answer = self._connection.ask(OBSERVATION, said, ACTION)
        try:
            action = array(answer, "action", (len(observation), self.specification.action_size), np.float32)
            if not np.isfinite(action).all():
                bad = np.flatnonzero(~np.isfinite(action).all(axis=1)).tolist()
                raise BadMessage(f"'action' has values that are not finite in worlds {bad}")
        except BadMessage as error:
            raise self._connection.failure(f"answered what is no action: {error}") from error
        return np.array(action)

    def close(self) -> None:
        """Say goodbye; may be called twice."""
        self._end()


@dataclass(frozen=True)
class _Greeting:
    """How a client begins every connection of a session; it does not know the client, which is freed when unused."""

    url: str
    session: str
    worlds: int
    digest: str

    def __call__(self, specification: Specification, answered: int) -> tuple[str, dict[str, Any], str]:
        if self.digest and specification.digest != self.digest:
            raise InvalidPolicy(
                f"{self.url} served another policy when this run began, and serves {specification.name} now; leave it"
                " alone meanwhile"
            )
        said = {"protocol": PROTOCOL, "session": self.session, "worlds": self.worlds}
        return HELLO, {**said, "digest": specification.digest, "answered": answered}, READY


@dataclass(frozen=True)
class Served:
    """A factory of connections, as the registry has it.

    Raises:
        InvalidPolicy: When called for a task that the policy does not fit; with both specifications.
    """

    specification: Specification
    url: str = field(compare=False)
    timeout_s: float = field(compare=False)

    def __call__(self, task: Task | type[Task], num_worlds: int) -> Remote:
        """Return the policy for a task."""
        kind, theirs = task if isinstance(task, type) else type(task), self.specification
        observed, actions = sizes(kind, ())
        has = {name: theirs.cameras.get(name, (0, 0)) for name in kind.scene.cameras if name in theirs.cameras}
        ours = Specification(name="", task=kind.id, observation_size=observed, action_size=actions, cameras=has)
        wanted = replace(ours, task=kind.id if theirs.task else "")
        given = replace(theirs, name="", digest="", shown=())
        if given != wanted:
            there = ", ".join(kind.scene.cameras) or "no cameras"
            raise InvalidPolicy(
                f"policy {theirs.name}, served at {self.url}, does not fit. It is for {theirs}. The task is"
                f" {ours.task}: observations (N, {observed}), actions (N, {actions}), cameras: {there}"
            )
        unknown = [name for name in theirs.shown if name not in {factor.name for factor in kind.factors}]
        if unknown:
            raise UnknownName(f"factor of {kind.id}", unknown[0], [factor.name for factor in kind.factors])
        return Remote(self.url, num_worlds, self.timeout_s, theirs.digest)


class RemoteName(str):
    """The name of a served policy; whoever gets it, in whichever process, connects to the same server."""

    words: str

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the address, to be asked again."""
        return _again, (self.words, str(self))


def remote(words: str) -> RemoteName:
    """Ask a server what it serves, and return the name by which evaluations, collections and videos take it.

    Args:
        words: ``remote:url=ws://HOST:PORT``, which may go on with ``,timeout=SECONDS``.

    Raises:
        InvalidConfig: For anything else.
        RemoteFailure: If nothing answers there.
    """
    url, timeout_s = parse(words)
    connection = Connection(url, timeout_s)
    try:
        specification = connection.open()
    finally:
        connection.close()
    name = RemoteName(f"remote-{specification.name.replace(':', '-')}-{specification.digest[:12]}")
    name.words = words
    POLICIES.register(str(name), Served(specification, url, timeout_s))
    return name


def parse(words: str) -> tuple[str, float]:
    """Return address and time-out [s] of ``remote:url=...,timeout=...``.

    Raises:
        InvalidConfig: For anything else.
    """
    said = dict[str, str]()
    for word in words.removeprefix(PREFIX).split(","):
        key, _, value = word.partition("=")
        if key not in ("url", "timeout") or key in said or not value:
            raise InvalidConfig(f"a remote policy is remote:url=ws://HOST:PORT[,timeout=SECONDS]; got {words!r}")
        said[key] = value
    url, text = said.get("url", ""), said.get("timeout", str(TIMEOUT_S))
    if not url.startswith(("ws://", "wss://")):
        raise InvalidConfig(f"the url of a remote policy begins with ws:// or wss://, got {url!r}")
    try:
        _ = urlsplit(url).port
    except ValueError as error:
        raise InvalidConfig(f"the url of a remote policy is ws://HOST:PORT, got {url!r}: {error}") from error
    try:
        timeout_s = float(text)
    except ValueError:
        timeout_s = 0.0
    if not 0.0 < timeout_s <= 3600.0:
        raise InvalidConfig(f"timeout must be a number of seconds up to 3600, got {text!r}")
    return url, timeout_s


def _again(words: str, name: str) -> RemoteName:
    found = remote(words)
    if found != name:
        raise InvalidPolicy(f"{words} was {name} when this run began, and is {found} now; leave it alone meanwhile")
    return found


def _close(connection: Connection) -> None:
    connection.close(END)
