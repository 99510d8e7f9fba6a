"""Replays a dataset: every episode again from its start, compared with what was recorded.

In the engine that recorded it, engine states, observations, rewards and successes must agree bit by bit, and
the episode's seed must draw the recorded start. In another engine the actions are replayed from the same
start and the drift of the observations is measured: nothing there is right or wrong.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metasim.core.errors import DatasetError, UnknownName
from metasim.datasets import schema
from metasim.datasets.config import Progress
from metasim.datasets.reader import Dataset
from metasim.datasets.replay import EpisodeCheck, Replay
from metasim.envs.episodes import Episodes

Array = Any


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What came of replaying a dataset.

    Attributes:
        path: The file.
        backend: Engine of the replay; None for the one that recorded each episode.
        ok: In the recording engine: every episode is bit-identical. In another: every episode could be
            replayed.
        episodes: One check per episode, in file order.
    """

    path: Path
    backend: str | None
    ok: bool
    episodes: tuple[EpisodeCheck, ...]

    @property
    def bit_identical(self) -> int:
        """How many episodes replayed bit-identically."""
        return sum(check.bit_identical for check in self.episodes)

    @property
    def successes(self) -> int:
        """How many episodes were recorded as successful."""
        return sum(check.success for check in self.episodes)

    @property
    def surviving(self) -> int:
        """How many of those succeeded again."""
        return sum(check.success and check.success_reproduced for check in self.episodes)

    @property
    def max_drift(self) -> float:
        """Largest difference of any episode."""
        return max((check.max_drift for check in self.episodes), default=0.0)


def verify(
    path: str | Path,
    *,
    backend: str | None = None,
    worlds: int = 16,
    report: Callable[[Progress], None] | None = None,
) -> Verification:
    """Check a dataset against the schema, then replay every episode.

    Args:
        path: The file.
        backend: Engine to replay in; None for the one that recorded each episode.
        worlds: Episodes replayed side by side.
        report: Called after every replayed episode.

    Raises:
        DatasetError: If the file breaks the schema, or one of its tasks is not installed.
        UnknownName: For an unknown engine.
    """
    began, checks = time.monotonic(), dict[int, EpisodeCheck]()
    with Dataset(path) as data:
        schema.check(data.file, data.path)
        groups: dict[tuple[str, str], list[int]] = {}
        for i, info in enumerate(data.infos()):
            groups.setdefault((info.task, info.backend), []).append(i)
        for (task, recorded), indices in groups.items():
            engine = recorded if backend is None else backend
            steps, done = 0, 0
            for i, check in _replayed(data, task, engine, indices, worlds, exact=engine == recorded):
                checks[i] = check
                steps, done = steps + check.steps, done + 1
                if report is not None:
                    succeeded = sum(checks[k].success_reproduced and checks[k].success for k in indices if k in checks)
                    report(
                        Progress(
                            task=task,
                            done=done,
                            wanted=len(indices),
                            successes=succeeded,
                            attempts=done,
                            steps=steps,
                            elapsed_s=time.monotonic() - began,
                        )
                    )
    episodes = tuple(checks[i] for i in sorted(checks))
    ok = all(c.bit_identical if c.exact else not c.failure for c in episodes)
    return Verification(path=Path(path), backend=backend, ok=ok, episodes=episodes)


def _replayed(data: Dataset, task: str, backend: str, indices: Sequence[int], worlds: int, *, exact: bool) -> Any:
    """Yield number and check of some episodes of one task as they finish."""
    n = min(worlds, len(indices))
    horizon = max(len(data.episode(i)) for i in indices)
    try:
        episodes = Episodes(task, backend, n, horizon=horizon)
    except UnknownName as error:
        if error.kind != "task":
            raise
        raise DatasetError(f"{data.path}: demo_{indices[0]} is of a task that is not installed: {error}") from error
    try:
        replay = Replay(episodes, data, horizon=horizon, exact=exact)
        waiting = iter(indices)
        replay.begin(np.arange(n), list(itertools.islice(waiting, n)))
        while replay.active.any():
            ended = replay.advance()
            for row in ended:
                yield replay.demo[row], replay.check(int(row))
            fresh = list(itertools.islice(waiting, len(ended)))
            if fresh:
                replay.begin(ended[: len(fresh)], fresh)
    finally:
        episodes.close()
