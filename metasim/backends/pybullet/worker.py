"""Worlds shared out among processes: Bullet holds the interpreter lock, so only processes run side by side.

Every worker has a contiguous slice of the worlds. What changes in every step lies in shared memory; everything else
goes through a pipe. One worker is no process: its worlds are stepped in the caller's.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import weakref
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np

from metasim.backends.pybullet.state import Rows, Shared
from metasim.backends.pybullet.worlds import Job, Worlds
from metasim.core.errors import EngineFailure

Array = Any
_GRACE_S = 5.0
_Layout = dict[str, tuple[tuple[int, ...], type]]


class Pool:
    """All worlds, wherever they are.

    Args:
        job: What to build.
        layout: Shape and type of each shared array, worlds first.
        workers: Number of processes; 1 for none.
    """

    def __init__(self, job: Job, layout: _Layout, workers: int) -> None:
        count = layout["failed"][0][0]
        self._edges = np.linspace(0, count, min(workers, count) + 1).astype(int)
        self._memory: SharedMemory | None = None
        self._processes: list[BaseProcess] = []
        self._pipes: list[Connection] = []
        self._local: Worlds | None = None
        if len(self._edges) == 2:
            self.shared = Shared(**{name: np.zeros(*form) for name, form in layout.items()})
            self._local = Worlds(job, self.shared)
            return
        self._memory = SharedMemory(create=True, size=_size(layout))
        self.shared = _arrays(layout, self._memory)
        self._finalizer = weakref.finalize(self, _release, self._memory, self._processes, self._pipes)
        try:
            self._start(job, layout)
        except BaseException:
            self.close()
            raise

    def call(self, method: str, *args: Any) -> list[Any]:
        """Call a method of all workers' :class:`Worlds` side by side; return what each returned.

        Raises:
            EngineFailure: If a worker has died.
        """
        return self._all([(k, method, args) for k in range(len(self._edges) - 1)])

    def call_rows(self, method: str, rows: Array, *args: Any) -> list[Any]:
        """Call a method on some worlds: its first argument is the rows, and of arrays ``(n, ...)`` and
        :class:`Rows` among ``args`` each worker gets its share.
        """
        calls = []
        bounds = np.searchsorted(rows, self._edges)
        for k in range(len(self._edges) - 1):
            part = slice(int(bounds[k]), int(bounds[k + 1]))
            if part.start < part.stop:
                share = [_share(a, part, len(rows)) for a in args]
                calls.append((k, method, (rows[part] - self._edges[k], *share)))
        return self._all(calls or [(0, method, (rows, *args))])

    def close(self) -> None:
        """End the workers and free the shared memory; may be called twice."""
        if self._local is not None:
            self._local.close()
        elif self._memory is not None:
            self.shared = None  # type: ignore[assignment]
            self._finalizer()

    def _start(self, job: Job, layout: _Layout) -> None:
        context = multiprocessing.get_context("spawn")
        for k in range(len(self._edges) - 1):
            ours, theirs = context.Pipe()
            bounds = int(self._edges[k]), int(self._edges[k + 1])
            process = context.Process(
                target=_serve,
                args=(theirs, job, layout, self._memory.name, bounds),
                name=f"metasim-bullet-{k}",
                daemon=True,  # type: ignore[union-attr]
            )
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)
        self._gather(range(len(self._pipes)))

    def _all(self, calls: Sequence[tuple[int, str, tuple[Any, ...]]]) -> list[Any]:
        if self._local is not None:
            return [getattr(self._local, method)(*args) for _, method, args in calls]
        for k, method, args in calls:
            try:
                self._pipes[k].send((method, args))
            except (BrokenPipeError, OSError) as error:
                raise self._death(k) from error
        return self._gather([k for k, _, _ in calls])

    def _gather(self, workers: Sequence[int]) -> list[Any]:
        """Wait for an answer of every worker, then raise the first error among them."""
        answers, problem = [], None
        for k in workers:
            try:
                good, answer = self._pipes[k].recv()
            except (EOFError, OSError):
                problem = problem or self._death(k)
                continue
            answers.append(answer)
            if not good:
                problem = problem or answer
        if problem is not None:
            raise problem
        return answers

    def _death(self, k: int) -> EngineFailure:
        self._processes[k].join(_GRACE_S)
        first, last = self._edges[k], self._edges[k + 1] - 1
        return EngineFailure(
            f"pybullet worker {k} (worlds {first} to {last}) died with exit code {self._processes[k].exitcode};"
            " close this backend and launch another"
        )


def _serve(pipe: Connection, job: Job, layout: _Layout, name: str, bounds: tuple[int, int]) -> None:
    """Run in a worker: build the worlds, then answer calls until the pipe closes."""
    memory = SharedMemory(name=name)
    worlds: Worlds | None = None
    try:
        try:
            worlds = Worlds(job, _arrays(layout, memory).take(slice(*bounds)))
            pipe.send((True, None))
        except Exception as error:  # handed to the caller, whatever it is
            pipe.send((False, error))
            return
        while True:
            method, args = pipe.recv()
            try:
                pipe.send((True, getattr(worlds, method)(*args)))
            except Exception as error:
                pipe.send((False, error))
    except (EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        return
    finally:
        if worlds is not None:
            worlds.close()


def _size(layout: _Layout) -> int:
    return max(sum(_bytes(form) for form in layout.values()), 1)


def _bytes(form: tuple[tuple[int, ...], type]) -> int:
    return int(np.prod(form[0])) * np.dtype(form[1]).itemsize


def _arrays(layout: _Layout, memory: SharedMemory) -> Shared:
    arrays, start = {}, 0
    for name, form in layout.items():
        arrays[name] = np.ndarray(*form, buffer=memory.buf, offset=start)
        start += _bytes(form)
    return Shared(**arrays)


def _share(value: Any, part: slice, count: int) -> Any:
    if isinstance(value, Rows) or (isinstance(value, np.ndarray) and len(value) == count):
        return value.take(part) if isinstance(value, Rows) else value[part]
    return value


def _release(memory: SharedMemory, processes: list[BaseProcess], pipes: list[Connection]) -> None:
    """End processes and free memory, whatever state they are in."""
    for pipe in pipes:
        with contextlib.suppress(OSError):
            pipe.close()
    for process in processes:
        process.join(_GRACE_S)
        if process.is_alive():
            process.kill()
            process.join()
    with contextlib.suppress(FileNotFoundError):
        memory.unlink()
    with contextlib.suppress(BufferError):
        memory.close()
