"""The verb ``train``: a policy that is learned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from metasim.cli.options import MaybeInt, TaskModules
from metasim.cli.output import note, plain, stdout_kept
from metasim.cli.pictures import one_task, slug
from metasim.cli.progress import Bars

if TYPE_CHECKING:
    from metasim.policies.training import Progress

Algorithm = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="sac|ppo|bc")]
Folder = Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")]
MaybeFloat = Annotated[float | None, tyro.conf.arg(metavar="FLOAT")]
Subject = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TASK|FILE.hdf5")]
Cameras = Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME:WIDTHxHEIGHT")]
Names = Annotated[str, tyro.conf.arg(metavar="NAME,...")]
DEFAULT_STEPS = 100_000
Changes = Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME=VALUE")]


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train a policy; the file it ends in is a policy wherever one is named.

    sac and ppo are Stable-Baselines3's, and learn a task; bc is behaviour cloning, and learns what a dataset does. It
    takes --cameras, --hide, --see, --steps (of the gradient), --seed, --threads, --set and --out only.

    The same command again finds the finished training and leaves it; a killed one goes on from its last checkpoint,
    and a finished one goes on if --steps is more.

    Args:
        algorithm: The learner.
        task: Task id, or a protocol of one task, whose goals the episodes then have: meta_rl/cheetah-vel-train; for
            bc the dataset.
        cameras: A camera whose pictures the policy sees as well; may be given several times.
        hide: Observations that the policy does not see, or globs, such as 'cube*,goal'.
        see: The only observations that it sees.
        show_goals: Let the learner see the goal of a protocol's episodes, appended where the task hides it.
        steps: Environment steps, all worlds together; 100000 if not given. For bc gradient steps.
        minutes: Time after which the training is finished, interruptions left out; no limit if not given.
        num_envs: Worlds; the hyperparameters' number if not given.
        seed: Root seed of networks, sampling and episodes.
        backend: Engine.
        workers: Threads (MuJoCo) or processes (PyBullet) of the engine.
        horizon: Steps until an episode is cut off; the task's if not given.
        evaluate_every: Steps between evaluations, each of which leaves a checkpoint; a twentieth of --steps if not
            given.
        evaluation_episodes: Episodes of an evaluation.
        set: A hyperparameter other than the table's, for example --set gamma=0.98; may be given several times.
        device: Where networks are: cpu, cuda, auto.
        threads: Threads of torch; another number gives other bits.
        tensorboard: Write the learner's log for TensorBoard, too.
        out: Folder of policies, learning curve and state; TASK_ALGORITHM_BACKEND_seedN if not given. For bc it may be
            the policy's file, such as policy.safetensors, too.
        task_module: A file that registers tasks; may be given several times.
    """

    algorithm: Algorithm
    task: Subject
    cameras: Cameras = ()
    hide: Names = ""
    see: Names = ""
    show_goals: bool = False
    steps: MaybeInt = None
    minutes: MaybeFloat = None
    num_envs: MaybeInt = None
    seed: int = 0
    backend: str = "mujoco"
    workers: int = 1
    horizon: MaybeInt = None
    evaluate_every: MaybeInt = None
    evaluation_episodes: int = 20
    set: Changes = ()
    device: str = "cpu"
    threads: int = 1
    tensorboard: bool = False
    out: Folder = None
    task_module: TaskModules = ()

    def run(self) -> int:
        """Train and print where the policy is."""
        from metasim.cli import cloning

        if self.algorithm == "bc":
            return cloning.run(self)
        cloning.refuse(self, [*cloning.OWN])
        return self._learn()

    def _learn(self) -> int:
        from metasim.policies.training import TrainConfig, parse_changes, train

        task, goals = task_and_goals(self.task)
        with stdout_kept():
            config = TrainConfig(
                algorithm=self.algorithm,
                task=task,
                out=self.out or Path(f"{slug(goals or task)}_{self.algorithm}_{self.backend}_seed{self.seed}"),
                goals=goals,
                show_goals=self.show_goals,
                steps=DEFAULT_STEPS if self.steps is None else self.steps,
                minutes=self.minutes,
                num_envs=self.num_envs,
                seed=self.seed,
                backend=self.backend,
                workers=self.workers,
                horizon=self.horizon,
                evaluate_every=self.evaluate_every,
                evaluation_episodes=self.evaluation_episodes,
                changes=parse_changes(self.set),
                device=self.device,
                threads=self.threads,
                tensorboard=self.tensorboard,
            )
            reports: list[Progress] = []
            with Bars("steps") as bars:

                def show(progress: Progress) -> None:
                    reports[:] = [progress]
                    bars.show(task, progress.share, describe(progress))

                path = train(config, show)
        if reports:
            note(describe(reports[0]))
        else:
            note(f"{config.out} is trained already, with these settings")
        plain(str(path))
        return 0


def task_and_goals(word: str) -> tuple[str, str]:
    """Return a task id and, if a protocol of one task is named, with or without its suite, its id; else nothing.

    Raises:
        UnknownName: If it is neither.
        InvalidConfig: For a protocol of several tasks.
    """
    from metasim.core.protocol import PROTOCOLS

    named = (id for id in PROTOCOLS if word.lower() in (id.lower(), id.lower().partition("/")[2]))
    protocol = next(named, None)
    if protocol is None or len(PROTOCOLS[protocol].tasks) != 1:
        return one_task(word), ""
    return PROTOCOLS[protocol].tasks[0], protocol


def describe(progress: Progress) -> str:
    """Return how far a training is, in one line."""
    words = f"{progress.done}/{progress.wanted} steps"
    row = progress.row
    if row is None:
        return words
    solved = f"{row.eval_success_any:.0%} solved, {row.eval_success_last:.0%} at the end"
    return f"{words}, return {row.eval_return:.4g}, {solved}"
