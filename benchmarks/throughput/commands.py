"""The benchmarks as a command line has them: what each takes, and which module runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metasim.benchmarks.throughput.report import Report
from metasim.benchmarks.throughput.rounds import Timing
from metasim.core.task import TASKS

MT10 = tuple(
    f"metaworld/{name}-v3"
    for name in (
        "reach",
        "push",
        "pick-place",
        "door-open",
        "drawer-open",
        "drawer-close",
        "button-press-topdown",
        "peg-insert-side",
        "window-open",
        "window-close",
    )
)


@dataclass(frozen=True, kw_only=True)
class Output:
    """What every benchmark takes.

    Args:
        json: Write JSON, with the machine and all versions, instead of a table.
        check: Exit with 1 where a goal is missed.
    """

    json: bool = False
    check: bool = False

    def run(self) -> Report:
        """Measure."""
        raise AssertionError("a benchmark overrides this")


@dataclass(frozen=True, kw_only=True)
class Laps(Output):
    """What every comparison takes.

    Args:
        tasks: Task ids; by default the ten of MT10.
        seconds: What a round of one side should take.
        rounds: Rounds of every side.
    """

    tasks: tuple[str, ...] = ()
    seconds: float = 0.5
    rounds: int = 7

    @property
    def chosen(self) -> tuple[str, ...]:
        """The tasks, checked."""
        for task in self.tasks:
            TASKS[task]
        return self.tasks or MT10

    @property
    def timing(self) -> Timing:
        """How long to measure."""
        return Timing(seconds=self.seconds, rounds=self.rounds)


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
class Envpool(_Peer):
    """MuJoCo: the vector environment against envpool's.

    Args:
        num_envs: Worlds.
        threads: Threads of each side.
        warmup: Steps that pass before rounds with resets; None for one episode.
    """

    num_envs: int = 64
    threads: int = 2
    warmup: int | None = None

    def run(self) -> Report:
        """Measure."""
        from metasim.benchmarks.throughput import peers

        tasks, python = self.chosen, self.interpreter("envpool")
        return peers.run_envpool(
            tasks, self.timing, python, num_envs=self.num_envs, threads=self.threads, warmup=self.warmup
        )


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
class Startup(Output):
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


BENCHMARKS: dict[str, Callable[..., Any]] = {
    "batch": Batch,
    "envpool": Envpool,
    "metaworld": Metaworld,
    "pybullet": Pybullet,
    "startup": Startup,
}
