"""How far two engines drift apart under the same actions from the same states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metasim.benchmarks.metaworld.progress import Show
from metasim.benchmarks.metaworld.replay import record, replay
from metasim.benchmarks.metaworld.store import Row, Rows, short
from metasim.benchmarks.versions import versions
from metasim.core.errors import InvalidConfig
from metasim.core.seeding import EpisodeSeed

Array = Any
KIND = "metaworld drift/1"
LATER = (10, 50, 150)
POLICIES = ("expert", "random")
MM = 1e3


@dataclass(frozen=True, kw_only=True)
class DriftConfig:
    """What to compare.

    Args:
        reference: Engine that the actions are recorded in.
        engine: Engine that they are repeated in.
        episodes: Episodes per task and kind of action.
        seed: Root seed.
        steps: Length of an episode.
    """

    reference: str = "mujoco"
    engine: str = "pybullet"
    episodes: int = 5
    seed: int = 1000
    steps: int = 200

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.steps < LATER[-1] or self.episodes < 1:
            raise InvalidConfig(f"drift takes {LATER[-1]} steps or more of one episode or more, got {self}")


def drift_file(out: Path) -> Path:
    """Return where the rows are."""
    return out / "drift.json"


def run(tasks: Sequence[str], config: DriftConfig, path: Path, again: bool, show: Show) -> Path:
    """Compare the engines in the tasks that the file of rows lacks and put them into it."""
    settings = {**asdict(config), "versions": versions(config.reference) | versions(config.engine)}
    rows = Rows.open(path, KIND, settings)
    todo = [task for task in tasks if again or task not in rows.tasks]
    for k, task in enumerate(todo):
        show(k / len(todo), short(task))
        rows.tasks[task] = [row for policy in POLICIES for row in measure(task, policy, config)]
        rows.save(path)
    return path


def measure(task: str, policy: str, config: DriftConfig) -> list[Row]:
    """Record actions in one engine, repeat them in both, and return a row for each episode."""
    seeds = [EpisodeSeed(root=config.seed, task=task, episode=i) for i in range(config.episodes)]
    starts, actions = record(task, config.reference, policy, seeds, config.steps)
    first, second = (replay(task, engine, starts, actions) for engine in (config.reference, config.engine))
    hand = np.linalg.norm(first.hand - second.hand, axis=2) * MM
    thing = np.linalg.norm(first.object - second.object, axis=2) * MM
    return [
        {
            "policy": policy,
            "episode": i,
            "hand_mm": {str(t): round(float(hand[i, t - 1]), 3) for t in LATER},
            "object_mm": {str(t): round(float(thing[i, t - 1]), 3) for t in LATER},
            "solved": bool(first.success[i].any()),
            "also_solved": bool(second.success[i].any()),
            "failed": second.failed.get(i, ""),
        }
        for i in range(config.episodes)
    ]
