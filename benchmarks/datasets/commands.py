"""The benchmarks as a command line has them: what each takes, and which module runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import tyro

from metasim.benchmarks.datasets.page import HEAD, SECTIONS
from metasim.benchmarks.measuring import Benchmark, Page, Report

MaybeFolder = Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")]
EXPERTS = tuple(
    f"metaworld/{name}-v3" for name in "reach push pick-place drawer-open door-open button-press-topdown".split()
)


@dataclass(frozen=True, kw_only=True)
class Kills(Benchmark):
    """Kill collections with kill -9, let them go on, and count what was lost; the exit code is 1 if anything was.

    Args:
        kills: How many kills, over all scenarios and numbers of workers.
        workers: Numbers of worker processes.
        aimed: Share of the kills that wait for the merge; the others come at any moment of a run's whole length.
        alone: Share of the kills that end the parent, or one worker, instead of all processes.
        seed: Of all choices.
        lanes: Collections at a time.
    """

    promised: ClassVar[bool] = True
    kills: int = 200
    workers: tuple[int, ...] = (1, 2, 4)
    aimed: float = 0.25
    alone: float = 0.3
    seed: int = 0
    lanes: int = 1

    def run(self) -> Report:
        """Kill and count."""
        from metasim.benchmarks.datasets import kills
        from metasim.benchmarks.datasets.campaign import Plan

        plan = Plan(kills=self.kills, aimed=self.aimed, alone=self.alone, seed=self.seed, lanes=self.lanes)
        return kills.run(plan, workers=self.workers)


@dataclass(frozen=True, kw_only=True)
class Writing(Benchmark):
    """What writing costs a collection, flushing to disk included, with episodes of 500 and of 80 steps.

    Args:
        tasks: Task ids.
        episodes: Episodes of a pass.
        worlds: Worlds stepped together.
        rounds: Passes with writing, and as many without.
        folder: On the disk to write to; by default that of temporary files.
    """

    tasks: tuple[str, ...] = ("metaworld/reach-v3", "metaworld/push-v3", "metaworld/door-open-v3")
    episodes: int = 32
    worlds: int = 16
    rounds: int = 5
    folder: MaybeFolder = None

    def run(self) -> Report:
        """Measure."""
        from metasim.benchmarks.datasets import writing

        return writing.run(
            self.tasks, episodes=self.episodes, worlds=self.worlds, rounds=self.rounds, folder=self.folder
        )


@dataclass(frozen=True, kw_only=True)
class Experts(Benchmark):
    """Demonstrations per second against the original with its own scripted policies and plain h5py.

    Args:
        python: Interpreter of an environment that has metaworld 3.1.1 and h5py.
        tasks: Task ids.
        episodes: Demonstrations per task.
        full: Every episode has 500 steps; if not, it ends 10 steps after its first success.
        processes: Of each side.
        worlds: Of ours, in a process.
        rounds: How often each side runs.
    """

    python: Path
    tasks: tuple[str, ...] = EXPERTS
    episodes: int = 100
    full: bool = False
    processes: int = 2
    worlds: int = 16
    rounds: int = 3

    def run(self) -> Report:
        """Measure."""
        from metasim.benchmarks.datasets import experts

        race = experts.Race(
            episodes=self.episodes,
            full=self.full,
            processes=self.processes,
            worlds=self.worlds,
            python=self.python,
        )
        return experts.run(self.tasks, race, self.rounds)


@dataclass(frozen=True, kw_only=True)
class Merge(Benchmark):
    """Time and memory of joining many episodes, against plain copying of the bytes.

    Args:
        episodes: Episodes in all.
        files: Datasets that they stand in.
        rounds: How often each is done.
        folder: On the disk to write to; by default that of temporary files.
    """

    episodes: int = 1000
    files: int = 10
    rounds: int = 5
    folder: MaybeFolder = None

    def run(self) -> Report:
        """Measure."""
        from metasim.benchmarks.datasets import merges

        return merges.run(episodes=self.episodes, files=self.files, rounds=self.rounds, folder=self.folder)


@dataclass(frozen=True, kw_only=True)
class Windows(Benchmark):
    """Random access to windows of steps and to pictures, against plain h5py, robomimic and the bare decoder.

    Args:
        robomimic: Interpreter of an environment that has robomimic; left out if not given.
        episodes: Episodes of state data, of 500 steps each.
        length: Steps of a window.
        pixels: Width and height of a picture.
        seconds: What a round of one side should take.
        rounds: Rounds of every side.
        folder: On the disk to read from; by default that of temporary files.
    """

    robomimic: Annotated[Path | None, tyro.conf.arg(metavar="PYTHON")] = None
    episodes: int = 200
    length: int = 64
    pixels: int = 256
    seconds: float = 0.5
    rounds: int = 9
    folder: MaybeFolder = None

    def run(self) -> Report:
        """Measure."""
        from metasim.benchmarks.datasets import windows

        shelf = windows.Shelf(episodes=self.episodes, length=self.length, pixels=self.pixels)
        return windows.run(
            shelf, seconds=self.seconds, rounds=self.rounds, robomimic=self.robomimic, folder=self.folder
        )


class Written(Page):
    """Write a page of documentation from reports."""

    head, sections = HEAD, SECTIONS


BENCHMARKS: dict[str, Callable[..., Any]] = {
    "experts": Experts,
    "kills": Kills,
    "merge": Merge,
    "page": Written,
    "windows": Windows,
    "writing": Writing,
}
