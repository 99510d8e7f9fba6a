"""Processes that live on: each keeps an object of its own and answers calls on it, side by side with the others.

The first member is no process: it lives in the caller's. What changes often lies in shared memory, which has no name,
so that nothing is left behind however the processes end; everything else goes through a pipe. Processes are spawned,
never forked, so a script that asks for more than one needs ``if __name__ == "__main__"``.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import multiprocessing
import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np

from metasim.core.errors import EngineFailure
from metasim.core.task import TASKS
from metasim.core.task_files import VARIABLE

Array = Any
Form = tuple[tuple[int, ...], type]
_GRACE_S = 5.0
_SPAWN = multiprocessing.get_context("spawn")


class Board:
    """Named arrays that every member of a crew sees; passed to a process when it starts.

    Args:
        forms: Name to shape and type of each array.
        shared: False for arrays of this process alone.
    """

    def __init__(self, forms: Mapping[str, Form], *, shared: bool) -> None:
        self._forms = dict(forms)
        size = sum(_padded(form) for form in self._forms.values())
        self._memory: Any = _SPAWN.RawArray(ctypes.c_byte, max(size, 1)) if shared else bytearray(max(size, 1))

    def arrays(self) -> dict[str, Array]:
        """Return views of the memory by name."""
        views, start = {}, 0
        for name, (shape, kind) in self._forms.items():
            views[name] = np.frombuffer(self._memory, kind, math.prod(shape), start).reshape(shape)
            start += _padded((shape, kind))
        return views


class Crew:
    """Some objects, the first here and each other one in a process of its own.

    Args:
        build: Makes a member's object; a function or class that can be pickled.
        jobs: Arguments of ``build``, one tuple per member.
        names: What each member is called in errors.

    Attributes:
        here: The object that lives in this process.

    Raises:
        Exception: Whatever a member's ``build`` raised.
        EngineFailure: If a process died.
    """

    def __init__(self, build: Callable[..., Any], jobs: Sequence[tuple[Any, ...]], names: Sequence[str]) -> None:
        self._names, self._closed = list(names), False
        self._processes: list[BaseProcess] = []
        self._pipes: list[Connection] = []
        self._finalizer = weakref.finalize(self, _release, self._processes, self._pipes)
        try:
            for k, job in enumerate(jobs[1:], 1):
                self._start(k, build, job)
            self.here = build(*jobs[0])
            self._gather(range(1, len(jobs)))
        except BaseException:
            self._finalizer()
            if hasattr(self, "here"):
                self.here.close()
            raise

    def __len__(self) -> int:
        """Return the number of members."""
        return len(self._processes) + 1

    def call(self, method: str, *args: Any) -> list[Any]:
        """Call a method of every member with the same arguments; return what each returned, in order."""
        return self.call_each(method, [args] * len(self))

    def call_each(self, method: str, args: Sequence[tuple[Any, ...] | None]) -> list[Any]:
        """Call a method of every member with arguments of its own; None leaves a member out, and is its answer.

        Raises:
            Exception: The first that a member raised, once all have answered.
            EngineFailure: If a process has died.
        """
        away = [k for k in range(1, len(self)) if args[k] is not None]
        for k in away:
            try:
                self._pipes[k - 1].send((method, args[k]))
            except OSError as error:
                raise self._death(k) from error
        answers: list[Any] = [None] * len(self)
        problem: BaseException | None = None
        if args[0] is not None:
            try:
                answers[0] = getattr(self.here, method)(*args[0])
            except Exception as error:  # raised below, after the others have answered
                problem = error
        try:
            for k, answer in zip(away, self._gather(away), strict=True):
                answers[k] = answer
        except Exception:
            if problem is None:
                raise
        if problem is not None:
            raise problem
        return answers

    def close(self) -> None:
        """Close every member's object and end the processes; may be called twice."""
        if not self._closed:
            self._closed = True
            self.here.close()
            self._finalizer()

    def _start(self, k: int, build: Callable[..., Any], job: tuple[Any, ...]) -> None:
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=_serve, args=(theirs, build, job), name=f"metasim-{k}", daemon=True)
        process.start()
        theirs.close()
        self._pipes.append(ours)
        self._processes.append(process)

    def _gather(self, members: Sequence[int]) -> list[Any]:
        answers, problem = [], None
        for k in members:
            try:
                good, answer = self._pipes[k - 1].recv()
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
        process = self._processes[k - 1]
        process.join(_GRACE_S)
        return EngineFailure(
            f"{self._names[k]} died with exit code {process.exitcode}; close this and make another"
            " (a script that asks for worker processes starts with `if __name__ == '__main__':`, for each imports it)"
        )


def _serve(pipe: Connection, build: Callable[..., Any], job: tuple[Any, ...]) -> None:
    """Run in a process: build the object, then answer calls until the pipe closes."""
    member: Any = None
    try:
        try:
            if os.environ.get(VARIABLE):
                TASKS.discover()
            member = build(*job)
            pipe.send((True, None))
        except Exception as error:  # handed to the caller, whatever it is
            pipe.send((False, error))
            return
        while True:
            method, args = pipe.recv()
            try:
                pipe.send((True, getattr(member, method)(*args)))
            except Exception as error:
                pipe.send((False, error))
    except (EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        return
    finally:
        if member is not None:
            member.close()


def _padded(form: Form) -> int:
    shape, kind = form
    return -(-math.prod(shape) * np.dtype(kind).itemsize // 64) * 64


def _release(processes: list[BaseProcess], pipes: list[Connection]) -> None:
    for pipe in pipes:
        with contextlib.suppress(OSError):
            pipe.close()
    for process in processes:
        process.join(_GRACE_S)
        if process.is_alive():
            process.kill()
            process.join()
