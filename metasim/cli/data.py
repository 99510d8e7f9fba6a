"""The verbs ``collect``, ``verify``, ``merge`` and ``inspect``: datasets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import tyro

from metasim.cli.options import (
    Files,
    MaybeBackend,
    MaybeInt,
    MaybeStr,
    OneFile,
    Out,
    TaskModules,
    Tasks,
    Vary,
    expand_tasks,
    policy_name,
    protocol_id,
    vary_axes,
)
from metasim.cli.output import as_json, complain, note, plain, stdout_kept, table
from metasim.cli.progress import Bars
from metasim.cli.scaling import MaybeRay
from metasim.core.errors import InvalidConfig

if TYPE_CHECKING:
    from metasim.datasets import CollectConfig, Summary, Verification

MaybeFile = Annotated[Path | None, tyro.conf.arg(metavar="FILE")]
Keep = Annotated[str, tyro.conf.arg(metavar="successes|all")]
Split = Annotated[str, tyro.conf.arg(metavar="train|test")]
SHOWN_PROBLEMS = 20
RECORDED = ("policy", "vary", "goals", "seed", "split", "tail", "horizon")
"""What a recording decides."""


@dataclass(frozen=True, kw_only=True)
class Collect:
    """Collect demonstrations of tasks into one HDF5 file.

    The same command again finds the file and leaves it as it is; a killed run goes on where it stopped.

    Args:
        tasks: Task ids, globs such as 'metaworld/*', or protocols such as MT10; with --replay, some of its tasks.
        out: The finished file.
        backend: Engine.
        policy: Name of the policy, with parameters if it takes any, as in noisy-expert:sigma=0.2 (`metasim list
            policies` says which), or a file or folder that train wrote.
        replay: A dataset, whose actions are repeated in the engine; tasks, seed, split, goals, episodes and horizon
            are those of its recordings.
        vary: Axes of variation and their ranges, as in mass=train,friction=train (`metasim list axes` says which); none
            that needs a scene of its own.
        goals: A protocol, whose goals for the seed the episodes have, one after another; drawn for each if not given.
        episodes: Episodes per task; if not given, 10, or all that --replay has.
        seed: Root seed.
        split: Ranges of the factors.
        keep: Successful episodes only, or all of them, labelled.
        tail: Steps kept after the first success; None for every episode to its horizon.
        horizon: Most steps of an episode; each task's own if not given.
        workers: Processes; the file does not depend on it.
        worlds: Worlds stepped together in a process; the file does not depend on it.
        ray: Run it on Ray: on --workers CPUs started here, or --workers at a time on a cluster at an address; the file
            does not depend on it.
        task_module: A file that registers tasks; may be given several times.
    """

    tasks: Tasks
    out: Out
    backend: str = "mujoco"
    policy: str = "expert"
    replay: MaybeFile = None
    vary: Vary = ""
    goals: MaybeStr = None
    episodes: MaybeInt = None
    seed: int = 0
    split: Split = "train"
    keep: Keep = "successes"
    tail: MaybeInt = 10
    horizon: MaybeInt = None
    workers: int = 1
    worlds: int = 16
    ray: MaybeRay = None
    task_module: TaskModules = ()

    def run(self) -> int:
        """Collect and print where the file is."""
        from metasim.datasets import TooFewSuccesses, collect

        with stdout_kept():
            config = self._replayed() if self.replay else self._config()
            there = self.out.exists()
            try:
                with Bars(tasks=len(config.tasks)) as bars:
                    path = collect(config, bars, remark=lambda sentence: note(sentence, "yellow"))
            except TooFewSuccesses as verdict:
                complain(str(verdict))
                return 1
        if there:
            note(f"{path} is there already, with these settings")
        plain(str(path))
        return 0

    def _config(self) -> CollectConfig:
        from metasim.datasets import CollectConfig

        return CollectConfig(
            tasks=expand_tasks(self.tasks),
            out=self.out,
            backend=self.backend,
            policy=policy_name(self.policy),
            episodes=10 if self.episodes is None else self.episodes,
            seed=self.seed,
            split=self.split,
            keep=self.keep,
            tail=self.tail,
            horizon=self.horizon,
            vary=vary_axes(self.vary),
            goals="" if self.goals is None else protocol_id(self.goals),
            workers=self.workers,
            worlds=self.worlds,
            ray=self.ray,
        )

    def _replayed(self) -> CollectConfig:
        from metasim.policies.replay_plan import replay_config

        assert self.replay is not None
        told = [f"--{f.name}" for f in fields(self) if f.name in RECORDED and getattr(self, f.name) != f.default]
        if told:
            raise InvalidConfig(f"--replay takes that from its file: leave out {', '.join(told)}")
        return replay_config(
            self.replay,
            out=self.out,
            backend=self.backend,
            keep=self.keep,
            tasks=expand_tasks(self.tasks) if self.tasks else (),
            episodes=self.episodes,
            workers=self.workers,
            worlds=self.worlds,
        ).replace(ray=self.ray)


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Replay every episode of a dataset; the exit code is 1 if one does not hold.

    In the engine that recorded them, episodes must come out bit by bit; in another, the drift is measured.

    Args:
        file: The dataset.
        backend: Engine to replay in; the one that recorded each episode if not given.
        worlds: Episodes replayed side by side.
        task_module: A file that registers tasks; may be given several times.
        json: Print JSON.
    """

    file: OneFile
    backend: MaybeBackend = None
    worlds: int = 16
    task_module: TaskModules = ()
    json: bool = False

    def run(self) -> int:
        """Replay and print."""
        from metasim.datasets import verify

        with stdout_kept(), Bars() as bars:
            verdict = verify(self.file, backend=self.backend, worlds=self.worlds, report=bars)
        if self.json:
            episodes = [asdict(check) for check in verdict.episodes]
            report = {"file": str(self.file), "backend": self.backend, "ok": verdict.ok, "notes": verdict.notes}
            as_json({**report, "episodes": episodes})
        else:
            plain(f"{'ok' if verdict.ok else 'NOT OK'}: {verdict_line(verdict)}")
            for remark in verdict.notes:
                note(remark, "yellow")
            said = problems(verdict)
            for problem in said[:SHOWN_PROBLEMS]:
                note(problem, "yellow" if verdict.ok else "red")
            if said[SHOWN_PROBLEMS:]:
                note(f"and {len(said) - SHOWN_PROBLEMS} more; --json shows them all")
        return 0 if verdict.ok else 1


