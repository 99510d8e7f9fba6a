"""The verbs ``eval`` and ``report``: numbers, and a page made of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from metasim.cli.options import (
    Files,
    MaybeInt,
    MaybeOut,
    MaybeStr,
    Out,
    SavedPolicies,
    TaskModules,
    Tasks,
    Vary,
    expand_tasks,
    policy_name,
    protocol_id,
    vary_axes,
)
from metasim.cli.output import as_json, note, plain, stdout_kept, table
from metasim.cli.progress import Bars, Counted
from metasim.cli.scaling import MaybeRay
from metasim.core.errors import InvalidConfig

if TYPE_CHECKING:
    from metasim.benchmarks import Results
    from metasim.benchmarks.report import Films, Filmstrip, Video

Split = Annotated[str, tyro.conf.arg(metavar="train|test")]
MediaFolders = Annotated[tuple[Path, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="FOLDER")]


@dataclass(frozen=True, kw_only=True)
class Eval:
    """Evaluate a policy: full-length episodes, success at any step and at the last.

    With --out, results that are there already with the same settings are shown and left as they are.

    Args:
        tasks: Task ids, globs such as 'metaworld/*', or protocols such as MT10.
        policy: Name of the policy, with parameters if it takes any, as in noisy-expert:sigma=0.2 (`metasim list
            policies` says which), a file or folder that train wrote, or replay:FILE for a dataset's actions.
        backend: Engine.
        episodes: Episodes per task.
        seed: Root seed.
        split: Ranges of the factors.
        horizon: Steps until an episode is cut off; each task's own if not given.
        workers: Processes; the results do not depend on it.
        worlds: Worlds stepped together in a process; the results do not depend on it.
        ray: Run it on Ray: on --workers CPUs started here, or --workers at a time on a cluster at an address; the
            results do not depend on it.
        vary: Axes of variation and their ranges, as in mass=test,friction=train (`metasim list axes` says which).
        goals: A protocol, whose goals for the seed the episodes have, one after another; drawn for each if not given.
        out: Results file (JSON).
        task_module: A file that registers tasks; may be given several times.
        json: Print summary and results as JSON.
    """

    tasks: Tasks
    policy: str = "expert"
    backend: str = "mujoco"
    episodes: int = 50
    seed: int = 0
    split: Split = "train"
    horizon: MaybeInt = None
    workers: int = 1
    worlds: int = 16
    ray: MaybeRay = None
    vary: Vary = ""
    goals: MaybeStr = None
    out: MaybeOut = None
    task_module: TaskModules = ()
    json: bool = False

    def run(self) -> int:
        """Evaluate and print."""
        from metasim.benchmarks import save
        from metasim.benchmarks.runner import EvaluateConfig, evaluate

        with stdout_kept():
            config = EvaluateConfig(
                tasks=expand_tasks(self.tasks),
                backend=self.backend,
                policy=policy_name(self.policy),
                episodes=self.episodes,
                seed=self.seed,
                split=self.split,
                horizon=self.horizon,
                workers=self.workers,
                worlds=self.worlds,
                ray=self.ray,
                vary=vary_axes(self.vary),
                goals=None if self.goals is None else protocol_id(self.goals),
            )
            results = finished(self.out, config.resolved())
            if results is None:
                with Bars(tasks=len(config.tasks)) as bars:
                    results = evaluate(config, bars)
                if self.out:
                    save(results, self.out)
            else:
                note(f"{self.out} is there already, with these settings")
        show(results, self.json)
        if self.out and not self.json:
            plain(str(self.out))
        return 0


@dataclass(frozen=True, kw_only=True)
class Report:
    """Make one page (HTML, everything in it) of one or more results files.

    Args:
        results: Results files, for example one per engine.
        out: The page.
        title: Its heading.
        pictures: Draw each task in each engine as well, which takes a second each.
        filmstrips: Run the first so many unsolved episodes again, in the two worst conditions of each task, engine and
            policy, and show seven frames of each; of a protocol, every task's start at each level, too. About 1 s and
            25 kB each, of 60 at most.
        videos: Run the first so many starts of each task again, and show engines and policies side by side, or the
            control and the highest level; about 2 s and 40 kB each. Needs the extra 'video'.
        media: A folder of filmstrips and videos that a protocol wrote; may be given several times.
        policy: Of a learned policy that is to be drawn, the file or folder; may be given several times.
        task_module: A file that registers tasks; may be given several times.
    """

    results: Files
    out: Out
    title: str = "Success of policies"
    pictures: bool = False
    filmstrips: int = 0
    videos: int = 0
    media: MediaFolders = ()
    policy: SavedPolicies = ()
    task_module: TaskModules = ()

    def run(self) -> int:
        """Merge and write."""
        from metasim.benchmarks import load, merge, write_report

        if not self.results:
            raise InvalidConfig("name at least one results file, as `metasim eval --out` writes them")
        results = merge(load(path) for path in self.results)
        self._learned(results)
        for name in ("filmstrips", "videos"):
            if getattr(self, name) < 0:
                raise InvalidConfig(f"--{name} is a number of episodes, 0 or more; got {getattr(self, name)}")
        with stdout_kept():
            media, remarks = self._films(results)
            pictures, notes = draw(results) if self.pictures else ({}, [])
            words = instructions(results)
        write_report(
            results,
            self.out,
            pictures,
            notes=[*notes, *remarks],
            media=media,
            instructions=words,
            command=self._command(),
            title=self.title,
        )
        plain(str(self.out))
        return 0

    def _learned(self, results: Results) -> None:
        """Read the learned policies, each of which has to be one that the results are of."""
        from metasim.benchmarks.report.learned import learned
        from metasim.policies import saved

        known = learned(results)
        for path in self.policy:
            name = saved(path)
            if name not in {one for names in known.values() for one in names}:
                raise InvalidConfig(f"{path} is policy {name!s}; the results have {list(known) or 'no learned policy'}")

    def _films(self, results: Results) -> tuple[list[Filmstrip | Video], list[str]]:
        """Return what is in the folders, what was drawn anew, and what a reader must know of it."""
        from metasim.benchmarks.report import load_media

        media, notes = [item for folder in self.media for item in load_media(folder)], list[str]()
        for name in ("filmstrips", "videos"):
            if count := getattr(self, name):
                for found in draw_films(results, name, count):
                    media += found.media
                    notes += found.notes
        return media, notes

    def _command(self) -> str:
        """Return the command line that makes this page again."""
        words = ["metasim report", *map(str, self.results), "-o", str(self.out)]
        words += ["--pictures"] if self.pictures else []
        words += [f"--{name} {count}" for name in ("filmstrips", "videos") if (count := getattr(self, name))]
        words += [f"--policy {path}" for path in self.policy]
        return " ".join([*words, *(f"--media {folder}" for folder in self.media)])


def finished(path: Path | None, resolved: Mapping[str, Any]) -> Results | None:
    """Return the results that are at ``path`` already, None if there are none.

    Raises:
        InvalidConfig: If they were made with other settings; the message says which.
    """
    from metasim.benchmarks import load
    from metasim.benchmarks.checking import thaw

    if path is None or not path.exists():
        return None
    results = load(path)
    there = thaw(results.config)
    odd = sorted(key for key in {*there, *resolved} if there.get(key) != resolved.get(key))
    if odd:
        raise InvalidConfig(
            f"{path} holds results with another {odd[0]}: {there.get(odd[0])!r} instead of"
            f" {resolved.get(odd[0])!r}; give another --out, or delete it"
        )
    return results


def show(results: Results, json_wanted: bool) -> None:
    """Print a summary, or summary and results as JSON."""
    from metasim.benchmarks import summarise
    from metasim.benchmarks.statistics import format_rate

    rows = summarise(results)
    if json_wanted:
        as_json({"summary": [_summary(row) for row in rows], **json.loads(results.to_bytes())})
        return
    table(
        "",
        (
            "task",
            "engine",
            "policy",
            "episodes",
            "broken off",
            "success at any step",
            "at the last step",
            "mean return",
        ),
        [
            (
                *(row.task, row.backend, row.policy, str(row.n), str(row.errors)),
                *(format_rate(row.success_any), format_rate(row.success_last), f"{row.mean_return:.1f}"),
            )
            for row in rows
        ],
    )


def _summary(row: Any) -> dict[str, Any]:
    rates = {
        name: {"value": rate.value, "low": rate.low, "high": rate.high, "successes": rate.successes}
        for name, rate in (("success_any", row.success_any), ("success_last", row.success_last))
    }
    plain_fields = ("task", "backend", "policy", "n", "errors", "mean_return", "first_success")
    return {**{name: getattr(row, name) for name in plain_fields}, **rates}


def draw_films(results: Results, name: str, count: int) -> Iterator[Films]:
    """Yield filmstrips, those of a protocol's levels first, or videos, drawn anew; says on standard error how far."""
    from metasim.benchmarks.generalization import TABLES, Rerun
    from metasim.benchmarks.report import Films, filmstrips, levels, reruns, side_by_side
    from metasim.benchmarks.report.learned import drawable

    results, missing = drawable(results)
    if missing:
        yield Films(media=(), notes=tuple(missing))
    frozen = results.protocol in TABLES
    kinds: dict[str, Any] = {
        "levels": (reruns.START, lambda run, report: levels(results, run=run, report=report)),
        "filmstrips": (reruns.STRIP, lambda run, report: filmstrips(results, count, run=run, report=report)),
        "videos": (reruns.VIDEO, lambda run, report: side_by_side(results, count, run=run, report=report)),
    }
    for kind in ("levels", name) if frozen and name == "filmstrips" else (name,):
        shots, draw_kind = kinds[kind]
        again = Rerun(results, shots) if frozen else None
        with Counted(kind) as counted:
            try:
                yield draw_kind(again, counted)
            finally:
                if again is not None:
                    again.close()


