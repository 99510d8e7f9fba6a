"""Worlds shared out among processes: Bullet holds the interpreter lock, so only processes run side by side.

Every worker has a contiguous slice of the worlds. What changes in every step lies in shared memory; everything else
goes through a pipe. One worker is no process: its worlds are stepped in the caller's. The shared memory has no name, so
nothing is left behind however the processes end, and it lives as long as anyone looks at it.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import multiprocessing
import weakref
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np

from metasim.backends.pybullet.state import Rows, Shared
from metasim.backends.pybullet.worlds import Job, Worlds
from metasim.core.errors import EngineFailure

Array = Any
_GRACE_S = 5.0
_SPAWN = multiprocessing.get_context("spawn")
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
        self._processes: list[BaseProcess] = []
        self._pipes: list[Connection] = []
        self._local: Worlds | None = None
        if len(self._edges) == 2:
            self.shared = Shared(**{name: np.zeros(*form) for name, form in layout.items()})
            self._local = Worlds(job, self.shared)
            return
        memory = _SPAWN.RawArray(ctypes.c_double, _size(layout))
        self.shared = _arrays(layout, memory)
        self._finalizer = weakref.finalize(self, _release, self._processes, self._pipes)
        try:
            self._start(job, layout, memory)
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
        """Call a method on some worlds, side by side; return what each worker that has any of them returned.

        Args:
            method: Of :class:`Worlds`; its first argument is the rows.
            rows: ``(n,)`` worlds.
            args: Of arrays ``(n, ...)`` and :class:`Rows` among these each worker gets its share.

        Raises:
            EngineFailure: If a worker has died.
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
        """End the workers; may be called twice."""
        if self._local is not None:
            self._local.close()
        else:
            self._finalizer()

    def _start(self, job: Job, layout: _Layout, memory: Any) -> None:
        for k in range(len(self._edges) - 1):
            ours, theirs = _SPAWN.Pipe()
            args = (theirs, job, layout, memory, (int(self._edges[k]), int(self._edges[k + 1])))
            process = _SPAWN.Process(target=_serve, args=args, name=f"metasim-bullet-{k}", daemon=True)
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
            " close this backend and launch another (a script whose backends have workers starts with"
            " `if __name__ == '__main__':`, for each worker imports it)"
        )


def _serve(pipe: Connection, job: Job, layout: _Layout, memory: Any, bounds: tuple[int, int]) -> None:
    """Run in a worker: build the worlds, then answer calls until the pipe closes."""
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
    return max(sum(math.prod(shape) for shape, _ in layout.values()), 1)


def _arrays(layout: _Layout, memory: Any) -> Shared:
    """Return the shared arrays in a block of doubles; their items are all of that size."""
    arrays, start = {}, 0
    for name, (shape, kind) in layout.items():
        count = math.prod(shape)
        arrays[name] = np.frombuffer(memory, np.float64, count, 8 * start).view(kind).reshape(shape)
        start += count
    return Shared(**arrays)


def _share(value: Any, part: slice, count: int) -> Any:
    if isinstance(value, Rows) or (isinstance(value, np.ndarray) and len(value) == count):
        return value.take(part) if isinstance(value, Rows) else value[part]
    return value


def _release(processes: list[BaseProcess], pipes: list[Connection]) -> None:
    """End processes, whatever state they are in."""
    for pipe in pipes:
        with contextlib.suppress(OSError):
            pipe.close()
    for process in processes:
        process.join(_GRACE_S)
        if process.is_alive():
            process.kill()
            process.join()
