"""The benchmarks as a command line has them: what each takes, and which module runs it."""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from metasim.benchmarks.measuring import Benchmark, Page, Report
from metasim.benchmarks.throughput.page import HEAD, SECTIONS
from metasim.benchmarks.throughput.rounds import Timing
from metasim.core.errors import InvalidConfig
from metasim.core.task import TASKS

MT10 = tuple(
    f"metaworld/{name}-v3"
    for name in (
        "reach push pick-place door-open drawer-open drawer-close button-press-topdown peg-insert-side window-open"
        " window-close"
    ).split()
)


def chosen_tasks(words: Sequence[str]) -> tuple[str, ...]:
    """Return task ids for ids and globs, each once, in the order given.

    Raises:
        UnknownName: For an id that is not registered.
        InvalidConfig: For a glob that matches nothing.
    """
    found: dict[str, None] = {}
    for word in words:
        if not set("*?[") & set(word):
            TASKS[word]
            found[word] = None
            continue
        matched = [task for task in TASKS if fnmatch.fnmatchcase(task, word)]
        if not matched:
            raise InvalidConfig(f"no task matches {word!r}; `metasim list tasks` says which there are")
        found |= dict.fromkeys(matched)
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class Laps(Benchmark):
    """What every comparison takes.

    Args:
        tasks: Task ids, or globs such as 'metaworld/*'; by default the ten of MT10.
        seconds: What a round of one side should take.
        rounds: Rounds of every side.
    """

    tasks: tuple[str, ...] = ()
    seconds: float = 0.5
    rounds: int = 7

    @property
    def chosen(self) -> tuple[str, ...]:
        """The tasks, checked."""
        return chosen_tasks(self.tasks or MT10)

    @property
    def timing(self) -> Timing:
        """How long to measure."""
        return Timing(seconds=self.seconds, rounds=self.rounds)


@dataclass(frozen=True, kw_only=True)
class Adapters(Laps):
    """An adapter's step against the step of the vector environment below it.

    Args:
        adapters: Of sb3 and rsl-rl.
        num_envs: Worlds.
        threads: Threads of each side.
        most_percent: What an adapter may cost.
    """

    adapters: tuple[str, ...] = ("sb3",)
    num_envs: int = 64
    threads: int = 2
    most_percent: float = 5.0

    def run(self) -> Report:
        """Measure."""
        from metasim.benchmarks.throughput import adapters

        return adapters.run(
            self.chosen,
            self.timing,
            adapters=self.adapters,
            num_envs=self.num_envs,
            threads=self.threads,
            most_percent=self.most_percent,
        )


@dataclass(frozen=True, kw_only=True)
class Batch(Laps):
    """MuJoCo: the vector environment against a bare Batch.step.

    Args:
        num_envs: Worlds.
        threads: Threads of each side.
        warmup: Steps before the states that laps begin from; None for one episode.
    """

    num_envs: int = 64
    threads: int = 2
    warmup: int | None = None

    def run(self) -> Report:
        """Measure."""
        from metasim.benchmarks.throughput import mujoco_batch

        return mujoco_batch.run(
            self.chosen, self.timing, num_envs=self.num_envs, threads=self.threads, warmup=self.warmup
        )


@dataclass(frozen=True, kw_only=True)
class _Peer(Laps):
    """What a comparison with another library takes.

    Args:
        python: Interpreter of an environment that has the peer.
        make_venv: Folder of an environment that is made, with the peer's pinned version in it, unless it is there.
    """

    python: Path | None = None
    make_venv: Path | None = None

    def interpreter(self, peer: str) -> Path:
        """Return the peer's interpreter."""
        from metasim.benchmarks.throughput import peer_process

        return peer_process.interpreter(peer, self.python, self.make_venv)


@dataclass(frozen=True, kw_only=True)
class _Vector(_Peer):
    """What a comparison of vector environments takes.

    Args:
        num_envs: Worlds.
        threads: Threads of each side.
        warmup: Steps that pass before rounds with resets; None for one episode.
    """

    peer: ClassVar[str]
    num_envs: int = 64
    threads: int = 2
    warmup: int | None = None

    def run(self) -> Report:
        """Measure."""
        from metasim.benchmarks.throughput import peers

        tasks, python = self.chosen, self.interpreter(self.peer.partition("-")[0])
        return peers.run_vector(
            self.peer, tasks, self.timing, python, num_envs=self.num_envs, threads=self.threads, warmup=self.warmup
        )


