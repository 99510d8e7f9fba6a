"""The verb ``offline``: data of a family of tasks, for offline multi-task and meta-reinforcement learning."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated

import tyro

from metasim.cli.options import MaybeInt, Out, TaskModules
from metasim.cli.output import note, plain, stdout_kept
from metasim.cli.progress import Bars

Family = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FAMILY")]
MaybeFloat = Annotated[float | None, tyro.conf.arg(metavar="FLOAT")]
Changes = Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME=VALUE")]
Qualities = Annotated[str, tyro.conf.arg(metavar="NAME,...")]


@dataclass(frozen=True, kw_only=True)
class Offline:
    """Train one policy that is shown a family's hidden task, and record what it does: files by split and quality.

    The same command again changes nothing; a killed one goes on.

    Args:
        family: For example cheetah-vel: a name before -train in `metasim list protocols`.
        out: Folder: run/ has the training, train/ and test/ the datasets, README.md what they are worth.
        minutes: Time of the training, interruptions left out.
        steps: Most environment steps of the training; the family's if not given.
        evaluate_every: Steps between checkpoints; the family's if not given.
        episodes: Episodes of each task, per quality.
        qualities: Which files to make; random ones are always made.
        medium: How far from random actions' return to the best one the medium checkpoint is.
        backend: Engine.
        seed: Root seed of training and episodes.
        workers: Processes that collect; the files do not depend on it.
        worlds: Worlds of each of them; the files do not depend on it.
        threads: Threads of the learner; another number gives other bits.
        set: A hyperparameter other than the table's, for example --set gamma=0.98; may be given several times.
        task_module: A file that registers tasks; may be given several times.
    """

    family: Family
    out: Out
    minutes: MaybeFloat = 30.0
    steps: MaybeInt = None
    evaluate_every: MaybeInt = None
    episodes: int = 100
    qualities: Qualities = "random,medium,expert,mixed,replay"
    medium: float = 0.5
    backend: str = "mujoco"
    seed: int = 0
    workers: int = 1
    worlds: int = 64
    threads: int = 1
    set: Changes = ()
    task_module: TaskModules = ()

    def run(self) -> int:
        """Make what is missing, and print the page that describes it."""
        from metasim.policies.training import OfflineConfig, make_offline, parse_changes

        began = time.monotonic()
        with stdout_kept(), Bars() as bars:
            config = OfflineConfig(
                family=self.family,
                out=self.out,
                minutes=self.minutes,
                steps=self.steps,
                evaluate_every=self.evaluate_every,
                episodes=self.episodes,
                qualities=tuple(self.qualities.split(",")),
                medium=self.medium,
                backend=self.backend,
                seed=self.seed,
                workers=self.workers,
                worlds=self.worlds,
                threads=self.threads,
                changes=parse_changes(self.set),
            )
            folder = make_offline(config, bars.show)
        note(f"{(time.monotonic() - began) / 60.0:.1f} minutes")
        plain((folder / "README.md").read_text().rstrip())
        plain(str(folder))
        return 0
