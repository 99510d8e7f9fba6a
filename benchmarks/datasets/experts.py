"""Demonstrations per second: ``metasim collect`` against the original's own scripted policies and plain h5py.

Both sides run whole commands, start-up included, each in two processes; one waits while the other works.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from metasim.benchmarks.measuring.report import Column, Goal, Report
from metasim.benchmarks.metaworld.progress import bar
from metasim.benchmarks.throughput.names import peer_name
from metasim.benchmarks.throughput.rounds import geometric_mean
from metasim.core.errors import EngineFailure
from metasim.datasets import Dataset

SCRIPT = Path(__file__).with_name("peer_experts.py")
TAIL = 10
ALL = "all of them in one command"
COLUMNS = (
    Column(key="ours", heading="ours [demos/s]", digits=1),
    Column(key="peer", heading="original [demos/s]", digits=1),
    Column(key="ratio", heading="ours / original", digits=1),
    Column(key="our_steps", heading="steps of ours", digits=0),
    Column(key="peer_steps", heading="of the original's", digits=0),
    Column(key="our_s", heading="ours [s]", digits=1),
    Column(key="peer_s", heading="original [s]", digits=1),
)


@dataclass(frozen=True, kw_only=True)
class Race:
    """What both sides do.

    Args:
        episodes: Successful demonstrations per task.
        full: Every episode has its 500 steps; if not, it ends so many steps after its first success.
        processes: Of each side.
        worlds: Of ours, in a process.
        python: Interpreter that has the original.
    """

    episodes: int
    full: bool
    processes: int
    worlds: int
    python: Path


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one side did.

    Attributes:
        seconds: From the start of the first process to the end of the last one.
        demos: How many demonstrations there are.
        steps: Steps of an average one.
        version: Of the peer.
    """

    seconds: float
    demos: int
    steps: float
    version: str = ""


def run(tasks: Sequence[str], race: Race, rounds: int) -> Report:
    """Let both sides collect the same number of demonstrations, in turns, task by task and all tasks in one command.

    Args:
        tasks: Ids of tasks of Meta-World.
        race: What both do.
        rounds: How often.

    Raises:
        EngineFailure: If a command fails.
    """
    rows, versions = dict[str, dict[str, float]](), dict[str, str]()
    groups = {**{task: (task,) for task in tasks}, **({ALL: tuple(tasks)} if len(tasks) > 1 else {})}
    with tempfile.TemporaryDirectory(prefix="metasim-experts-") as folder, bar("experts") as show:
        for k, (name, group) in enumerate(groups.items()):
            pairs = list[tuple[Run, Run]]()
            for i in range(rounds):
                show((k + i / rounds) / len(groups), name)
                sides = [ours, original] if i % 2 == 0 else [original, ours]
                done = {side: side(group, race, Path(folder)) for side in sides}
                pairs.append((done[ours], done[original]))
            rows[name] = _row(pairs)
            versions["metaworld"] = pairs[0][1].version
    singles = [row["ratio"] for name, row in rows.items() if name != ALL]
    return Report(
        benchmark="experts-full" if race.full else "experts",
        settings={
            "demonstrations_per_task": race.episodes,
            "steps": "500" if race.full else f"to {TAIL} after the first success",
            "processes": race.processes,
            "worlds": race.worlds,
            "rounds": rounds,
        },
        columns=COLUMNS,
        rows=rows,
        summary={
            "ratio": geometric_mean(singles),
            "lowest_ratio": min(singles),
            "ratio_in_one_command": rows.get(ALL, {"ratio": singles[0]})["ratio"],
        },
        goals=(Goal(key="ratio_in_one_command", at_least=5.0),),
        versions=versions,
    )


def ours(tasks: Sequence[str], race: Race, folder: Path) -> Run:
    """Run ``metasim collect``."""
    out = folder / "ours.h5"
    options = {"episodes": race.episodes, "workers": race.processes, "worlds": race.worlds, "out": out}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    tail = ["--tail", "None" if race.full else str(TAIL)]
    seconds, _ = _timed([[sys.executable, "-m", "metasim", "collect", *tasks, *words, *tail]], folder)
    with Dataset(out) as data:
        found = Run(seconds=seconds, demos=len(data), steps=data.header.total / len(data))
    for path in (out, out.with_name(out.name + ".log.json")):
        path.unlink()
    return found


def original(tasks: Sequence[str], race: Race, folder: Path) -> Run:
    """Run the original's processes, each with its share of every task's demonstrations."""
    shares = [race.episodes // race.processes + (k < race.episodes % race.processes) for k in range(race.processes)]
    jobs: list[Mapping[str, Any]] = [
        {
            "tasks": [peer_name("metaworld", task) for task in tasks],
            "episodes": share,
            "tail": None if race.full else TAIL,
            "seed": k,
            "out": str(folder / f"peer{k}.h5"),
        }
        for k, share in enumerate(shares)
        if share
    ]
    seconds, answers = _timed([[str(race.python), "-I", str(SCRIPT), json.dumps(job)] for job in jobs], folder)
    said = [json.loads(answer) for answer in answers]
    for job in jobs:
        Path(job["out"]).unlink()
    demos = sum(answer["demos"] for answer in said)
    return Run(
        seconds=seconds,
        demos=demos,
        steps=sum(answer["steps"] for answer in said) / demos,
        version=said[0]["version"],
    )


def _timed(commands: Sequence[Sequence[str]], folder: Path) -> tuple[float, list[str]]:
    """Run commands side by side and return what they took together, and what each printed."""
    start, one_thread = time.perf_counter(), {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=one_thread)
        for command in commands
    ]
    said = [process.communicate() for process in running]
    seconds = time.perf_counter() - start
    for process, (_, complaint) in zip(running, said, strict=True):
        if process.returncode:
            command = " ".join(map(str, process.args))  # type: ignore[arg-type]
            raise EngineFailure(f"{command} failed with exit code {process.returncode}: {complaint.strip()[-1000:]}")
    return seconds, [answer for answer, _ in said]


def _row(pairs: Sequence[tuple[Run, Run]]) -> dict[str, float]:
    return {
        "ours": median(a.demos / a.seconds for a, _ in pairs),
        "peer": median(b.demos / b.seconds for _, b in pairs),
        "ratio": median((a.demos / a.seconds) / (b.demos / b.seconds) for a, b in pairs),
        "our_steps": pairs[0][0].steps,
        "peer_steps": pairs[0][1].steps,
        "our_s": median(a.seconds for a, _ in pairs),
        "peer_s": median(b.seconds for _, b in pairs),
    }
