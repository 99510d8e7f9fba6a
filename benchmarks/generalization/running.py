"""Runs a protocol: cell by cell, each kept when it is finished; the same bytes however it was run."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metasim.benchmarks.checking import InvalidResults, thaw
from metasim.benchmarks.episode import EpisodeResult
from metasim.benchmarks.generalization.config import BenchConfig
from metasim.benchmarks.generalization.fitting import check_fit
from metasim.benchmarks.generalization.frozen import Cell, digest
from metasim.benchmarks.generalization.tiles import Shard, Tile, run_shard, split_up
from metasim.benchmarks.results import Results, load, save
from metasim.core.errors import InvalidConfig
from metasim.core.policy import POLICIES
from metasim.core.task import TASKS
from metasim.core.task_files import contents, exported, origins
from metasim.randomize.axis import AXES, LooksAxis
from metasim.work import executor, remove_drafts, shards
from metasim.work.shift import source, versions

Json = Any


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A cell that is done.

    Attributes:
        task: Task id.
        condition: Label of the condition.
        backend: Engine.
        episodes: How many it has.
        successes: How many were solved at some step.
        done: Cells that are done.
        wanted: Cells in all.
        found: Whether it was done before this run, or has the same physics as another cell.
        elapsed_s: Since the run began.
    """

    task: str
    condition: str
    backend: str
    episodes: int
    successes: int
    done: int
    wanted: int
    found: bool
    elapsed_s: float


Report = Callable[[Finished], None]


def bench(config: BenchConfig, report: Report | None = None) -> Results:
    """Run what is missing of a protocol's cells and return all results; with ``config.out`` they are written, too.

    Called again after an interruption, it goes on with the cells that are missing in ``OUT.parts``.

    Args:
        config: What to run.
        report: Called in this process after each cell.

    Raises:
        InvalidConfig: If the policy does not fit a task, or OUT holds other results.
        UnsupportedFeature: If a task or an engine refuses what the protocol says it can.
        EngineFailure: If a worker process was killed, or there is no Ray to run on; what was finished is kept.
    """
    there = existing(config)
    if there is not None:
        return there
    config.check()
    run = _Run(config, report or _silent)
    tiles = list(run.tiles())
    todo = [
        Shard(
            policies={cell.task: config.policy_of(cell.task) for cell in config.cells},
            seed=config.frozen.seed,
            rows=config.worlds,
            horizon={cell.task: config.steps(cell.task) for cell in config.cells},
            tiles=part,
        )
        for part in shards(tiles, min(config.workers, max(1, len(tiles))))
    ]
    if tiles:
        files = origins(TASKS[task] for task in dict.fromkeys(tile.task for tile in tiles))
        with exported(files), executor(config.ray, config.workers) as pool:
            pool.run(run_shard, todo, run.hear)
    results = run.results()
    if config.out is not None:
        save(results, config.out)
        remove_drafts(config.out)
        shutil.rmtree(parts_of(config.out), ignore_errors=True)
    return results


def existing(config: BenchConfig) -> Results | None:
    """Return the results that OUT holds already; None if there are none.

    Raises:
        InvalidConfig: If they were made with other settings.
    """
    if config.out is None or not config.out.exists():
        return None
    results, asked = load(config.out), config.resolved()
    there = {**thaw(results.config), "protocol": results.protocol_sha256}
    odd = sorted(k for k in {*there, *asked} if k != "protocol" and there.get(k) != asked.get(k))
    if there["protocol"] != config.frozen.sha256:
        odd = ["protocol"]
    if odd:
        raise InvalidConfig(
            f"{config.out} holds results with another {odd[0]}: {there.get(odd[0])!r}; give another --out, or delete it"
        )
    return results


def parts_of(out: Path) -> Path:
    """Return the folder that keeps finished cells until OUT is complete."""
    return out.with_name(f"{out.name}.parts")


