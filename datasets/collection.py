"""Collects demonstrations into one file: the same bytes with any number of workers, interrupted or not."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from metasim.core.errors import DatasetError, MetasimError
from metasim.core.task_files import exported
from metasim.datasets import hdf5, schema, writer
from metasim.datasets.config import FAILURES_PER_EPISODE, CollectConfig, Progress
from metasim.datasets.episode import EpisodeInfo, TaskInfo
from metasim.datasets.parts import Parts, difference
from metasim.datasets.planning import check_scene, foreign_files, plan, run_items
from metasim.work import remove_drafts, run_shards, shards, write_atomically

Report = Callable[[Progress], None]

_PACKAGES = {"metasim": "metasim-robotics", "numpy": "numpy", "mujoco": "mujoco"}
_ENGINES = {"pybullet": "pybullet"}


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
    foreign, versions = foreign_files(config), package_versions([config.backend])
    with parts.held(config.arguments(), versions):
        remove_drafts(config.out)
        if not _finished(config):
            collection = _Collection(config, parts, report or _silent, began)
            with exported(foreign):
                chosen = collection.run()
            _merge(collection, chosen, versions)
            _log(config, collection, time.monotonic() - began)
        parts.remove()
    return config.out


def package_versions(backends: Sequence[str]) -> dict[str, str]:
    """Return the versions that decide what an episode is, those of model compiler and engines included."""
    packages = _PACKAGES | {name: _ENGINES[name] for name in backends if name in _ENGINES}
    return {name: importlib.metadata.version(package) for name, package in packages.items()}


class _Collection:
    """The waves of one collection: run what is missing and look again, until every task has its episodes."""

    def __init__(self, config: CollectConfig, parts: Parts, report: Report, began: float) -> None:
        self.config, self.parts, self._report = config, parts, report
        self._began = began
        self.known = parts.scan(config.tasks)
        self.resumed = sum(len(found) for found in self.known.values())
        self._counts = {task: Counter[str]() for task in config.tasks}
        for task, found in self.known.items():
            for info in found.values():
                self._count(task, info.num_samples if info else 0, info)
            check_scene(config, task, {info.model_digest for info in found.values() if info}, parts)

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
        self._count(task, steps, info)
        self._tell(task)

    def _count(self, task: str, steps: int, info: EpisodeInfo | None) -> None:
        solved = info is not None and info.success
        self._counts[task].update(steps=steps, kept=info is not None, successes=solved)

    def _tell(self, task: str) -> None:
        counts = self._counts[task]
        self._report(
            Progress(
                task=task,
                done=min(counts["kept"], self.config.episodes),
                wanted=self.config.episodes,
                successes=counts["successes"],
                attempts=len(self.known[task]),
                steps=counts["steps"],
                elapsed_s=time.monotonic() - self._began,
            )
        )

    def _too_few(self, task: str) -> TooFewSuccesses:
        found, config = self.known[task], self.config
        successes = sum(info is not None for info in found.values())
        limit = FAILURES_PER_EPISODE * config.episodes
        return TooFewSuccesses(
            f"policy {config.policy!r} solved {successes} of {len(found)} episodes of {task} in "
            f"{config.backend} ({successes / len(found):.1%}); {config.episodes} successes were asked for, "
            f"and it is given up after {limit} failures. Use another policy, or keep='all' to keep failures, "
            f"labelled; what was finished is in {self.parts.folder}"
        )


def _finished(config: CollectConfig) -> bool:
    """Tell whether the file is there; raises DatasetError if it is another one."""
    if not config.out.exists():
        return False
    if config.out.is_dir():
        raise DatasetError(f"{config.out} is a folder; give the name of a file")
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
