"""Collects demonstrations into one file: the same bytes with any number of workers, interrupted or not."""

from __future__ import annotations

import importlib.metadata
import json
import math
import platform
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from metasim.core.errors import DatasetError, MetasimError
from metasim.core.policy import POLICIES
from metasim.core.task_files import exported
from metasim.datasets import hdf5, schema, writer
from metasim.datasets.config import FAILURES_PER_EPISODE, CollectConfig, Progress
from metasim.datasets.episode import TaskInfo
from metasim.datasets.parts import Parts, difference
from metasim.datasets.planning import Finished, Item, Share, check_scene, foreign_files, plan, run_items, store
from metasim.datasets.receipts import Receipt
from metasim.datasets.versions import package_versions, source_digests
from metasim.work import Claims, Executor, executor, remove_drafts, shards, write_atomically

Report = Callable[[Progress], None]
_ALONE_S = 2.0  # what takes one worker less than others need to start


class TooFewSuccesses(MetasimError):
    """A policy fails so often that the demonstrations asked for are out of reach."""


def collect(config: CollectConfig, report: Report | None = None, remark: Callable[[str], None] | None = None) -> Path:
    """Collect demonstrations into ``config.out`` and return it; a finished file is left untouched.

    Every finished episode is kept in ``FILE.parts`` until ``FILE`` is complete, so that an interrupted
    collection goes on where it was when called again.

    Args:
        config: What to collect.
        report: Called after every finished episode.
        remark: Told, in a sentence each, what was found damaged in ``FILE.parts``; the log beside the file says it too.

    Raises:
        DatasetError: If ``FILE`` or ``FILE.parts`` belongs to other arguments, or cannot be written.
        TooFewSuccesses: If the policy fails ten times as often as episodes are asked for.
        EngineFailure: If a worker was killed, or there is no Ray to run on; what was finished is kept.
        MissingDependency: If it is to run on Ray, which is not installed.
        UnknownName: For an unknown task, engine or policy.
    """
    began, parts = time.monotonic(), Parts.of(config.out)
    if _finished(config):
        parts.remove()
        return config.out
    pool = executor(config.ray, config.workers)
    foreign, versions = foreign_files(config), package_versions([config.backend])
    with parts.held(config.arguments(), versions, source_digests(foreign)):
        remove_drafts(config.out)
        if not _finished(config):
            collection = _Collection(config, parts, report or _silent, began, remark or _silent)
            with exported(foreign), pool:
                chosen = collection.run(pool)
            collection.tell_what_failed(chosen, remark or _silent)
            _merge(collection, chosen, versions)
            _log(config, collection, time.monotonic() - began)
        parts.remove()
    return config.out


