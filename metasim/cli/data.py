"""The verbs ``collect``, ``verify``, ``merge`` and ``inspect``: datasets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from metasim.cli.options import (
    Files,
    MaybeBackend,
    MaybeInt,
    OneFile,
    Out,
    TaskModules,
    Tasks,
    expand_tasks,
    policy_name,
)
from metasim.cli.output import as_json, complain, note, plain, stdout_kept, table
from metasim.cli.progress import Bars
from metasim.core.errors import InvalidConfig

if TYPE_CHECKING:
    from metasim.datasets import Summary, Verification

Keep = Annotated[str, tyro.conf.arg(metavar="successes|all")]
Split = Annotated[str, tyro.conf.arg(metavar="train|test")]
SHOWN_PROBLEMS = 20


@dataclass(frozen=True, kw_only=True)
class Collect:
    """Collect demonstrations of tasks into one HDF5 file.

    The same command again finds the file and leaves it as it is; a killed run goes on where it stopped.

    Args:
        tasks: Task ids, globs such as 'metaworld/*', or protocols such as MT10.
        out: The finished file.
        backend: Engine.
        policy: Name of the policy (expert, noisy-expert, random, zero), or a file or folder that train wrote.
        episodes: Episodes per task.
        seed: Root seed.
        split: Ranges of the factors.
        keep: Successful episodes only, or all of them, labelled.
        tail: Steps kept after the first success; None for every episode to its horizon.
        horizon: Most steps of an episode; each task's own if not given.
        workers: Processes; the file does not depend on it.
        worlds: Worlds stepped together in a process; the file does not depend on it.
        task_module: A file that registers tasks; may be given several times.
    """

    tasks: Tasks
    out: Out
    backend: str = "mujoco"
    policy: str = "expert"
    episodes: int = 10
    seed: int = 0
    split: Split = "train"
    keep: Keep = "successes"
    tail: MaybeInt = 10
    horizon: MaybeInt = None
    workers: int = 1
    worlds: int = 16
    task_module: TaskModules = ()

    def run(self) -> int:
        """Collect and print where the file is."""
        from metasim.datasets import CollectConfig, TooFewSuccesses, collect

        with stdout_kept():
            config = CollectConfig(
                tasks=expand_tasks(self.tasks),
                out=self.out,
                backend=self.backend,
                policy=policy_name(self.policy),
                episodes=self.episodes,
                seed=self.seed,
                split=self.split,
                keep=self.keep,
                tail=self.tail,
                horizon=self.horizon,
                workers=self.workers,
                worlds=self.worlds,
            )
            there = self.out.exists()
            try:
                with Bars() as bars:
                    path = collect(config, bars)
            except TooFewSuccesses as verdict:
                complain(str(verdict))
                return 1
        if there:
            note(f"{path} is there already, with these settings")
        plain(str(path))
        return 0


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
            as_json({"file": str(self.file), "backend": self.backend, "ok": verdict.ok, "episodes": episodes})
        else:
            plain(f"{'ok' if verdict.ok else 'NOT OK'}: {verdict_line(verdict)}")
            for problem in problems(verdict)[:SHOWN_PROBLEMS]:
                note(problem, "yellow" if verdict.ok else "red")
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
        json: Print JSON.
    """

    file: OneFile
    json: bool = False

    def run(self) -> int:
        """Read and print."""
        from metasim.datasets import inspect

        summary = inspect(self.file)
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
    n = len(verdict.episodes)
    exact = sum(check.exact for check in verdict.episodes)
    words = [f"{verdict.bit_identical} of {exact} episodes replayed bit by bit"] if exact else []
    if exact < n:
        others = [check for check in verdict.episodes if not check.exact]
        solved = [check for check in others if check.success]
        again = sum(check.success_reproduced for check in solved)
        words.append(f"{again} of {len(solved)} solved ones solved again in {verdict.backend}")
    return "; ".join(words) or "no episodes"


def problems(verdict: Verification) -> list[str]:
    """Return a line for every episode that failed, or did not come out bit by bit where it should."""
    lines = []
    for check in verdict.episodes:
        where = f"demo_{check.demo} ({check.task}, episode {check.episode})"
        if check.failure:
            lines.append(f"{where}: {check.failure}")
        elif check.exact and not check.bit_identical:
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
