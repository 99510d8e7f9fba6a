"""A collection in processes of its own, which is killed: when, who of them, and what it was doing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from metasim.core.errors import EngineFailure

START, COLLECT, MERGE, CLOSE = "starting", "collecting", "merging", "closing"
PHASES = (START, COLLECT, MERGE, CLOSE)
"""Before the first episode of a run; until the merged file is begun; until it has its name; until the parts are gone.

A file's name is the last thing that it gets, so what is merging may just as well be checking what it wrote.
"""
GROUP, PARENT, WORKER = "group", "parent", "worker"
"""Who is killed: all processes, the one that was started, or one that this one started."""
_LONGEST_S = 600.0
_LOOK_S = 0.0005


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is collected.

    Attributes:
        name: What the table calls it.
        tasks: Task ids.
        backend: Engine.
        policy: Policy.
        keep: ``"all"`` or ``"successes"``.
        episodes: Episodes per task.
        horizon: Most steps of an episode.
        tail: Steps kept after the first success.
    """

    name: str
    tasks: tuple[str, ...]
    backend: str
    policy: str
    keep: str
    episodes: int
    horizon: int
    tail: int

    def command(self, out: Path, workers: int, worlds: int) -> list[str]:
        """Return what a user would type."""
        chosen = {
            "backend": self.backend,
            "policy": self.policy,
            "keep": self.keep,
            "episodes": self.episodes,
            "horizon": self.horizon,
            "tail": self.tail,
            "workers": workers,
            "worlds": worlds,
            "out": out,
        }
        options = [word for name, value in chosen.items() for word in (f"--{name}", str(value))]
        return [sys.executable, "-m", "metasim", "collect", *self.tasks, *options]


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """How long an uninterrupted run takes [s].

    Attributes:
        first_s: Until the first finished episode.
        merge_s: Until the merged file is begun.
        named_s: Until it has its name.
        total_s: Until the process has ended.
    """

    first_s: float
    merge_s: float
    named_s: float
    total_s: float


@dataclass(frozen=True, kw_only=True)
class Death:
    """How a run ended: the phase that it was killed in, and who was killed; both empty if it came to its end."""

    phase: str = ""
    victim: str = ""


def parts_folder(out: Path) -> Path:
    """Return where a collection keeps its finished episodes."""
    return out.with_name(out.name + ".parts")


def published(out: Path) -> set[Path]:
    """Return the files of finished episodes, and the marks of failed ones."""
    return _files(out, "[0-9]*")


def _files(out: Path, pattern: str) -> set[Path]:
    """Return files among the parts; none if a run that is alive removes the folder at this moment."""
    try:
        return {path for path in parts_folder(out).rglob(pattern) if path.is_file()}
    except FileNotFoundError:
        return set()


class Run:
    """A run of ``metasim collect`` that leads a process group of its own.

    Args:
        scenario: What it collects.
        out: The file.
        workers: Its processes.
        worlds: Worlds in each.
        luck: Chooses among its workers.
    """

    def __init__(self, scenario: Scenario, out: Path, workers: int, worlds: int, luck: random.Random) -> None:
        self._out, self._before, self._luck = out, published(out), luck
        self._log = out.with_suffix(".err")
        with open(self._log, "wb") as log:
            self._began = time.perf_counter()
            self._process = subprocess.Popen(
                scenario.command(out, workers, worlds),
                cwd=out.parent,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )

    def killed_after(self, seconds: float, victim: str) -> Death:
        """Kill it so long after its start."""
        return self._killed(victim) if self._outlives(self._began + seconds) else self._ended()

    def killed_in_merge(self, seconds: float, victim: str) -> Death:
        """Kill it so long after it began to merge."""
        while not self._drafts() and not self._out.exists():
            if not self._outlives(time.perf_counter() + _LOOK_S):
                return self._ended()
        return self._killed(victim) if self._outlives(time.perf_counter() + seconds) else self._ended()

    def finished(self) -> Death:
        """Wait for its end.

        Raises:
            EngineFailure: If it fails.
        """
        self._outlives(self._began + _LONGEST_S)
        return self._ended()

    def timed(self) -> Timeline:
        """Wait for its end and say how long it took to get where."""
        tests: list[Callable[[], bool]] = [
            lambda: bool(published(self._out)),
            lambda: bool(self._drafts()) or self._out.exists(),
            self._out.exists,
        ]
        reached: list[float] = []
        while self._outlives(time.perf_counter() + _LOOK_S):
            while len(reached) < len(tests) and tests[len(reached)]():
                reached.append(time.perf_counter() - self._began)
        total = time.perf_counter() - self._began
        self._ended()
        reached += [total] * (len(tests) - len(reached))
        return Timeline(first_s=reached[0], merge_s=reached[1], named_s=reached[2], total_s=total)

    def close(self) -> None:
        """End whatever is left of it."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        self._log.unlink(missing_ok=True)

    def _outlives(self, moment: float) -> bool:
        try:
            self._process.wait(max(0.0, moment - time.perf_counter()))
        except subprocess.TimeoutExpired:
            return True
        return False

    def _killed(self, victim: str) -> Death:
        workers = _workers(self._process.pid) if victim == WORKER else []
        if victim == WORKER and workers:
            phase = self._phase()
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(self._luck.choice(workers), signal.SIGKILL)
            if not self._outlives(time.perf_counter() + _LONGEST_S) and self._process.returncode == 0:
                return Death()  # it had done its part
            return Death(phase=phase, victim=WORKER)
        alone = victim == PARENT
        (os.kill if alone else os.killpg)(self._process.pid, signal.SIGKILL)
        if self._process.wait() != -signal.SIGKILL:
            return self._ended()
        return Death(phase=self._phase(), victim=PARENT if alone else GROUP)

    def _phase(self) -> str:
        if self._out.exists():
            return CLOSE
        if self._drafts():
            return MERGE
        drafts = _files(self._out, ".[0-9]*.tmp")
        return COLLECT if drafts or published(self._out) - self._before else START

    def _drafts(self) -> list[Path]:
        return list(self._out.parent.glob(".*.tmp"))

    def _ended(self) -> Death:
        if self._process.returncode:
            said = self._log.read_text(errors="replace").strip()[-2000:]
            raise EngineFailure(f"a run failed with exit code {self._process.returncode}: {said}")
        return Death()


def _workers(pid: int) -> list[int]:
    """Return the worker processes of a process."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in children if b"--multiprocessing-fork" in _command(child)]
    except OSError:
        return []


def _command(pid: str) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