@dataclass(frozen=True, kw_only=True)
class Envpool(_Vector):
    """MuJoCo: the vector environment against envpool's."""

    peer: ClassVar[str] = "envpool"


@dataclass(frozen=True, kw_only=True)
class MetaworldVector(_Vector):
    """MuJoCo: the vector environment against the original's environments in gymnasium's SyncVectorEnv."""

    peer: ClassVar[str] = "metaworld-vector"


@dataclass(frozen=True, kw_only=True)
class Classic(_Peer):
    """MuJoCo: the classic suite against envpool's tasks and gymnasium's SyncVectorEnv, in one run.

    Args:
        num_envs: Worlds.
        threads: Threads of ours and of envpool's.
        warmup: Steps that pass before rounds with resets; None for one episode.
        gymnasium_python: Interpreter that gymnasium's environments run in; by default this one.
    """

    num_envs: int = 64
    threads: int = 2
    warmup: int | None = None
    gymnasium_python: Path = Path(sys.executable)

    def run(self) -> Report:
        """Measure."""
        from metasim.benchmarks.throughput import classic

        return classic.run(
            chosen_tasks(self.tasks or classic.TASKS),
            self.timing,
            self.interpreter("envpool"),
            self.gymnasium_python,
            num_envs=self.num_envs,
            threads=self.threads,
            warmup=self.warmup,
        )


@dataclass(frozen=True, kw_only=True)
class Resets(_Peer):
    """MuJoCo: new episodes in all worlds, from a new process, against the original's resets one by one.

    Args:
        num_envs: Worlds, and resets of the original.
    """

    num_envs: int = 64

    def run(self) -> Report:
        """Measure."""
        from metasim.benchmarks.throughput import resets

        return resets.run(self.chosen, self.timing.rounds, self.interpreter("metaworld"), num_envs=self.num_envs)


@dataclass(frozen=True, kw_only=True)
class Mixed(Laps):
    """MuJoCo: worlds of different tasks in one environment against one environment per task.

    Args:
        num_envs: Worlds of the mixed environment; they are shared out evenly among the tasks.
        single_envs: Worlds of each single-task environment.
        workers: Processes of the mixed environment, and threads of the others.
    """

    num_envs: int = 100
    single_envs: int = 64
    workers: int = 2

    def run(self) -> Report:
        """Measure."""
        from metasim.benchmarks.throughput import mixed

        tasks = self.chosen if self.tasks else chosen_tasks(("metaworld/*",))
        return mixed.run(tasks, self.timing, num_envs=self.num_envs, single_envs=self.single_envs, workers=self.workers)


@dataclass(frozen=True, kw_only=True)
class Metaworld(_Peer):
    """MuJoCo: one environment by gymnasium.make against the original's."""

    def run(self) -> Report:
        """Measure."""
        from metasim.benchmarks.throughput import peers

        return peers.run_metaworld(self.chosen, self.timing, self.interpreter("metaworld"))


@dataclass(frozen=True, kw_only=True)
class Pybullet(Laps):
    """PyBullet: the environment against a bare loop that repeats its commands, in one process.

    Args:
        num_envs: Worlds.
        arm: Also compare on a joint-controlled arm.
    """

    num_envs: int = 8
    arm: bool = True

    def run(self) -> Report:
        """Measure."""
        from metasim.benchmarks.throughput import pybullet_replay

        return pybullet_replay.run(self.chosen, self.timing, num_envs=self.num_envs, arm=self.arm)


@dataclass(frozen=True, kw_only=True)
class Startup(Benchmark):
    """Import, time until the first observation, memory.

    Args:
        imports: Imports, of which the best counts.
        starts: Starts, of which the best counts.
    """

    imports: int = 5
    starts: int = 3

    def run(self) -> Report:
        """Measure."""
        from metasim.benchmarks.throughput import startup

        return startup.run(imports=self.imports, starts=self.starts)


class Written(Page):
    """Write a page of documentation from reports."""

    head, sections = HEAD, SECTIONS


BENCHMARKS: dict[str, Callable[..., Any]] = {
    "adapters": Adapters,
    "batch": Batch,
    "classic": Classic,
    "envpool": Envpool,
    "metaworld": Metaworld,
    "metaworld-vector": MetaworldVector,
    "mixed": Mixed,
    "pybullet": Pybullet,
    "page": Written,
    "resets": Resets,
    "startup": Startup,
}