def instructions(results: Results) -> dict[str, str]:
    """Return the instruction of every task that is registered here."""
    from metasim.core.task import TASKS

    return {e.task: TASKS[e.task].instruction for e in results.episodes if e.task in TASKS}


def draw(results: Results) -> tuple[dict[str, dict[str, bytes]], list[str]]:
    """Return task → engine → PNG of the first episode's start, and what a reader must know of them."""
    from metasim.cli.pictures import first_picture
    from metasim.view import png

    pictures: dict[str, dict[str, bytes]] = {}
    drawn_by: dict[str, set[str]] = {}
    for e in results.episodes:
        if e.backend not in pictures.setdefault(e.task, {}):
            drawn = first_picture(e.task, e.backend, "", (320, 320), e.seed, e.episode)
            pictures[e.task][e.backend] = png(drawn.rgb)
            drawn_by.setdefault(drawn.renderer, set()).add(e.backend)
    return pictures, renderer_notes(drawn_by)


def renderer_notes(drawn_by: Mapping[str, set[str]]) -> list[str]:
    """Return a sentence for every renderer that stood in for an engine's own."""
    from metasim.view.pictures import SOFTWARE_NAME

    engines = sorted(drawn_by.get(SOFTWARE_NAME, ()))
    if not engines:
        return []
    return [f"There is no OpenGL here: {SOFTWARE_NAME} drew the pictures of {' and '.join(engines)}."]
