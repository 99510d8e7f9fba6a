"""What to train, and how a training reports."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from metasim.core.backend import BACKENDS
from metasim.core.errors import InvalidConfig
from metasim.core.protocol import PROTOCOLS, protocol_goals
from metasim.core.task import TASKS
from metasim.policies.training.settings import Settings, settings_of

_EVALUATIONS = 20


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A training; ``out``, ``workers``, ``steps``, ``minutes`` and ``evaluate_every`` do not decide what is learned.

    Args:
        algorithm: ``"sac"`` or ``"ppo"``.
        task: Task id.
        goals: A protocol; each episode then has one of its goals, drawn by the episode's seed, and episode i of an
            evaluation has goal i modulo their number. Empty for goals that episodes draw themselves.
        show_goals: Whether the learner sees the goal, in its place or at the end of the observation.
        out: Folder of everything that the training writes.
        steps: Environment steps, all worlds together; rounded up to whole rollouts.
        minutes: Time of the training, interruptions left out, after which it is finished, whatever ``steps`` says; None
            for no limit.
        num_envs: Worlds; None for the hyperparameters'.
        seed: Root seed of networks, sampling and episodes.
        backend: Engine.
        workers: Threads or processes of the engine.
        horizon: Steps until truncation; None for the task's.
        evaluate_every: Steps between evaluations, each of which leaves a checkpoint; None for a twentieth of ``steps``.
        evaluation_episodes: Episodes of an evaluation.
        changes: Hyperparameters that differ from the table's.
        device: Where networks are, ``"cpu"`` or as torch names it.
        threads: Threads of torch; other numbers give other bits.
        tensorboard: Whether the learner's own log is written for TensorBoard, too.

    Raises:
        UnknownName: For an unknown algorithm, task, engine or hyperparameter.
        InvalidConfig: For a value that cannot work.
    """

    algorithm: str
    task: str
    out: Path
    goals: str = ""
    show_goals: bool = False
    steps: int = 100_000
    minutes: float | None = None
    num_envs: int | None = None
    seed: int = 0
    backend: str = "mujoco"
    workers: int = 1
    horizon: int | None = None
    evaluate_every: int | None = None
    evaluation_episodes: int = 20
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    device: str = "cpu"
    threads: int = 1
    tensorboard: bool = False

    def __post_init__(self) -> None:
        """Check names and numbers."""
        object.__setattr__(self, "out", Path(self.out))
        TASKS[self.task]
        BACKENDS[self.backend]
        for name in ("steps", "num_envs", "workers", "horizon", "evaluate_every", "evaluation_episodes", "threads"):
            value = getattr(self, name)
            optional = name in ("num_envs", "horizon", "evaluate_every")
            if not (value is None and optional) and (
                isinstance(value, bool) or not isinstance(value, int) or value < 1
            ):
                raise InvalidConfig(f"{name} must be a whole number of 1 or more, got {value!r}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 2**31:
            raise InvalidConfig(f"seed must be a whole number from 0 to 2^31 - 1, got {self.seed!r}")
        if self.minutes is not None and not (math.isfinite(self.minutes) and self.minutes > 0):
            raise InvalidConfig(f"minutes must be a positive number, got {self.minutes!r}")
        if self.goals:
            protocol_goals(self.goals, (self.task,), self.seed)
            others = sorted({*PROTOCOLS[self.goals].tasks} - {self.task})
            if others:
                raise InvalidConfig(f"{self.goals} has tasks besides {self.task}: {others[:3]}; a policy learns one")
        elif self.show_goals:
            raise InvalidConfig("show_goals needs goals: a protocol, such as meta_rl/cheetah-vel-train")
        settings: Any = self.settings
        settings.check_worlds(self.worlds)

    @property
    def settings(self) -> Settings:
        """The hyperparameters."""
        return settings_of(self.algorithm, self.task, self.changes)

    @property
    def worlds(self) -> int:
        """The number of worlds."""
        return self.num_envs or self.settings.num_envs

    @property
    def interval(self) -> int:
        """Steps between evaluations."""
        return self.evaluate_every or max(1, self.steps // _EVALUATIONS)

    def arguments(self) -> dict[str, Any]:
        """Return what decides the outcome, as plain JSON values; a training can only go on with the same."""
        names = ("algorithm", "task", "seed", "backend", "horizon", "evaluation_episodes", "device", "threads")
        settings = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self.settings).items()}
        goals = {"goals": self.goals, "show_goals": self.show_goals} if self.goals else {}
        return {
            **{name: getattr(self, name) for name in names},
            **goals,
            "settings": {**settings, "num_envs": self.worlds},
        }


@dataclass(frozen=True, kw_only=True)
class Row:
    """A point of the learning curve, at an evaluation.

    Attributes:
        steps: Environment steps so far.
        episodes: Training episodes so far.
        train_return: Mean return of the last hundred of them.
        train_success: Share of those that ended solved.
        eval_return: Mean return of the evaluated episodes.
        eval_success_any: Share of them solved at some step.
        eval_success_last: Share of them solved at the last step.
    """

    steps: int
    episodes: int
    train_return: float | None
    train_success: float | None
    eval_return: float
    eval_success_any: float
    eval_success_last: float


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a training is.

    Attributes:
        task: Its task.
        done: Steps taken.
        wanted: Steps in all.
        row: The last evaluation, or None.
        elapsed_s: Since the call.
        share: What is done of the steps, or of the time if that is more, in [0, 1].
    """

    task: str
    done: int
    wanted: int
    row: Row | None
    elapsed_s: float
    share: float
