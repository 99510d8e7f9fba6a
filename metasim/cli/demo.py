"""The verb ``demo``: demonstrations of ten tasks in both engines, verified and evaluated, and a report.

Every stage leaves its outcome in the folder and finds it there the next time, and so goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from metasim.cli.data import verdict_line
from metasim.cli.evaluation import finished, instructions, renderer_notes, show
from metasim.cli.options import MaybeInt, Out, TaskModules, expand_tasks
from metasim.cli.output import note, plain, stdout_kept
from metasim.cli.progress import Bars

if TYPE_CHECKING:
    from metasim.benchmarks import Results

ENGINES = ("mujoco", "pybullet")
FILM_TASK = "metaworld/pick-place-v3"
DEMOS_SEED, RESULTS_SEED = 0, 1000  # evaluated on other episodes than were collected
Engines = Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(name="backend", metavar="STR")]
DemoTasks = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[TASK...]")]


@dataclass(frozen=True, kw_only=True)
class Demo:
    """Collect, merge, verify, evaluate, draw, report: ten tasks in two engines, in minutes.

    Args:
        tasks: Task ids with an expert; MT10 if none is named.
        backend: An engine; may be given several times; mujoco and pybullet if none is named.
        out: The folder for everything; report.html in it is for looking at.
        episodes: Demonstrations per task and engine.
        evaluate: Evaluated episodes per task and engine; twice the demonstrations if not given.
        workers: Processes; all processors if not given.
        worlds: Worlds stepped together in a process.
        horizon: Steps until an episode is cut off; each task's own if not given.
        task_module: A file that registers tasks; may be given several times.
    """

    tasks: DemoTasks = ("MT10",)
    backend: Engines = ()
    out: Out = Path("out")
    episodes: int = 5
    evaluate: MaybeInt = None
    workers: MaybeInt = None
    worlds: int = 16
    horizon: MaybeInt = None
    task_module: TaskModules = ()

    def run(self) -> int:
        """Do it all."""
        from metasim.benchmarks import merge, save, write_report

        began = time.monotonic()
        self.out.mkdir(parents=True, exist_ok=True)
        with stdout_kept():
            tasks = expand_tasks(self.tasks)
            engines, notes = usable(self.backend)
            stages = Stages(self, tasks, engines)
            demos = stages.demonstrations()
            good, sentence = stages.verification(demos)
            results = merge(stages.evaluation(engine) for engine in engines)
            save(results, self.out / "results.json")
            pictures, drawn_notes = stages.pictures()
            videos, film_notes = stages.video()
        page = write_report(
            results,
            self.out / "report.html",
            pictures,
            videos,
            notes=[sentence, *notes, *drawn_notes, *film_notes],
            instructions=instructions(results),
            command=self.command(),
            title=f"Scripted experts in {' and '.join(engines)}",
        )
        show(results, False)
        note(f"all done in {time.monotonic() - began:.0f} s; look at the report:")
        plain(str(page))
        return 0 if good else 1

    def command(self) -> str:
        """Return the command line that makes this demo again."""
        words = ["metasim demo", *([] if self.tasks == ("MT10",) else self.tasks)]
        words += [f"--backend {name}" for name in self.backend]
        words += [f"--episodes {self.episodes}"]
        words += [f"--{name} {value}" for name in ("evaluate", "horizon") if (value := getattr(self, name))]
        return " ".join(words)


class Stages:
    """The stages of a demo, each with its own line and bars."""

    def __init__(self, demo: Demo, tasks: tuple[str, ...], engines: tuple[str, ...]) -> None:
        self._demo, self._tasks, self._engines = demo, tasks, engines
        self._workers = demo.workers or len(os.sched_getaffinity(0))
        self._count, self._total = 0, 2 * len(engines) + 3

    def demonstrations(self) -> Path:
        """Collect in every engine and merge; return the merged file."""
        from metasim.datasets import CollectConfig, collect, merge

        demo, files = self._demo, []
        for engine in self._engines:
            config = CollectConfig(
                tasks=self._tasks,
                backend=engine,
                policy="expert",
                episodes=demo.episodes,
                seed=DEMOS_SEED,
                horizon=demo.horizon,
                workers=self._workers,
                worlds=demo.worlds,
                out=demo.out / f"demos_{engine}.h5",
            )
            with self._stage(f"demonstrations in {engine}") as bars:
                files.append(collect(config, bars))
        return merge(files, demo.out / "demos.h5")

    def verification(self, demos: Path) -> tuple[bool, str]:
        """Replay every demonstration; return whether all hold, and a sentence about it."""
        from metasim.datasets import verify

        stamp = self._demo.out / "verified.json"
        digest = hashlib.sha256(demos.read_bytes()).hexdigest()
        with self._stage("replaying every demonstration") as bars:
            known = json.loads(stamp.read_bytes()) if stamp.exists() else {}
            if known.get("sha256") == digest:
                return bool(known["ok"]), str(known["sentence"])
            verdict = verify(demos, report=bars)
        sentence = f"The demonstrations were replayed: {verdict_line(verdict)}."
        self._write(stamp, {"sha256": digest, "ok": verdict.ok, "sentence": sentence})
        return verdict.ok, sentence

    def evaluation(self, engine: str) -> Results:
        """Evaluate the experts in one engine."""
        from metasim.benchmarks import save
        from metasim.benchmarks.runner import EvaluateConfig, evaluate

        demo, path = self._demo, self._demo.out / f"results_{engine}.json"
        config = EvaluateConfig(
            tasks=self._tasks,
            backend=engine,
            policy="expert",
            episodes=demo.evaluate or 2 * demo.episodes,
            seed=RESULTS_SEED,
            horizon=demo.horizon,
            workers=self._workers,
            worlds=demo.worlds,
        )
        with self._stage(f"evaluating the experts in {engine}") as bars:
            results = finished(path, config.resolved()) or evaluate(config, bars)
            save(results, path)
        return results

    def pictures(self) -> tuple[dict[str, dict[str, bytes]], list[str]]:
        """Draw every task in every engine."""
        from metasim.cli.showcase import renderers, stills

        folder, done = self._demo.out / "pictures", 0
        wanted = len(self._tasks) * len(self._engines)
        with self._stage("pictures") as bars:

            def report(task: str) -> None:
                nonlocal done
                done += 1
                bars.show("pictures", done / wanted, task)

            pictures = stills(self._tasks, self._engines, RESULTS_SEED, folder, self._workers, report)
        return pictures, renderer_notes(renderers(folder, self._engines))

    def video(self) -> tuple[dict[str, dict[str, bytes]], list[str]]:
        """Film one task in all engines side by side."""
        from metasim.cli.pictures import slug
        from metasim.cli.showcase import film
        from metasim.core.errors import MissingDependency

        task = FILM_TASK if FILM_TASK in self._tasks else self._tasks[0]
        path = self._demo.out / "videos" / f"{slug(task)}_{'_'.join(self._engines)}.mp4"
        with self._stage("video") as bars:
            try:
                data = film(
                    task,
                    self._engines,
                    RESULTS_SEED,
                    path,
                    lambda done, wanted: bars.show("video", done / wanted, f"{done} steps"),
                )
            except MissingDependency as missing:
                return {}, [f"There is no video: {missing}."]
        return {f"The expert at {task}": {" and ".join(self._engines): data}}, []

    @contextmanager
    def _stage(self, title: str) -> Generator[Bars]:
        self._count += 1
        began = time.monotonic()
        note(f"[{self._count}/{self._total}] {title}", "bold")
        with Bars() as bars:
            yield bars
        note(f"      {time.monotonic() - began:.1f} s")

    @staticmethod
    def _write(path: Path, data: dict[str, Any]) -> None:
        from metasim.work import write_atomically

        write_atomically(path, json.dumps(data, indent=1).encode())


def usable(wanted: tuple[str, ...]) -> tuple[tuple[str, ...], list[str]]:
    """Return the engines that run here, and a sentence for each that does not; those asked for must run."""
    import metasim.model  # noqa: F401  before MuJoCo, which must be told how to draw before it is imported
    from metasim.core.backend import BACKENDS
    from metasim.core.errors import MetasimError

    if wanted:
        for name in wanted:
            BACKENDS[name]
        return tuple(dict.fromkeys(wanted)), []
    engines, notes = [], []
    for name in ENGINES:
        try:
            BACKENDS[name]
            engines.append(name)
        except (MetasimError, ImportError) as missing:
            notes.append(f"{name} does not run on this machine ({missing}); `metasim doctor` says what to install.")
    for line in notes:
        note(line, "yellow")
    return tuple(engines), notes
