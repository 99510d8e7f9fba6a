"""Which episodes to run next, and running some of them in one process."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from metasim.core.backend import BACKENDS
from metasim.core.errors import DatasetError
from metasim.core.policy import POLICIES
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS
from metasim.core.task_files import origins
from metasim.datasets.config import FAILURES_PER_EPISODE, CollectConfig
from metasim.datasets.episode import EpisodeInfo
from metasim.datasets.parts import Parts
from metasim.datasets.recording import Recorder
from metasim.envs.episodes import Episodes
from metasim.work import Emit

Item = tuple[str, int]
"""A task and the index of one of its episodes."""

_LEAST_RATE = 1 / FAILURES_PER_EPISODE


def plan(found: Mapping[int, EpisodeInfo | None], config: CollectConfig) -> tuple[list[int], list[int] | None]:
    """Return the indices known to belong in the file, and those to run next; None if it is hopeless.

    The outcome depends on the outcomes of the episodes in the order of their indices only: the first
    successes, or none if ten failures per episode asked for come before them.
    """
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


def run_items(config: CollectConfig, items: Sequence[Item], emit: Emit) -> None:
    """Record some episodes, each into its own file; emits task, episode, steps, and info if it was kept."""
    parts = Parts.of(config.out)
    for task in dict.fromkeys(task for task, _ in items):
        indices = [i for t, i in items if t == task]
        worlds = min(config.worlds, len(indices))
        episodes = Episodes(task, config.backend, worlds, horizon=config.horizon)
        try:
            policy = POLICIES[config.policy](episodes.task, worlds)
            recorder = Recorder(episodes, policy, policy_name=config.policy, backend=config.backend, tail=config.tail)
            seeds = [EpisodeSeed(root=config.seed, task=task, episode=i, split=config.split) for i in indices]
            for episode in recorder.run(seeds):
                info = episode.info
                kept = info.success or config.keep == "all"
                if kept:
                    parts.save(episode, recorder.task_info)
                else:
                    parts.mark_failed(task, info.episode)
                emit((task, info.episode, info.num_samples, info if kept else None))
        finally:
            episodes.close()


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
    backend, policy = BACKENDS[config.backend], POLICIES[config.policy]
    for task in tasks:
        policy(task, 1)
    return origins([*tasks, backend, *([policy] if hasattr(policy, "__module__") else [])])
