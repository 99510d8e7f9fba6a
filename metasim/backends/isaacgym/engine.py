"""The worker process, and the protocol with it: shared memory for what changes in every step, JSON for the rest.

The memory has no name, so nothing is left behind however the processes end. A worker that dies, answers nothing in
time, or speaks another protocol is an EngineFailure, with the last it wrote.
"""

from __future__ import annotations

import contextlib
import json
import math
import mmap
import os
import select
import subprocess
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from metasim.core.errors import EngineFailure, MissingDependency

Array = Any
PROTOCOL = 1
VARIABLE = "METASIM_ISAACGYM_PYTHON"
WORKER = Path(__file__).with_name("worker.py")
START_S, LOAD_S, CALL_S, CLOSE_S = 120.0, 600.0, 60.0, 5.0
"""How long a worker may take to import Isaac Gym, to build its worlds, for any other call, and to end."""
_LAST_LINES = 5
HOW = (
    "get Isaac Gym Preview 4 from developer.nvidia.com/isaac-gym, install it into a Python 3.8 of its own"
    f" (pip install -e isaacgym/python), and set {VARIABLE} to that interpreter"
)


def missing() -> str:
    """Return what is missing before a worker can be started; empty where nothing is."""
    path = os.environ.get(VARIABLE, "")
    if not path:
        return f"isaacgym runs in an interpreter of its own, and {VARIABLE} does not name one: {HOW}"
    if not os.access(path, os.X_OK) or os.path.isdir(path):
        return f"{VARIABLE} is {path!r}, which is no program: {HOW}"
    return ""


class Engine:
    """A worker process.

    Raises:
        MissingDependency: If there is no interpreter for it, or Isaac Gym cannot be imported there.
        EngineFailure: If it does not start.
    """

    def __init__(self) -> None:
        lacking = missing()
        if lacking:
            raise MissingDependency(lacking)
        self._memory = os.memfd_create("metasim-isaacgym")
        self._log = tempfile.TemporaryFile("w+", prefix="metasim-", errors="replace")  # noqa: SIM115  closed with it
        theirs, ours = os.pipe(), os.pipe()
        self._requests, self._answers = theirs[1], ours[0]
        self._rest = b""
        descriptors = (theirs[0], ours[1], self._memory)
        python = os.environ[VARIABLE]
        try:
            self._process = subprocess.Popen(
                [python, str(WORKER), *map(str, descriptors)],
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                env=_environment(python),
            )
        except OSError as error:
            raise EngineFailure(f"the isaacgym worker does not start: {python}: {error}") from error
        finally:
            os.close(theirs[0])
            os.close(ours[1])
        self._finalizer = weakref.finalize(
            self, _release, self._process, [self._requests, self._answers, self._memory], self._log
        )
        try:
            self._greet()
        except BaseException:
            self.close()
            raise

    def load(self, forms: Mapping[str, tuple[int, ...]], recipe: Mapping[str, Any]) -> dict[str, Array]:
        """Build the worlds of a recipe; return the shared arrays, float32.

        Args:
            forms: Name to shape of each array.
            recipe: What the worker builds.
        """
        sizes = [4 * math.prod(form) for form in forms.values()]
        os.ftruncate(self._memory, max(sum(sizes), 1))
        memory = mmap.mmap(self._memory, max(sum(sizes), 1))
        arrays, start = {}, 0
        for name, form in forms.items():
            arrays[name] = np.frombuffer(memory, np.float32, math.prod(form), start).reshape(form)
            start += 4 * math.prod(form)
        self._ask({"call": "load", "forms": {k: list(v) for k, v in forms.items()}, "recipe": dict(recipe)}, LOAD_S)
        return arrays

    def call(self, method: str, *args: Any) -> Any:
        """Call a method of the worker's worlds and return its answer.

        Raises:
            EngineFailure: If it raised, died, or took too long.
        """
        return self._ask({"call": method, "args": args}, CALL_S)

    def close(self) -> None:
        """End the worker; may be called twice."""
        self._finalizer()

    def _greet(self) -> None:
        hello = self._receive(START_S, "start")
        if hello.get("protocol") != PROTOCOL:
            raise EngineFailure(
                f"the isaacgym worker speaks protocol {hello.get('protocol')!r}, and this metasim {PROTOCOL};"
                f" {WORKER} and metasim must be of one version"
            )
        if not hello["ok"]:
            raise MissingDependency(
                f"isaacgym cannot be imported by {os.environ.get(VARIABLE)} (Python {hello.get('python')}):"
                f" {hello['error']}; {HOW}"
            )

    def _ask(self, request: Mapping[str, Any], timeout_s: float) -> Any:
        if not self._finalizer.alive:
            raise EngineFailure("the isaacgym worker has ended; close this backend and launch another")
        line = memoryview((json.dumps(request) + "\n").encode())
        while line:
            try:
                line = line[os.write(self._requests, line) :]
            except OSError as error:
                raise self._death(str(request["call"])) from error
        answer = self._receive(timeout_s, str(request["call"]))
        if not answer.get("ok"):
            raise EngineFailure(f"isaacgym, in {request['call']}: {answer.get('error')}{self._said()}")
        return answer.get("value")

    def _receive(self, timeout_s: float, what: str) -> dict[str, Any]:
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._answers], [], [], timeout_s)
            if not ready:
                said = self._said()
                self._process.kill()
                self.close()
                raise EngineFailure(
                    f"the isaacgym worker did not answer {what!r} within {timeout_s:g} s, and was ended;"
                    f" launch another{said}"
                )
            piece = os.read(self._answers, 1 << 16)
            if not piece:
                raise self._death(what)
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise EngineFailure(f"the isaacgym worker answered {line[:80]!r}, which is not this protocol")
        return answer

    def _death(self, what: str) -> EngineFailure:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSE_S)
        code, said = self._process.returncode, self._said()
        self.close()
        return EngineFailure(
            f"the isaacgym worker died in {what!r} with exit code {code}; close this backend and launch another{said}"
        )

    def _said(self) -> str:
        with contextlib.suppress(ValueError, OSError):
            self._log.seek(0)
            lines = [line.strip() for line in self._log.read().splitlines() if line.strip()]
            if lines:
                return f"; its last words: {' | '.join(lines[-_LAST_LINES:])}"
        return ""


def _environment(python: str) -> dict[str, str]:
    """Return the worker's environment: Isaac Gym wants its interpreter's own libraries to be found."""
    found = {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}
    libraries = str(Path(python).absolute().parent.parent / "lib")
    found["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, [libraries, found.get("LD_LIBRARY_PATH", "")]))
    return found


def _release(process: subprocess.Popen[bytes], descriptors: list[int], log: IO[str]) -> None:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    try:
        process.wait(CLOSE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    log.close()
