"""Joining many episodes: time against plain copying of the bytes, and memory, each in a fresh process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from metasim.benchmarks.measuring.report import Column, Goal, Report
from metasim.core.errors import EngineFailure
from metasim.datasets import CollectConfig, Dataset, Episode, collect, writer

LENGTHS = (80, 500)
MS_PER_EPISODE, COPIES, MEGABYTES = 1.0, 2.0, 200.0
TASK = "metaworld/reach-v3"
COLUMNS = (
    Column(key="megabytes", heading="size [MB]", digits=0),
    Column(key="merge_s", heading="merging [s]"),
    Column(key="copy_s", heading="copying [s]"),
    Column(key="of_allowed", heading="of what is allowed"),
    Column(key="ms_per_episode", heading="beyond two copies, per episode [ms]"),
    Column(key="peak_mb", heading="most memory [MB]", digits=0),
)
MERGE = """
import json, resource, sys, time
from metasim.datasets import merge
start = time.perf_counter()
merge(sys.argv[2:], sys.argv[1])
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):  # the other one counts what the parent held when it began this process
        peak = int(line.split()[1])
print(json.dumps({"seconds": seconds, "peak_mb": peak * 1024 / 1e6}))
"""


def run(*, episodes: int, files: int, rounds: int, folder: Path | None = None) -> Report:
    """Merge and copy, in turns.

    Args:
        episodes: Episodes in all.
        files: Datasets that they stand in.
        rounds: How often each is done.
        folder: On the disk to write to; by default that of temporary files.
    """
    rows = dict[str, dict[str, float]]()
    for steps in LENGTHS:
        with tempfile.TemporaryDirectory(prefix="metasim-merge-", dir=folder) as inner:
            sources = made(Path(inner), steps, episodes, files)
            rows[f"{episodes} episodes of {steps} steps in {len(sources)} files"] = _row(
                sources, Path(inner), episodes, rounds
            )
    lines = dict(zip(LENGTHS, rows.values(), strict=True))
    summary = {
        **{f"of_allowed_with_{steps}_steps": row["of_allowed"] for steps, row in lines.items()},
        "most_memory_mb": max(row["peak_mb"] for row in lines.values()),
    }
    goals = {key: MEGABYTES if key == "most_memory_mb" else 1.0 for key in summary}
    return Report(
        benchmark="merge",
        settings={
            "rounds": rounds,
            "allowed": f"{MS_PER_EPISODE:g} ms per episode and {COPIES:g} times the time of copying",
        },
        columns=COLUMNS,
        rows=rows,
        summary=summary,
        goals=[Goal(key=key, at_most=most) for key, most in goals.items()],
    )


def made(folder: Path, steps: int, episodes: int, files: int) -> list[Path]:
    """Return datasets of episodes that are one recording over and over, each with numbers of its own."""
    first = folder / "first.h5"
    collect(CollectConfig(tasks=(TASK,), out=first, episodes=1, horizon=steps, tail=None, keep="all", worlds=1))
    with Dataset(first) as data:
        episode, task, versions = data.episode(0).load(), data.episode(0).task, data.header.versions
    paths, part = list[Path](), folder / "part.h5"
    for numbers in np.array_split(np.arange(episodes), files):
        sources = list[writer.Source]()
        for k in map(int, numbers):
            part = folder / "parts" / f"{k}.h5"
            part.parent.mkdir(exist_ok=True)
            part.write_bytes(writer.part_bytes(_another(episode, k), task))
            sources.append(writer.Source(path=part, group=writer.PART))
        paths.append(folder / f"shard{len(paths)}.h5")
        writer.write_dataset(paths[-1], sources, {TASK: task}, versions, [{"shard": len(paths)}])
        shutil.rmtree(folder / "parts")
    return paths


def _another(episode: Episode, k: int) -> Episode:
    """Return an episode with another number, and noise on what was seen."""
    noise = np.random.default_rng(k)
    obs = {name: value + 1e-3 * noise.standard_normal(value.shape) for name, value in episode.obs.items()}
    return replace(episode, info=replace(episode.info, episode=k), obs=obs)


def _row(sources: Sequence[Path], folder: Path, episodes: int, rounds: int) -> dict[str, float]:
    merged, copied, peaks = list[float](), list[float](), list[float]()
    _copy_seconds(sources, folder)
    for k in range(rounds):
        if k % 2:
            copied.append(_copy_seconds(sources, folder))
        seconds, peak = _merge_seconds(sources, folder)
        merged.append(seconds)
        peaks.append(peak)
        if not k % 2:
            copied.append(_copy_seconds(sources, folder))
    allowed = 1e-3 * MS_PER_EPISODE * episodes
    pairs = list(zip(merged, copied, strict=True))
    return {
        "megabytes": sum(path.stat().st_size for path in sources) / 1e6,
        "merge_s": median(merged),
        "copy_s": median(copied),
        "of_allowed": median(m / (allowed + COPIES * c) for m, c in pairs),
        "ms_per_episode": median(1e3 * (m - COPIES * c) / episodes for m, c in pairs),
        "peak_mb": max(peaks),
    }


def _merge_seconds(sources: Sequence[Path], folder: Path) -> tuple[float, float]:
    """Return what ``merge`` takes in a fresh process, imports apart, and the most memory of that process [MB]."""
    out = folder / "merged.h5"
    command = [sys.executable, "-c", MERGE, str(out), *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineFailure(f"merging failed with exit code {done.returncode}: {done.stderr.strip()[-1000:]}")
    out.unlink()
    said = json.loads(done.stdout)
    return said["seconds"], said["peak_mb"]


def _copy_seconds(sources: Sequence[Path], folder: Path) -> float:
    """Return what it takes to copy the files and to flush the copies to disk."""
    targets = [folder / f"copy{k}" for k in range(len(sources))]
    start = time.perf_counter()
    for source, target in zip(sources, targets, strict=True):
        shutil.copyfile(source, target)
        with open(target, "rb+") as file:
            os.fsync(file.fileno())
    seconds = time.perf_counter() - start
    for target in targets:
        target.unlink()
    return seconds
