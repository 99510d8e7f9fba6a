"""What offline data of a family to make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metasim.core.errors import InvalidConfig, UnknownName
from metasim.core.protocol import PROTOCOLS, is_whole, protocol_goals
from metasim.datasets.offline import QUALITIES
from metasim.policies.training.config import TrainConfig
from metasim.policies.training.settings import FAMILIES, FAST

SUITE, RUN = "meta_rl", "run"
_STEPS, _EVALUATE_EVERY = 10_000_000, 5000
_SMALL: Mapping[str, tuple[int, int]] = {"point-robot": (60_000, 1000)}  # families that need fewer: the same two
_CHANGES: Mapping[str, Mapping[str, Any]] = {"reach": {name: getattr(FAMILIES, name) for name in FAST}}


@dataclass(frozen=True, kw_only=True)
class OfflineConfig:
    """Offline data of a family; ``workers`` and ``worlds`` do not change it.

    Args:
        family: For example ``"cheetah-vel"``: its protocols are ``meta_rl/cheetah-vel-train`` and ``-test``.
        out: Folder of everything.
        minutes: Time of the training; None for no limit but ``steps``.
        steps: Most steps of the training; None for the family's: as many as the time allows, for most.
        evaluate_every: Steps between checkpoints; None for the family's.
        episodes: Episodes of each task, per quality.
        qualities: Which files to make, of :data:`~metasim.datasets.offline.QUALITIES`; random ones are always made.
        medium: How far from random actions' return to the best one the medium checkpoint is.
        backend: Engine.
        seed: Root seed of training and episodes.
        workers: Processes that collect.
        worlds: Worlds of each of them.
        threads: Threads of the learner.
        changes: Hyperparameters other than the table's.

    Raises:
        UnknownName: For an unknown family, quality, engine or hyperparameter.
        InvalidConfig: For a value that cannot work.
    """

    family: str
    out: Path
    minutes: float | None = 30.0
    steps: int | None = None
    evaluate_every: int | None = None
    episodes: int = 100
    qualities: tuple[str, ...] = QUALITIES
    medium: float = 0.5
    backend: str = "mujoco"
    seed: int = 0
    workers: int = 1
    worlds: int = 64
    threads: int = 1
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        """Check names and numbers."""
        object.__setattr__(self, "out", Path(self.out))
        object.__setattr__(self, "family", self.family.removeprefix(f"{SUITE}/"))
        families = [id.removeprefix(f"{SUITE}/").removesuffix("-train") for id in PROTOCOLS if _is_family(id)]
        if self.family not in families:
            raise UnknownName("family of tasks", self.family, families)
        for quality in self.qualities:
            if quality not in QUALITIES:
                raise UnknownName("quality", quality, QUALITIES)
        if not self.qualities or not 0.0 < self.medium < 1.0:
            raise InvalidConfig(
                f"at least one quality, and medium between 0 and 1, got {self.qualities}, {self.medium!r}"
            )
        if not is_whole(self.episodes) or self.episodes < 2:
            raise InvalidConfig(f"every task needs at least 2 episodes, got {self.episodes!r}")
        _ = self.training  # what cannot work is refused now, not after the first file

    @property
    def task(self) -> str:
        """The family's task."""
        return PROTOCOLS[self.protocol("train")].tasks[0]

    def protocol(self, split: str) -> str:
        """Return the id of a split's protocol."""
        return f"{SUITE}/{self.family}-{split}"

    @property
    def training(self) -> TrainConfig:
        """The training, evaluated on one episode of each training task."""
        _, goals = protocol_goals(self.protocol("train"), (self.task,), self.seed)
        steps, every = _SMALL.get(self.family, (_STEPS, _EVALUATE_EVERY))
        return TrainConfig(
            algorithm="sac",
            task=self.task,
            goals=self.protocol("train"),
            show_goals=True,
            out=self.out / RUN,
            steps=self.steps or steps,
            minutes=self.minutes,
            evaluate_every=self.evaluate_every or every,
            evaluation_episodes=max(10, len(goals[self.task])),
            backend=self.backend,
            seed=self.seed,
            threads=self.threads,
            changes={**_CHANGES.get(self.family, {}), **self.changes},
        )


def _is_family(id: str) -> bool:
    return id.startswith(f"{SUITE}/") and id.endswith("-train")
