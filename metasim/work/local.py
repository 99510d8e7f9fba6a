"""A pool of processes on this machine: this one, and for other shards one each, at most ``workers`` at a time.

Workers are spawned, never forked: engines and BLAS have threads, which a fork would break. Ctrl-C reaches the
parent only, which stops its workers; a worker whose parent dies, however it dies, ends as well.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from metasim.core.errors import EngineFailure, InvalidConfig
from metasim.work.outcome import THREADS, Emit, Outcome, attempt, ignore, message, obey, results

S = TypeVar("S")
R = TypeVar("R")
T = TypeVar("T")
_STOP_S = 5.0


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


class _Pool:
    """The parent's side: starts processes, works itself, hands events on, notices the dead."""

    def __init__(
        self, function: Callable[[Any, Emit], Any], shards: Sequence[Any], workers: int, receive: Emit
    ) -> None:
        self._function, self._shards, self._workers, self._receive = function, shards, workers, receive
        self._context = multiprocessing.get_context("spawn")
        self._pending = list(range(len(shards)))
        self._running: dict[Connection, tuple[int, Any]] = {}
        self._outcomes: dict[int, Outcome] = {}

    def run(self) -> list[Outcome]:
        """Take the first shard that nobody has, as every process does, until there is none."""
        try:
            while self._pending:
                mine = self._pending.pop(0)
                self._hear()
                self._outcomes[mine] = attempt(self._function, self._shards[mine], self._emit)
            while self._running:
                self._hear(None)
        finally:
            self._stop()
        return [self._outcomes[i] for i in range(len(self._shards))]

    def _emit(self, event: Any) -> None:
        self._receive(event)
        self._hear()

    def _hear(self, seconds: float | None = 0.0) -> None:
        """Hand on what the others say, start as many as may run, and wait for a word if ``seconds`` is None."""
        for connection in wait(list(self._running), seconds) if self._running else ():
            self._listen(connection)  # type: ignore[arg-type]
        while self._pending and len(self._running) < self._workers - 1:
            self._start(self._pending.pop(0))

    def _start(self, index: int) -> None:
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=_work, args=(pickle.dumps((self._function, self._shards[index])), theirs), daemon=False
        )
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited, until it ignores Ctrl-C
        try:
            process.start()
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._running[ours] = (index, process)

    def _listen(self, connection: Connection) -> None:
        index, process = self._running[connection]
        try:
            kind, value = pickle.loads(connection.recv_bytes())  # from our own child, through a private pipe
        except (EOFError, OSError):
            process.join()
            kind, value = "error", (self._killed(index, process.exitcode), "")
        if kind == "event":
            self._receive(value)
            return
        self._outcomes[index] = Outcome.told(kind, value)
        del self._running[connection]
        connection.close()  # the process ends by itself, which nobody has to wait for

    def _killed(self, index: int, code: int | None) -> EngineFailure:
        how = f"ended with exit code {code} and no result"
        if code is not None and code < 0:
            how = f"was killed by {signal.Signals(-code).name}"
        return EngineFailure(
            f"the worker of shard {index} of {len(self._shards)} {how}; the other shards were finished. "
            f"Run it again, with fewer workers if memory is short"
        )

    def _stop(self) -> None:
        for _, process in self._running.values():
            process.terminate()
        for connection, (_, process) in self._running.items():
            process.join(_STOP_S)
            if process.is_alive():
                process.kill()
                process.join()
            connection.close()
        self._running.clear()


def _work(order: bytes, connection: Connection) -> None:
    """Run one shard in a worker process and send what comes of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    outcome = attempt(obey, order, lambda event: connection.send_bytes(pickle.dumps(("event", event))))
    connection.send_bytes(message(outcome))
    connection.close()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limit BLAS in processes started from here, and torch in this one if it is imported, to one thread."""
    before = {name: os.environ.get(name) for name in THREADS}
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 0
    os.environ.update(dict.fromkeys(THREADS, "1"))
    if torch:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if torch:
            torch.set_num_threads(threads)
