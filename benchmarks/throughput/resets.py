"""New episodes in all worlds, from a new process and in a running one, against the original's resets one by one.

Our side: settling the scene once, copying it to every world, drawing and placing, the first observation; each round in
a process of its own, with goals never seen before. Compiling the model, which the original also does before its first
reset, is timed apart on both sides and not counted.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np

from metasim.benchmarks.measuring.report import Column, Goal, Report
from metasim.benchmarks.throughput.names import peer_name
from metasim.benchmarks.throughput.peer_process import Peer, Setup
from metasim.benchmarks.throughput.rounds import geometric_mean
from metasim.core.errors import EngineFailure

GOALS = (Goal(key="fresh_ratio", at_least=20.0),)
COLUMNS = (
    Column(key="fresh_ms", heading="ours, fresh [ms]", digits=1),
    Column(key="again_ms", heading="ours, again [ms]", digits=1),
    Column(key="peer_ms", heading="original [ms]", digits=0),
    Column(key="fresh_ratio", heading="original / fresh", digits=0),
    Column(key="again_ratio", heading="original / again", digits=0),
)
OURS = """
import json, sys, time
import numpy as np
from metasim.core.backend import BACKENDS
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS
from metasim.envs.episodes import Episodes
from metasim.model import compile_scene
task, n, root = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
cls = TASKS[task]
BACKENDS["mujoco"]  # imported now, as the original is before its first reset
compile_scene(cls.scene, cls.reads)
start = time.perf_counter()
model = compile_scene(cls.scene, cls.reads.merge(cls.control.reads()))
compiled = time.perf_counter()
worlds = Episodes(task, "mujoco", n, model=model)
rows = np.arange(n)
def begin(k):
    worlds.begin(rows, [EpisodeSeed(root=root + k, task=task, episode=i) for i in range(n)])
begin(0)
fresh = time.perf_counter()
begin(1)
again = time.perf_counter()
print(json.dumps([compiled - start, fresh - compiled, again - fresh]))
"""


def run(tasks: Sequence[str], rounds: int, python: Path, *, num_envs: int = 64) -> Report:
    """Compare on some tasks; the summary has geometric means."""
    rows, versions = {}, {}
    for task in tasks:
        setup = Setup(
            peer="metaworld-resets", task=peer_name("metaworld", task), actions=np.zeros((1, 1, 4), np.float32)
        )
        with contextlib.closing(Peer(python, setup)) as peer:
            versions["metaworld"] = peer.version
            laps = [(_ours(task, num_envs, 100 * k), peer.step(num_envs).seconds) for k in range(rounds)]
        rows[task] = {
            "fresh_ms": 1e3 * median(ours[1] for ours, _ in laps),
            "again_ms": 1e3 * median(ours[2] for ours, _ in laps),
            "peer_ms": 1e3 * median(peer for _, peer in laps),
            "fresh_ratio": median(peer / ours[1] for ours, peer in laps),
            "again_ratio": median(peer / ours[2] for ours, peer in laps),
        }
    return Report(
        benchmark="resets",
        settings={"num_envs": num_envs, "rounds": rounds},
        columns=COLUMNS,
        rows=rows,
        summary={key: geometric_mean(row[key] for row in rows.values()) for key in ("fresh_ratio", "again_ratio")},
        goals=GOALS,
        versions=versions,
    )


def _ours(task: str, num_envs: int, root: int) -> list[float]:
    """Return seconds of compiling, of settling with the first reset, and of another reset, in a new process."""
    command = [sys.executable, "-c", OURS, task, str(num_envs), str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineFailure(f"{task!r} with {num_envs} worlds did not start: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])
