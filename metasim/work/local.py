"""A pool of processes on this machine: this one, and for other shards one each, at most ``workers`` at a time.

Workers are spawned, never forked: engines and BLAS have threads, which a fork would break. Ctrl-C reaches the
parent only, which stops its workers; a worker whose parent dies, however it dies, ends as well.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from metasim.core.errors import EngineFailure, InvalidConfig
from metasim.work.outcome import THREADS, Emit, Outcome, attempt, ignore, message, obey, results

S = TypeVar("S")
R = TypeVar("R")
T = TypeVar("T")
_STOP_S = 5.0
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux's prctl
_EVENT, _LAST = b"e", b"l"  # what a message of a worker begins with


def shards(items: Iterable[T], n: int) -> list[tuple[T, ...]]:
    """Deal items out: item i goes to shard i % n, so that each shard has its part of every task.

    Raises:
        InvalidConfig: If ``n`` is less than 1.
    """
    if n < 1:
        raise InvalidConfig(f"the number of shards must be at least 1, got {n!r}")
    listed = tuple(items)
    return [listed[i::n] for i in range(n)]


def run_shards(
    function: Callable[[S, Emit], R],
    shards: Sequence[S],
    workers: int = 1,
    on_event: Emit | None = None,
) -> list[R]:
    """Run ``function(shard, emit)`` on every shard and return the results in the shards' order.

    This process is one of the workers, and begins while the others start. Those are spawned, so that ``function``,
    shards, events and results must pickle and a script needs ``if __name__ == "__main__"``, unless there is one worker
    or one shard. A worker computes with one thread. A shard that fails does not stop the others; the first failure is
    raised when all have ended.

    Args:
        function: What to do with one shard.
        shards: The work; as many shards as workers is best, since each shard starts a process.
        workers: Most processes at a time.
        on_event: Called in this process with whatever a shard emits.

    Raises:
        InvalidConfig: If ``workers`` is less than 1.
        EngineFailure: If a worker was killed or ended without a result, naming the shard.
        Exception: Whatever the function raised, with a note that names the shard.
    """
    if workers < 1:
        raise InvalidConfig(f"workers must be at least 1, got {workers!r}")
    receive = on_event or ignore
    with _one_thread():
        outcomes = _Pool(function, shards, workers, receive).run()
    return results(outcomes)


class _Broken(BaseException):
    """Ends this process's own shard, whatever it catches, since the caller or the pool has failed."""


class _Pool:
    """The parent's side: starts processes, works itself, hands events on, notices the dead."""

    def __init__(
        self, function: Callable[[Any, Emit], Any], shards: Sequence[Any], workers: int, receive: Emit
    ) -> None:
        self._function, self._shards, self._workers, self._receive = function, shards, workers, receive
        self._context = multiprocessing.get_context("spawn")
        self._pending = list(range(len(shards)))
        self._running: dict[int, Any] = {}
        self._said: queue.SimpleQueue[tuple[int, bytes | None]] = queue.SimpleQueue()
        self._outcomes: dict[int, Outcome] = {}

    def run(self) -> list[Outcome]:
        """Take the first shard that nobody has, as every process does, until there is none."""
        try:
            while self._pending:
                mine = self._pending.pop(0)
                self._hear()
                self._outcomes[mine] = attempt(self._function, self._shards[mine], self._emit)
            while self._running:
                self._take(*self._said.get())
                self._hear()
        except _Broken as broken:
            assert broken.__cause__ is not None
            raise broken.__cause__ from None
        finally:
            self._stop()
        return [self._outcomes[i] for i in range(len(self._shards))]

    def _emit(self, event: Any) -> None:
        try:
            self._receive(event)
            self._hear()
        except Exception as error:  # not the shard's own
            raise _Broken from error

    def _hear(self) -> None:
        """Hand on all that the others have said, and start as many as may run."""
        while not self._said.empty():
            self._take(*self._said.get())
        while self._pending and len(self._running) < self._workers - 1:
            self._start(self._pending.pop(0))

    def _start(self, index: int) -> None:
        ours, theirs = self._context.Pipe(duplex=False)
        order = pickle.dumps((self._function, self._shards[index]))
        process = self._context.Process(target=_work, args=(order, theirs), daemon=False)
        listener = threading.Thread(target=_listen, args=(index, ours, self._said), daemon=True)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:  # both inherit that: the process until it ignores Ctrl-C, the thread since that has to wake this one
            process.start()
            self._running[index] = process
            listener.start()
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _take(self, index: int, data: bytes | None) -> None:
        """Hand on what a worker said; None if it has ended without a result."""
        process = self._running[index]
        if data is None:
            process.join()
            kind, value = "error", (self._killed(index, process.exitcode), "")
        else:
            kind, value = pickle.loads(data[1:])  # from our own child, through a private pipe
        if kind == "event":
            self._receive(value)
            return
        self._outcomes[index] = Outcome.told(kind, value)
        del self._running[index]
        process.join()

    def _killed(self, index: int, code: int | None) -> EngineFailure:
        how = f"ended with exit code {code} and no result"
        if code is not None and code < 0:
            how = f"was killed by {signal.Signals(-code).name}"
        return EngineFailure(
            f"the worker of shard {index} of {len(self._shards)} {how}; the other shards were finished. "
            f"Run it again, with fewer workers if memory is short"
        )

    def _stop(self) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            process.join(_STOP_S)
            if process.is_alive():
                process.kill()
                process.join()
        self._running.clear()


def _listen(index: int, connection: Connection, said: queue.SimpleQueue[tuple[int, bytes | None]]) -> None:
    """Pass on what a worker says as soon as it does, so that it never waits for this process's own shard."""
    with connection, suppress(EOFError, OSError):
        while True:
            data = connection.recv_bytes()
            said.put((index, data))
            if not data.startswith(_EVENT):
                return
    said.put((index, None))


def _work(order: bytes, connection: Connection) -> None:
    """Run one shard in a worker process, send what comes of it, and end at once, whatever threads are left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _die_with_parent()
    outcome = attempt(obey, order, lambda event: connection.send_bytes(_EVENT + pickle.dumps(("event", event))))
    connection.send_bytes(_LAST + message(outcome))
    connection.close()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _die_with_parent() -> None:
    """End when the parent does: on Linux at that moment, even inside an engine, so that nothing is written after it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_DEATH_SIGNAL, signal.SIGKILL)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if os.getppid() != parent.pid:  # it ended before all this
        os._exit(1)


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limit BLAS, here and in processes started from here, and torch if it is imported, to one thread."""
    before = {name: os.environ.get(name) for name in THREADS}
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 0
    os.environ.update(dict.fromkeys(THREADS, "1"))
    if torch:
        torch.set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if torch:
            torch.set_num_threads(threads)
