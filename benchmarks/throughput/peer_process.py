"""Another library's process: started in that library's own virtual environment, asked over pipes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from metasim.benchmarks.throughput.rounds import Lap
from metasim.core.errors import EngineFailure, InvalidConfig

Array = Any
WORKER = Path(__file__).with_name("peer_worker.py")
PINS: Mapping[str, tuple[str, ...]] = {
    "envpool": ("envpool==1.2.5", "gymnasium==1.4.0", "numpy==2.4.6"),
    "gymnasium": ("gymnasium==1.4.0", "mujoco==4.0.0", "numpy==2.4.6"),
    "metaworld": ("metaworld==3.1.1", "mujoco==3.3.0", "gymnasium==1.4.0", "numpy==2.4.6", "packaging"),
}


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a peer is asked to make.

    Attributes:
        peer: Its name.
        task: The task in the peer's words.
        actions: ``(T, N, A)``.
        threads: Of the peer.
    """

    peer: str
    task: str
    actions: Array
    threads: int = 1


class Peer:
    """A peer's process, and its environment as a side of a comparison.

    Raises:
        InvalidConfig: If there is no such interpreter.
        EngineFailure: If the process dies or its library raises.
    """

    def __init__(self, python: Path, setup: Setup) -> None:
        found = shutil.which(python)
        if found is None:
            raise InvalidConfig(f"cannot run {str(python)!r}, the interpreter given for {setup.peer}")
        self.name, program = setup.peer, os.path.abspath(found)
        self._folder = tempfile.TemporaryDirectory(prefix="metasim-")
        actions = Path(self._folder.name) / "actions.npy"
        np.save(actions, setup.actions)
        self._process = subprocess.Popen(
            [program, "-I", str(WORKER)],
            cwd=self._folder.name,  # for whatever the peer writes beside itself
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            made = self._ask(
                "make",
                peer=setup.peer,
                task=setup.task,
                actions=str(actions),
                num_envs=setup.actions.shape[1],
                threads=setup.threads,
            )
        except BaseException:
            self.close()
            raise
        self.version: str = made["version"]

    def stagger(self, steps: int) -> None:
        """Give the worlds episodes of different ages."""
        self._ask("stagger", steps=steps)

    def step(self, steps: int) -> Lap:
        """Take some steps."""
        return Lap(**self._ask("step", steps=steps))

    def fresh_step(self, steps: int) -> Lap:
        """Take some steps from the beginning of episodes."""
        return Lap(**self._ask("fresh_step", steps=steps))

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                cast(IO[str], pipe).close()
        try:
            self._process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def _ask(self, do: str, **fields: Any) -> dict[str, Any]:
        asking, answering = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)
        try:
            asking.write(json.dumps({"do": do, **fields}) + "\n")
            asking.flush()
            line = answering.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise EngineFailure(f"the process of {self.name} died with exit code {self._process.wait()} at {do!r}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise EngineFailure(f"{self.name} cannot {do}: {answer['error']}")
        return answer


def interpreter(peer: str, python: Path | None, make_venv: Path | None) -> Path:
    """Return the interpreter of a peer's environment, which is made first where ``make_venv`` says so.

    Raises:
        InvalidConfig: If neither is given, or both are.
        EngineFailure: If the installation fails.
    """
    if (python is None) == (make_venv is None):
        raise InvalidConfig(
            f"{peer} lives in an environment of its own: give either --python PATH or --make-venv FOLDER"
        )
    if python is not None:
        return python
    assert make_venv is not None
    target = make_venv / "bin" / "python"
    if not target.exists():
        _call([sys.executable, "-m", "venv", str(make_venv)])
    _call([str(target), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PINS[peer]])
    return target


def _call(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineFailure(f"{' '.join(command)} failed: {done.stderr.strip()[-2000:]}")
