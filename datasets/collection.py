"""Collects demonstrations into one file: the same bytes with any number of workers, interrupted or not."""

from __future__ import annotations

import importlib.metadata
import json
import math
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from metasim.core.backend import BACKENDS
from metasim.core.errors import DatasetError, MetasimError
from metasim.core.policy import POLICIES
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS
from metasim.core.task_files import exported, origins
from metasim.datasets import hdf5, schema, writer
from metasim.datasets.config import FAILURES_PER_EPISODE, CollectConfig, Progress
from metasim.datasets.episode import EpisodeInfo, TaskInfo
from metasim.datasets.parts import Parts, difference
from metasim.datasets.recording import Recorder
from metasim.envs.episodes import Episodes
from metasim.work import Emit, run_shards, shards, write_atomically

Report = Callable[[Progress], None]
Item = tuple[str, int]
Known = dict[str, dict[int, EpisodeInfo | None]]

_PACKAGES = {"metasim": "metasim-robotics", "numpy": "numpy", "mujoco": "mujoco"}
_ENGINES = {"pybullet": "pybullet"}
_LEAST_RATE = 1 / FAILURES_PER_EPISODE


class TooFewSuccesses(MetasimError):
    """A policy fails so often that the demonstrations asked for are out of reach."""


def collect(config: CollectConfig, report: Report | None = None) -> Path:
    """Collect demonstrations into ``config.out`` and return it; a finished file is left untouched.

    Every finished episode is kept in ``FILE.parts`` until ``FILE`` is complete, so that an interrupted
    collection goes on where it was when called again.

    Args:
        config: What to collect.
        report: Called after every finished episode.

    Raises:
        DatasetError: If ``FILE`` or ``FILE.parts`` belongs to other arguments, or cannot be written.
        TooFewSuccesses: If the policy fails ten times as often as episodes are asked for.
        EngineFailure: If a worker was killed; what it finished is kept.
        UnknownName: For an unknown task, engine or policy.
    """
    began, parts = time.monotonic(), Parts.of(config.out)
    if _finished(config):
        parts.remove()
        return config.out
    foreign, versions = _foreign(config), package_versions([config.backend])
    with parts.held(config.arguments(), versions):
        if not _finished(config):
            collection = _Collection(config, parts, report or _silent, began)
            with exported(foreign):
                chosen = collection.run()
            _merge(collection, chosen, versions)
            _log(config, collection, time.monotonic() - began)
        parts.remove()
    return config.out


def package_versions(backends: Sequence[str]) -> dict[str, str]:
    """Return the versions that decide what an episode is: the model compiler's and the engines' among them."""
    packages = _PACKAGES | {name: _ENGINES[name] for name in backends if name in _ENGINES}
    return {name: importlib.metadata.version(package) for name, package in packages.items()}


class _Collection:
    """The waves of one collection: run what is missing and look again, until every task has its episodes."""

    def __init__(self, config: CollectConfig, parts: Parts, report: Report, began: float) -> None:
        self.config, self.parts, self._report = config, parts, report
        self._began = began
        self.known: Known = parts.scan(config.tasks)
        self.resumed = sum(len(found) for found in self.known.values())
        self._steps = {
            task: sum(i.num_samples for i in found.values() if i) for task, found in self.known.items()
        }

    def run(self) -> dict[str, list[int]]:
        """Return the indices of the episodes that belong in the file, by task."""
        while True:
            plans = {task: plan(found, self.config) for task, found in self.known.items()}
            for task, (_, missing) in plans.items():
                if missing is None:
                    raise self._too_few(task)
            items = [(task, i) for task, (_, missing) in plans.items() for i in missing or ()]
            if not items:
                return {task: chosen for task, (chosen, _) in plans.items()}
            for task in plans if self.resumed else ():
                self._tell(task)
            count = min(self.config.workers, len(items))
            run_shards(partial(run_items, self.config), shards(items, count), count, self._hear)

    def _hear(self, event: tuple[str, int, int, EpisodeInfo | None]) -> None:
        task, episode, steps, info = event
        self.known[task][episode] = info
        self._steps[task] += steps
        self._tell(task)

    def _tell(self, task: str) -> None:
        found = self.known[task]
        successes = sum(info is not None and info.success for info in found.values())
        kept = sum(info is not None for info in found.values())
        self._report(
            Progress(
                task=task,
                done=min(kept, self.config.episodes),
                wanted=self.config.episodes,
                successes=successes,
                attempts=len(found),
                steps=self._steps[task],
                elapsed_s=time.monotonic() - self._began,
            )
        )

    def _too_few(self, task: str) -> TooFewSuccesses:
        found, config = self.known[task], self.config
        successes = sum(info is not None for info in found.values())
        return TooFewSuccesses(
            f"policy {config.policy!r} solved {successes} of {len(found)} episodes of {task} in "
            f"{config.backend} ({successes / len(found):.1%}); {config.episodes} successes were asked for, and "
            f"it is given up after {FAILURES_PER_EPISODE * config.episodes} failures. Use another policy, or "
            f"keep='all' to keep failures, labelled; what was finished is in {self.parts.folder}"
        )