@dataclass(frozen=True, kw_only=True)
class Merge:
    """Join datasets into one, in the order given.

    Args:
        files: The datasets.
        out: The joined file.
    """

    files: Files
    out: Out

    def run(self) -> int:
        """Merge and print where the file is."""
        from metasim.datasets import merge

        if not self.files:
            raise InvalidConfig("name at least one dataset to merge")
        plain(str(merge(self.files, self.out)))
        return 0


@dataclass(frozen=True, kw_only=True)
class Inspect:
    """Say what a dataset holds.

    Args:
        file: The dataset.
        plot: Also draw returns, lengths, observations and starts of each task into this .svg, .png or .html file.
        card: Also write a card for people, with front matter for dataset hubs, into this Markdown file.
        force: Overwrite those.
        json: Print JSON.
    """

    file: OneFile
    plot: MaybeFile = None
    card: MaybeFile = None
    force: bool = False
    json: bool = False

    def run(self) -> int:
        """Read and print."""
        from metasim.datasets import inspect
        from metasim.datasets.tools import plot, write_card

        for path in filter(None, (self.plot, self.card)):
            if path.exists() and not self.force:
                raise InvalidConfig(f"{path} exists already; give another name, or --force to overwrite it")
        summary = inspect(self.file)
        for write, path in ((plot, self.plot), (write_card, self.card)):
            if path is not None:
                note(str(write(self.file, path)))
        if self.json:
            as_json(asdict(summary))
            return 0
        size = f"{summary.episodes} episodes, {summary.steps} steps, {summary.size_bytes / 1e6:.1f} MB"
        plain(f"{summary.path}: {size}, {summary.schema}")
        table(
            "",
            (
                "task",
                "engine",
                "policy",
                "split",
                "episodes",
                "solved",
                "at the last step",
                "steps",
                "return",
            ),
            _rows(summary),
        )
        plain("made with " + ", ".join(f"{name} {version}" for name, version in summary.versions.items()))
        return 0


def verdict_line(verdict: Verification) -> str:
    """Return what came of a replay, in one line."""
    exact = [check for check in verdict.episodes if check.exact]
    others = [check for check in verdict.episodes if check.replayed and not check.exact and not check.failure]
    imported = sum(not check.replayed and not check.failure for check in verdict.episodes)
    refused = len(verdict.episodes) - len(exact) - len(others) - imported
    words = [f"{verdict.bit_identical} of {len(exact)} episodes replayed bit by bit"] if exact else []
    if others:
        solved = [check for check in others if check.success]
        again = sum(check.success_reproduced for check in solved)
        drift = float(np.median([check.max_drift for check in others]))
        words.append(
            f"{again} of {len(solved)} solved ones solved again in {verdict.backend}, "
            f"observations {drift:.2g} apart (median of the largest differences)"
        )
    if imported:
        words.append(f"{imported} imported, of which only the content could be checked")
    if refused:
        words.append(f"{refused} not replayed")
    return "; ".join(words) or "no episodes"


def problems(verdict: Verification) -> list[str]:
    """Return a line for every episode that failed, or did not come out bit by bit where it should."""
    lines = list[str]()
    for check in verdict.episodes:
        where = f"demo_{check.demo}" + (f" ({check.task}, episode {check.episode})" if check.task else "")
        if check.failure:
            lines.append(f"{where}: {check.failure}")
        elif not check.intact:
            lines.append(f"{where}: changed since it was written: its content is not what its digest was made of")
        if not check.failure and check.exact and check.first_drift_step is not None:
            drift = f"{check.drifted} after {check.first_drift_step} steps, by up to {check.max_drift:g}"
            lines.append(f"{where}: differs in {drift}")
    return lines


def _rows(summary: Summary) -> Sequence[Sequence[str]]:
    return [
        (
            *(row.task, row.backend, row.policy, row.split, str(row.episodes)),
            *(str(row.successes), str(row.successes_last), _spread(row.lengths), _spread(row.returns)),
        )
        for row in summary.tasks
    ]


def _spread(spread: Any) -> str:
    return f"{spread.mean:.0f} [{spread.min:.0f}, {spread.max:.0f}]"
