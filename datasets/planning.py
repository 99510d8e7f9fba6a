"""Which episodes to run next, and running some of them in one process."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, NamedTuple

from metasim.core.backend import BACKENDS
from metasim.core.errors import DatasetError
from metasim.core.policy import POLICIES
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS
from metasim.core.task_files import origins
from metasim.datasets import writer
from metasim.datasets.config import FAILURES_PER_EPISODE, CollectConfig
from metasim.datasets.goals import check_goals
from metasim.datasets.parts import Parts
from metasim.datasets.receipts import Receipt
from metasim.datasets.recording import Recorder
from metasim.envs.episodes import Episodes
from metasim.envs.varying import check_vary
from metasim.work import Claims, Emit

Item = tuple[str, int]
"""A task and the index of one of its episodes."""

_LEAST_RATE = 1 / FAILURES_PER_EPISODE


def plan(
    found: Mapping[int, Any], config: CollectConfig, given: Sequence[int] | None = None
) -> tuple[list[int], list[int] | None]:
    """Return the indices known to belong in the file, and those to run next; None if it is hopeless.

    ``found`` is index to anything, or to None for an episode that failed and is not kept.
    The outcome depends on the outcomes of the episodes in the order of their indices only: the first
    successes, or none if ten failures per episode asked for come before them. Where only the indices ``given``, in
    ascending order, can be run, there may be fewer in the end.
    """
    if given is not None:
        places = {place: found[i] for place, i in enumerate(given) if i in found}
        chosen, missing = plan(places, config)
        more = None if missing is None else [given[place] for place in missing if place < len(given)]
        return [given[place] for place in chosen], more
    wanted = config.episodes
    if config.keep == "all":
        return [i for i in range(wanted) if i in found], [i for i in range(wanted) if i not in found]
    failures = 0
    chosen: list[int] = []
    for i in range(max(found, default=-1) + 1):
        if i not in found:
            break
        if found[i] is not None:
            chosen.append(i)
        else:
            failures += 1
        if len(chosen) == wanted:
            return chosen, []
        if failures >= FAILURES_PER_EPISODE * wanted:
            return chosen, None
    successes = sum(info is not None for info in found.values())
    rate = max(_LEAST_RATE, successes / len(found)) if found else 1.0
    gaps = [i for i in range(max(found, default=-1)) if i not in found]
    more = max(0, math.ceil((wanted - successes - len(gaps) * rate) / rate))
    start = max(found, default=-1) + 1
    decided = (FAILURES_PER_EPISODE + 1) * wanted - 1  # so many outcomes settle it, whatever they are
    return chosen, gaps + list(range(start, min(start + more, decided)))


class Finished(NamedTuple):
    """What a worker says of an episode that it has run.

    Attributes:
        task: Its task.
        episode: Its index.
        steps: Its steps.
        receipt: Of its file; None if it failed and is not kept.
        file: The bytes of its file, where the caller is to write it; see :func:`store`.
    """

    task: str
    episode: int
    steps: int
    receipt: Receipt | None
    file: bytes | None


@dataclass(frozen=True)
class Share:
    """Episodes that a worker is to run.

    Attributes:
        items: They, in order of their tasks.
        claims: Where several workers take theirs in turns, the numbers of the items.
        workers: How many those are.
    """

    items: Sequence[Item]
    claims: Claims | None = None
    workers: int = 1


class _Queue:
    """What a worker takes of its share, task by task."""

    def __init__(self, share: Share) -> None:
        self._items, self._numbers = share.items, iter(share.claims or range(len(share.items)))
        self._next = self._take()

    def of(self, task: str) -> Iterator[int]:
        """Take the indices of a task's episodes."""
        while self._next is not None and self._next[0] == task:
            index, self._next = self._next[1], None  # taken only when asked for: it may be another's by then
            yield index
            self._next = self._take()

    def _take(self) -> Item | None:
        number = next(self._numbers, None)
        return None if number is None else self._items[number]


def run_items(config: CollectConfig, share: Share, emit: Emit, *, write: bool = True) -> None:
    """Record some episodes and emit :class:`Finished` of each.

    With ``write`` each is written to its own file first; without, as on a machine whose disk is another, the file
    comes with what is emitted.
    """
    parts, queue = Parts.of(config.out), _Queue(share)
    for task, count in Counter(task for task, _ in share.items).items():
        mine = queue.of(task)
        first = list(islice(mine, min(config.worlds, math.ceil(count / share.workers))))
        if not first:
            continue
        episodes = Episodes(task, config.backend, len(first), horizon=config.horizon)
        try:
            policy = POLICIES[config.policy](episodes.task, len(first))
            names = {"policy_name": str(config.policy), "backend": config.backend, "goals": config.goals}
            recorder = Recorder(episodes, policy, tail=config.tail, vary=config.vary, **names)
            numbered = chain(first, mine)
            seeds = (EpisodeSeed(root=config.seed, task=task, episode=i, split=config.split) for i in numbered)
            for episode in recorder.run(seeds):
                kept, index, steps = episode.info.success or config.keep == "all", episode.info.episode, len(episode)
                file, receipt = writer.part(episode, recorder.task_info) if kept else (None, None)
                if write:
                    store(parts, task, index, file)
                emit(Finished(task, index, steps, receipt, None if write else file))
        finally:
            episodes.close()


def store(parts: Parts, task: str, episode: int, file: bytes | None) -> None:
    """Put a finished episode among the parts: its file, or for None that it failed.

    Raises:
        DatasetError: If it cannot be written.
    """
    if file is None:
        parts.mark_failed(task, episode)
        return
    parts.put(task, episode, file)


def check_scene(config: CollectConfig, task: str, digests: set[str], parts: Parts) -> None:
    """Raise DatasetError if finished episodes of a task were recorded with another scene than it has now."""
    if not digests:
        return
    episodes = Episodes(task, config.backend, 1)
    episodes.close()
    if digests != {episodes.model.info.digest}:
        raise DatasetError(
            f"{parts.folder} holds episodes of {task} that were recorded with another scene than the task has now; "
            f"delete the folder to record them again, or bring the scene back"
        )


def foreign_files(config: CollectConfig) -> list[str]:
    """Look everything up, so that what cannot work fails here; return the files a worker has to load."""
    tasks = [TASKS[task] for task in config.tasks]
    for task in tasks:
        check_vary(config.vary, task, config.backend, scenes=False)
    backend, policy = BACKENDS[config.backend], POLICIES[config.policy]
    for task in tasks:
        policy(task, 1)
    POLICIES.check_needs(config.policy, seed=config.seed, split=config.split, goals=config.goals)
    check_goals(config.goals, config.tasks, config.seed)
    return origins([*tasks, backend, *([policy] if hasattr(policy, "__module__") else [])])
