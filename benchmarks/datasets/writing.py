"""What writing costs a collection: episodes recorded and thrown away, against the same ones kept and merged."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from metasim.benchmarks.measuring.report import Column, Goal, Report
from metasim.core.policy import POLICIES
from metasim.core.seeding import EpisodeSeed
from metasim.datasets import writer
from metasim.datasets.parts import Parts
from metasim.datasets.planning import store
from metasim.datasets.recording import Recorder
from metasim.datasets.versions import package_versions
from metasim.envs.episodes import Episodes

HORIZONS = (500, 80)
BACKEND, POLICY = "mujoco", "expert"
COLUMNS = (
    Column(key="record_ms", heading="recording [ms]"),
    Column(key="save_ms", heading="saving [ms]"),
    Column(key="merge_ms", heading="merging [ms]"),
    Column(key="kilobytes", heading="size [kB]", digits=0),
    Column(key="timed_percent", heading="share by the clock [%]", digits=1),
    Column(key="percent", heading="share by difference [%]", digits=1),
)


@dataclass(frozen=True, kw_only=True)
class Pass:
    """What one pass over the episodes took [s].

    Attributes:
        total_s: All of it.
        save_s: Of it, files of single episodes.
        merge_s: Of it, the dataset.
        size: Bytes of the dataset.
    """

    total_s: float
    save_s: float = 0.0
    merge_s: float = 0.0
    size: int = 0


class Collection:
    """Episodes of a task that can be recorded again and again, with the scene and the worlds ready.

    Args:
        task: Its id.
        horizon: Steps of every episode.
        episodes: How many.
        worlds: Worlds stepped together.
        folder: Where to write.
    """

    def __init__(self, task: str, horizon: int, episodes: int, worlds: int, folder: Path) -> None:
        self._task, self._out, self._count = task, folder / "demos.h5", episodes
        self._episodes = Episodes(task, BACKEND, min(worlds, episodes), horizon=horizon)
        self._policy = POLICIES[POLICY](self._episodes.task, self._episodes.num_worlds)
        self._versions = package_versions([BACKEND])

    def discarded(self) -> Pass:
        """Record every episode and throw it away."""
        start = time.perf_counter()
        for _ in self._recorder().run(self._seeds()):
            pass
        return Pass(total_s=time.perf_counter() - start)

    def written(self) -> Pass:
        """Record every episode into a file of its own, and merge them, as ``collect`` does."""
        start, saved, recorder, parts = time.perf_counter(), 0.0, self._recorder(), Parts.of(self._out)
        sources: list[Any] = [None] * self._count
        for episode in recorder.run(self._seeds()):
            before, i = time.perf_counter(), episode.info.episode
            file, receipt = writer.part(episode, recorder.task_info)
            store(parts, self._task, i, file)
            sources[i] = writer.Source(path=parts.path(self._task, i), group=writer.PART, receipt=receipt)
            saved += time.perf_counter() - before
        before = time.perf_counter()
        writer.write_dataset(self._out, sources, {self._task: recorder.task_info}, self._versions, [{}])
        parts.remove()
        end = time.perf_counter()
        size = self._out.stat().st_size
        self._out.unlink()
        return Pass(total_s=end - start, save_s=saved, merge_s=end - before, size=size)

    def close(self) -> None:
        """Close the worlds."""
        self._episodes.close()

    def _recorder(self) -> Recorder:
        return Recorder(self._episodes, self._policy, policy_name=POLICY, backend=BACKEND, tail=None)

    def _seeds(self) -> list[EpisodeSeed]:
        return [EpisodeSeed(root=0, task=self._task, episode=i, split="train") for i in range(self._count)]


def run(tasks: Sequence[str], *, episodes: int, worlds: int, rounds: int, folder: Path | None = None) -> Report:
    """Record with and without writing, in turns.

    Args:
        tasks: Task ids.
        episodes: Episodes of a pass.
        worlds: Worlds stepped together.
        rounds: Passes of each kind.
        folder: On the disk to write to; by default that of temporary files.
    """
    rows = dict[str, dict[str, float]]()
    for horizon in HORIZONS:
        for task in tasks:
            with (
                tempfile.TemporaryDirectory(prefix="metasim-writing-", dir=folder) as inner,
                contextlib.closing(Collection(task, horizon, episodes, worlds, Path(inner))) as collection,
            ):
                rows[f"{task}, {horizon} steps"] = _row(*_alternated(collection, rounds), episodes)
    summary = {
        f"{kind}_of_{horizon}_steps": mean(row[kind] for name, row in rows.items() if f" {horizon} " in name)
        for horizon in HORIZONS
        for kind in ("timed_percent", "percent")
    }
    return Report(
        benchmark="writing",
        settings={"episodes": episodes, "worlds": worlds, "rounds": rounds},
        columns=COLUMNS,
        rows=rows,
        summary=summary,
        goals=[Goal(key=key, at_most=10.0) for key in summary if key.endswith(f"_{HORIZONS[0]}_steps")],
    )


def _alternated(collection: Collection, rounds: int) -> tuple[list[Pass], list[Pass]]:
    """Return passes with and without writing; who begins changes from round to round."""
    collection.discarded()  # whatever is slow the first time
    written, discarded = list[Pass](), list[Pass]()
    for k in range(rounds):
        if k % 2:
            discarded.append(collection.discarded())
        written.append(collection.written())
        if not k % 2:
            discarded.append(collection.discarded())
    return written, discarded


def _row(written: Sequence[Pass], discarded: Sequence[Pass], episodes: int) -> dict[str, float]:
    """Return a row's figures; times are per episode."""
    each = 1e3 / episodes
    return {
        "record_ms": each * median(p.total_s for p in discarded),
        "save_ms": each * median(p.save_s for p in written),
        "merge_ms": each * median(p.merge_s for p in written),
        "kilobytes": written[0].size / episodes / 1e3,
        "timed_percent": median(100.0 * (p.save_s + p.merge_s) / p.total_s for p in written),
        "percent": median(100.0 * (1.0 - d.total_s / w.total_s) for w, d in zip(written, discarded, strict=True)),
    }
