"""Replays a dataset: every episode again from its start, compared with what was recorded.

In the engine that recorded it, engine states, observations, rewards and successes must agree bit by bit, and
the episode's seed must draw the recorded start. In another engine the actions are replayed from the same
start and the drift of the observations is measured: nothing there is right or wrong.
"""

from __future__ import annotations

import importlib.metadata
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from metasim.core.backend import BACKENDS
from metasim.core.errors import DatasetError, MetasimError, UnknownName
from metasim.datasets import checking
from metasim.datasets.checking import TamperedEpisode
from metasim.datasets.config import Progress
from metasim.datasets.episode import EpisodeInfo, TaskInfo
from metasim.datasets.reader import Dataset
from metasim.datasets.replay import EpisodeCheck, Replay
from metasim.datasets.schema import NO_ENGINE
from metasim.datasets.versions import PACKAGES
from metasim.envs.episodes import Episodes

Array = Any


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What came of replaying a dataset.

    Attributes:
        path: The file.
        backend: Engine of the replay; None for the one that recorded each episode.
        ok: Header, statistics and every episode are intact; in the recording engine an episode is bit-identical as
            well, and in another it could be replayed. Of imported episodes, which no engine can repeat, only the
            content is checked.
        episodes: One check per episode, in file order.
        notes: What is not as it was when the episodes were recorded: header, statistics, versions, scenes.
    """

    path: Path
    backend: str | None
    ok: bool
    episodes: tuple[EpisodeCheck, ...]
    notes: tuple[str, ...] = ()

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

    An episode that is damaged, or whose task or engine is not installed, has a failure in its check; the others are
    replayed.

    Raises:
        DatasetError: If the file as a whole breaks the schema.
        UnknownName: For an unknown engine.
    """
    began, notes, faults = time.monotonic(), list[str](), list[str]()
    if backend is not None:
        BACKENDS[backend]
    checks, problems = dict[int, EpisodeCheck](), dict[int, DatasetError]()
    with Dataset(path) as data:
        checking.check(data.file, data.path, problems=problems, faults=faults)
        groups: dict[tuple[str, str], list[int]] = {}
        for i in range(len(data)):
            if isinstance(problems.get(i, TamperedEpisode()), TamperedEpisode):
                info = data.episode(i).info
                groups.setdefault((info.task, info.backend), []).append(i)
            else:
                checks[i] = _not_replayed(i, str(problems[i]))
        for (task, recorded), indices in groups.items():
            engine = recorded if backend is None or recorded == NO_ENGINE else backend
            steps, done = 0, 0
            for i, check in _replayed(data, task, engine, indices, worlds, notes, exact=engine == recorded):
                intact = i not in problems
                checks[i] = replace(check, intact=intact, bit_identical=check.bit_identical and intact)
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
        notes = [*faults, *_other_versions(data), *notes]
    episodes = tuple(checks[i] for i in sorted(checks))
    ok = not faults and all(c.intact and (c.bit_identical if c.exact else not c.failure) for c in episodes)
    return Verification(path=Path(path), backend=backend, ok=ok, episodes=episodes, notes=tuple(notes))


def _replayed(
    data: Dataset, task: str, backend: str, indices: Sequence[int], worlds: int, notes: list[str], *, exact: bool
) -> Iterator[tuple[int, EpisodeCheck]]:
    """Yield number and check of some episodes of one task as they finish; what fails is tried again alone."""
    if backend == NO_ENGINE:
        yield from ((i, _not_replayed(i, "", data.episode(i).info)) for i in indices)
        return
    horizon = max(len(data.episode(i)) for i in indices)
    try:
        episodes = Episodes(task, backend, min(worlds, len(indices)), horizon=horizon)
        if episodes.action_size != (size := data.header.tasks[task].action_size):
            episodes.close()
            raise DatasetError(f"actions of {task} have {episodes.action_size} numbers now, {size} were recorded")
    except MetasimError as error:
        missing = isinstance(error, UnknownName) and error.kind == "task"
        reason = f"its task is not installed: {error}" if missing else f"it cannot be replayed: {error}"
        yield from ((i, _not_replayed(i, reason, data.episode(i).info)) for i in indices)
        return
    left = list(indices)
    try:
        if exact:
            notes += [note for note in _other_scene(data.header.tasks[task], episodes, task) if note not in notes]
        for i, check in _run(Replay(episodes, data, horizon=horizon, exact=exact), indices, episodes.num_worlds):
            left.remove(i)
            yield i, check
    except MetasimError as error:
        if len(left) == 1:
            yield left[0], _not_replayed(left[0], f"it cannot be replayed: {error}", data.episode(left[0]).info)
            return
    finally:
        episodes.close()
    for i in left:
        yield from _replayed(data, task, backend, [i], 1, notes, exact=exact)


def _run(replay: Replay, indices: Sequence[int], worlds: int) -> Iterator[tuple[int, EpisodeCheck]]:
    waiting = iter(indices)
    replay.begin(np.arange(worlds), list(itertools.islice(waiting, worlds)))
    while replay.active.any():
        ended = replay.advance()
        for row in ended:
            yield int(replay.demo[row]), replay.check(int(row))
        fresh = list(itertools.islice(waiting, len(ended)))
        if fresh:
            replay.begin(ended[: len(fresh)], fresh)


def _not_replayed(demo: int, reason: str, info: EpisodeInfo | None = None) -> EpisodeCheck:
    return EpisodeCheck(
        demo=demo,
        task=info.task if info else "",
        episode=info.episode if info else -1,
        steps=info.num_samples if info else 0,
        exact=False,
        bit_identical=False,
        first_drift_step=None,
        drifted="",
        max_drift=0.0,
        success=info.success if info else False,
        success_reproduced=False,
        failure=reason,
        intact=info is not None,
        replayed=False,
    )


def _other_scene(recorded: TaskInfo, episodes: Episodes, task: str) -> Iterator[str]:
    """Yield what tells the scene from the recorded one, if anything does."""
    model = episodes.model
    if model.info.digest == recorded.model_digest:
        return
    now, then = model.assets, recorded.assets
    differ = [name for name in sorted({*now, *then}) if now.get(name) != then.get(name)]
    named = f"; other assets: {', '.join(differ)}" if differ else ", with the same meshes"
    yield f"the scene of {task} is not the one that was recorded{named}"


def _other_versions(data: Dataset) -> Iterator[str]:
    for name, package in PACKAGES.items():
        then = data.header.versions.get(name)
        try:
            now = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
        if then is not None and now != then:
            yield f"recorded with {name} {then}, replayed with {now}"