def plan(
    found: Mapping[int, EpisodeInfo | None], config: CollectConfig
) -> tuple[list[int], list[int] | None]:
    """Return the indices known to belong in the file, and those to run next; None for these when it is hopeless.

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
    return chosen, gaps + list(range(start, start + more)) or [start]


def run_items(config: CollectConfig, items: Sequence[Item], emit: Emit) -> None:
    """Record some episodes, each into its own file; emits task, episode, steps, and info if it was kept."""
    parts = Parts.of(config.out)
    for task in dict.fromkeys(task for task, _ in items):
        indices = [i for t, i in items if t == task]
        worlds = min(config.worlds, len(indices))
        episodes = Episodes(task, config.backend, worlds, horizon=config.horizon)
        try:
            policy = POLICIES[config.policy](episodes.task, worlds)
            recorder = Recorder(
                episodes, policy, policy_name=config.policy, backend=config.backend, tail=config.tail
            )
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


def _foreign(config: CollectConfig) -> list[str]:
    """Look everything up, so that what cannot work fails here, and return the files that a worker has to load."""
    tasks = [TASKS[task] for task in config.tasks]
    backend, policy = BACKENDS[config.backend], POLICIES[config.policy]
    for task in tasks:
        policy(task, 1)
    return origins([*tasks, backend, *([policy] if hasattr(policy, "__module__") else [])])


def _finished(config: CollectConfig) -> bool:
    """Tell whether the file is there; raises DatasetError if it is another one."""
    if not config.out.exists():
        return False
    with hdf5.opened(config.out) as file:
        collections = schema.read_header(file, config.out).collections
    asked = config.arguments()
    if list(collections) == [asked]:
        return True
    differs = difference(collections[0], asked) if len(collections) == 1 else "it was merged from several"
    raise DatasetError(
        f"{config.out} exists and was collected with other arguments: {differs}. "
        f"Use those, or another file, or delete it"
    )


def _merge(collection: _Collection, chosen: Mapping[str, list[int]], versions: Mapping[str, str]) -> None:
    sources: list[writer.Source] = []
    tasks: dict[str, TaskInfo] = {}
    config, parts = collection.config, collection.parts
    for task, indices in chosen.items():
        tasks[task] = writer.read_part(parts.path(task, indices[0]))[1]
        for index in indices:
            info = collection.known[task][index]
            assert info is not None
            sources.append(writer.Source(path=parts.path(task, index), group=writer.PART, info=info))
    writer.write_dataset(config.out, sources, tasks, versions, [config.arguments()])


def _log(config: CollectConfig, collection: _Collection, elapsed_s: float) -> None:
    """Write beside the file what must not be in it."""
    outcomes = {
        task: {"attempts": len(found), "kept": sum(info is not None for info in found.values())}
        for task, found in collection.known.items()
    }
    log = {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "h5py": importlib.metadata.version("h5py"),
        "workers": config.workers,
        "worlds": config.worlds,
        "elapsed_s": round(elapsed_s, 3),
        "resumed": collection.resumed,
        "outcomes": outcomes,
    }
    path = config.out.with_name(config.out.name + ".log.json")
    with hdf5.writing(path):
        write_atomically(path, json.dumps(log, indent=1).encode() + b"\n")


def _silent(progress: Progress) -> None:
    pass
