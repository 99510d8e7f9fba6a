"""The commands as a command line has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metasim.benchmarks.metaworld.progress import bar
from metasim.benchmarks.metaworld.store import chosen_tasks

RESULTS = Path("out/metaworld")
ENGINES = ("mujoco", "pybullet")


@dataclass(frozen=True, kw_only=True)
class Command:
    """What every command takes.

    Args:
        out: Folder of the results.
    """

    out: Path = RESULTS

    def run(self) -> list[Path]:
        """Measure, and return the files that were written."""
        raise AssertionError("a command overrides this")


@dataclass(frozen=True, kw_only=True)
class Measurement(Command):
    """What every measurement takes.

    Args:
        tasks: Task ids or names such as reach; the whole suite by default.
        again: Measure also what the results hold already.
    """

    tasks: tuple[str, ...] = ()
    again: bool = False


@dataclass(frozen=True, kw_only=True)
class Experts(Measurement):
    """Expert success in each engine, at any step and at the last.

    Args:
        engines: Engines.
        episodes: Episodes per task.
        seed: Root seed.
        workers: Processes.
        worlds: Worlds stepped together in a process.
    """

    engines: tuple[str, ...] = ENGINES
    episodes: int = 50
    seed: int = 1000
    workers: int = 1
    worlds: int = 16

    def run(self) -> list[Path]:
        """Measure."""
        from metasim.benchmarks.metaworld import experts
        from metasim.benchmarks.runner import EvaluateConfig

        written, tasks = [], chosen_tasks(self.tasks)
        for engine in self.engines:
            config = EvaluateConfig(
                tasks=tasks,
                backend=engine,
                episodes=self.episodes,
                seed=self.seed,
                workers=self.workers,
                worlds=self.worlds,
            )
            with bar(f"experts, {engine}") as show:
                written.append(experts.run(config, experts.experts_file(self.out, engine), self.again, show))
        return written


@dataclass(frozen=True, kw_only=True)
class Goldens(Measurement):
    """Replay of recorded actions from recorded initial states in each engine.

    Args:
        engines: Engines.
        recordings: A folder with one recordings file for each task, or one file with all.
    """

    engines: tuple[str, ...] = ENGINES
    recordings: Path = Path("tests/data/metaworld_goldens.h5")

    def run(self) -> list[Path]:
        """Measure."""
        from metasim.benchmarks.metaworld import goldens

        written, tasks = [], chosen_tasks(self.tasks)
        for engine in self.engines:
            path = goldens.goldens_file(self.out, engine)
            with bar(f"goldens, {engine}") as show:
                written.append(goldens.run(tasks, engine, self.recordings, path, self.again, show))
        return written


@dataclass(frozen=True, kw_only=True)
class Drift(Measurement):
    """The same actions from the same states in both engines: the expert's, recorded in MuJoCo, and random ones.

    Args:
        episodes: Episodes per task and kind of action.
        seed: Root seed.
        steps: Length of an episode.
    """

    episodes: int = 5
    seed: int = 1000
    steps: int = 200

    def run(self) -> list[Path]:
        """Measure."""
        from metasim.benchmarks.metaworld import drift

        config = drift.DriftConfig(episodes=self.episodes, seed=self.seed, steps=self.steps)
        tasks, path = chosen_tasks(self.tasks), drift.drift_file(self.out)
        with bar("drift") as show:
            return [drift.run(tasks, config, path, self.again, show)]


@dataclass(frozen=True, kw_only=True)
class Page(Command):
    """Write the page (Markdown) from the results that are there.

    Args:
        page: The page.
    """

    page: Path = Path("docs/metaworld_engines.md")

    def run(self) -> list[Path]:
        """Write."""
        from metasim.benchmarks.metaworld import page
        from metasim.work import write_atomically

        return [write_atomically(self.page, page.markdown(page.read(self.out, ENGINES)).encode())]


COMMANDS: dict[str, Callable[..., Any]] = {"experts": Experts, "goldens": Goldens, "drift": Drift, "page": Page}