class _Collection:
    """The waves of one collection: run what is missing and look again, until every task has its episodes.

    Who runs which episode, and how many do, may depend on the clock; what is in the file does not.
    """

    def __init__(
        self, config: CollectConfig, parts: Parts, report: Report, began: float, remark: Callable[[str], None]
    ) -> None:
        self.config, self.parts, self._report = config, parts, report
        self._began, self._pace_s = began, math.inf
        self.given: Mapping[str, Sequence[int]] = getattr(POLICIES[config.policy], "episodes", {})
        self.damaged: list[str] = []
        self.known = parts.scan(config.tasks, self.damaged.append)
        for sentence in self.damaged:
            remark(sentence)
        self._found = {task: len(found) for task, found in self.known.items()}
        self.resumed = sum(self._found.values())
        self._counts = {task: Counter[str]() for task in config.tasks}
        for task, found in self.known.items():
            for receipt in found.values():
                self._count(task, receipt.info.num_samples if receipt else 0, receipt)
            check_scene(config, task, {receipt.info.model_digest for receipt in found.values() if receipt}, parts)

    def run(self, pool: Executor) -> dict[str, list[int]]:
        """Return the indices of the episodes that belong in the file, by task."""
        while True:
            plans = {task: plan(found, self.config, self.given.get(task)) for task, found in self.known.items()}
            for task, (_, missing) in plans.items():
                if missing is None:
                    raise self._too_few(task)
            items = [(task, i) for task, (_, missing) in plans.items() for i in missing or ()]
            if not items:
                if not any(chosen for chosen, _ in plans.values()):
                    raise self._too_few(next(iter(plans)))
                return {task: chosen for task, (chosen, _) in plans.items() if chosen}
            for task in plans if self.resumed else ():
                self._tell(task)
            began = time.monotonic()
            work = self._shares(items, shared=pool.shares_files)
            record = partial(run_items, self.config, write=pool.shares_files)
            pool.run(record, work, partial(self._hear, stored=pool.shares_files))
            self._pace_s = (time.monotonic() - began) * len(work) / len(items)

    def _shares(self, items: list[Item], *, shared: bool) -> list[Share]:
        """Return what each worker is to run: on one machine, whatever is its turn, elsewhere every n-th episode."""
        count = min(self.config.workers, len(items))
        if not shared:
            return [Share(items=part) for part in shards(items, count)]
        if self._pace_s * len(items) < _ALONE_S:
            count = 1
        with hdf5.writing(self.parts.folder):
            claims = Claims.laid(self.parts.folder / ".claims", len(items))
        return [Share(items=items, claims=claims, workers=count)] * count

    def tell_what_failed(self, chosen: Mapping[str, Sequence[int]], remark: Callable[[str], None]) -> None:
        """Say of which replayed tasks not every recording succeeded again."""
        for task, indices in self.given.items():
            kept, asked = len(chosen.get(task, ())), min(self.config.episodes, len(indices))
            if task in self.known and kept < asked:
                remark(f"{task}: {kept} of {asked} recordings succeeded again in {self.config.backend}, and are kept")

    def _hear(self, event: Finished, stored: bool) -> None:
        task, episode, steps, receipt, file = event
        if not stored:
            store(self.parts, task, episode, file)
        self.known[task][episode] = receipt
        self._count(task, steps, receipt)
        self._tell(task)

    def _count(self, task: str, steps: int, receipt: Receipt | None) -> None:
        kept, solved = int(receipt is not None), int(receipt is not None and receipt.info.success)
        self._counts[task].update(steps=steps, kept=kept, successes=solved)

    def _tell(self, task: str) -> None:
        counts, wanted = self._counts[task], self.config.episodes
        replayed = len(self.known[task]) if task in self.given else counts["kept"]
        wanted = min(wanted, len(self.given.get(task, range(wanted))))
        self._report(
            Progress(
                task=task,
                done=min(replayed, wanted),
                wanted=wanted,
                successes=counts["successes"],
                attempts=len(self.known[task]),
                steps=counts["steps"],
                elapsed_s=time.monotonic() - self._began,
                found=self._found[task],
            )
        )

    def _too_few(self, task: str) -> TooFewSuccesses:
        found, config = self.known[task], self.config
        successes = sum(receipt is not None for receipt in found.values())
        limit = FAILURES_PER_EPISODE * config.episodes
        if task in self.given:
            return TooFewSuccesses(
                f"no recording of {list(self.known)} solved its task again in {config.backend}, {len(found)} of {task} "
                f"among them. Use keep='all' to keep failures, labelled; what was finished is in {self.parts.folder}"
            )
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
            receipt = collection.known[task][index]
            sources.append(writer.Source(path=parts.path(task, index), group=writer.PART, receipt=receipt))
    writer.write_dataset(config.out, sources, tasks, versions, [config.arguments()])


def _log(config: CollectConfig, collection: _Collection, elapsed_s: float) -> None:
    """Write beside the file what must not be in it."""
    outcomes = {
        task: {"attempts": len(found), "kept": sum(receipt is not None for receipt in found.values())}
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
        "ray": config.ray,
        "elapsed_s": round(elapsed_s, 3),
        "resumed": collection.resumed,
        "damaged": len(collection.damaged),
        "outcomes": outcomes,
    }
    path = config.out.with_name(config.out.name + ".log.json")
    with hdf5.writing(path):
        write_atomically(path, json.dumps(log, indent=1).encode() + b"\n")


def _silent(said: object) -> None:
    pass