class _Run:
    """Cells of one run: which are done, which share their physics, and what is heard of them."""

    def __init__(self, config: BenchConfig, report: Report) -> None:
        self._c, self._report, self._began = config, report, time.monotonic()
        self._resolved, self._source = config.resolved(), [source(), versions(), _foreign(config)]
        self._wanted = [(c, e) for c in config.cells for e in config.backends if e not in c.refused]
        self._done: dict[tuple[str, str], tuple[EpisodeResult, ...]] = {}
        self._jobs: list[list[tuple[Cell, str]]] = []
        self._heard: list[dict[int, dict[str, Any]]] = []
        for cell, engine in self._wanted:
            rows = self._kept(cell, engine)
            if rows is not None:
                self._enter(cell, engine, rows, found=True)
        self._plan()

    def tiles(self) -> Iterator[Tile]:
        """Yield what has to be run."""
        c, frozen, indices = self._c, self._c.frozen, range(self._c.count)
        for job, ((cell, engine), *_) in enumerate(self._jobs):
            variations = {i: frozen.variation(cell, i) for i in indices}
            for scene, chosen in split_up(indices, variations, c.worlds):
                yield Tile(
                    job=job,
                    task=cell.task,
                    backend=engine,
                    split=cell.arm.split,
                    scene=scene,
                    indices=chosen,
                    samples=frozen.samples(cell.task, cell.arm.split, chosen),
                    variations=tuple(variations[i] for i in chosen),
                )

    def hear(self, event: tuple[int, Mapping[int, dict[str, Any]], int]) -> None:
        """Enter what became of a tile; keep the cells of a job that it completes."""
        job, rows, _ = event
        self._heard[job].update(rows)
        if len(self._heard[job]) < self._c.count:
            return
        for index, (cell, engine) in enumerate(self._jobs[job]):
            found = tuple(self._row(cell, engine, i, self._heard[job][i]) for i in range(self._c.count))
            if self._c.out is not None:
                save(self._results(found), self._part(cell, engine))
            self._enter(cell, engine, found, found=index > 0)

    def results(self) -> Results:
        """Return everything."""
        return self._results(tuple(row for rows in self._done.values() for row in rows))

    def _plan(self) -> None:
        """Put the cells that are missing into jobs: those that differ in looks alone are one for a blind policy."""
        missing = [(c, e) for c, e in self._wanted if (c.sha256, e) not in self._done]
        sees = {task: self._sees(task) for task in dict.fromkeys(cell.task for cell, _ in missing)}
        jobs: dict[tuple[Any, ...], list[tuple[Cell, str]]] = {}
        for cell, engine in missing:
            felt = [a for a in cell.arm.axes if sees[cell.task] or not isinstance(AXES[a], LooksAxis)]
            jobs.setdefault((cell.task, engine, cell.arm.split, *felt), []).append((cell, engine))
        self._jobs = list(jobs.values())
        self._heard = [{} for _ in self._jobs]

    def _sees(self, task: str) -> bool:
        """Try the policy; return whether it looks at pictures."""
        return check_fit(self._c.policy_of(task), task, self._c.backends[0], self._c.worlds)

    def _row(self, cell: Cell, engine: str, index: int, fields: Mapping[str, Any]) -> EpisodeResult:
        condition, frozen = cell.arm.condition, self._c.frozen
        return EpisodeResult(
            task=cell.task,
            backend=engine,
            policy=str(self._c.policy),
            seed=frozen.seed,
            episode=index,
            level=condition.level,
            factor=condition.factor,
            variation=frozen.variation(cell, index),
            **fields,
        )

    def _results(self, rows: Sequence[EpisodeResult]) -> Results:
        frozen = self._c.frozen
        return Results(
            protocol=frozen.name,
            protocol_version=frozen.version,
            protocol_sha256=frozen.sha256,
            config=self._resolved,
            episodes=tuple(rows),
        )

    def _part(self, cell: Cell, engine: str) -> Path:
        """Return the file of a finished cell, whose name tells it from the same cell run in any other way."""
        c, r = self._c, self._resolved
        who = [str(c.policy), str(c.policy_of(cell.task))]
        how = [cell.sha256, engine, who, c.count, c.steps(cell.task), c.worlds, r["versions"], self._source]
        assert c.out is not None
        return parts_of(c.out) / f"{digest(how)[:32]}.json"

    def _kept(self, cell: Cell, engine: str) -> tuple[EpisodeResult, ...] | None:
        """Return the episodes of a cell that was finished before; None if it was not, or its file is damaged."""
        if self._c.out is None:
            return None
        try:
            rows = load(self._part(cell, engine)).episodes
        except InvalidResults:
            return None
        return rows if len(rows) == self._c.count else None

    def _enter(self, cell: Cell, engine: str, rows: tuple[EpisodeResult, ...], *, found: bool) -> None:
        self._done[cell.sha256, engine] = rows
        self._report(
            Finished(
                task=cell.task,
                condition=cell.label,
                backend=engine,
                episodes=len(rows),
                successes=sum(e.success_any for e in rows),
                done=len(self._done),
                wanted=len(self._wanted),
                found=found,
                elapsed_s=time.monotonic() - self._began,
            )
        )


def _foreign(c: BenchConfig) -> str:
    """Return a digest of what others wrote that results depend on: a user may edit it between two runs."""
    policies = [POLICIES[name] for name in c.team.values() or (c.policy,)]
    axes = {AXES[name] for cell in c.cells for name in cell.arm.axes}
    return contents([*policies, *axes, *{TASKS[cell.task] for cell in c.cells}])


def _silent(said: Finished) -> None:
    pass
