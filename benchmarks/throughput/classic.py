"""Our vector environment against envpool's and against gymnasium's ``SyncVectorEnv``, all three in one run."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from metasim.benchmarks.measuring.report import Column, Goal, Report
from metasim.benchmarks.throughput.names import peer_name
from metasim.benchmarks.throughput.peer_process import Peer, Setup
from metasim.benchmarks.throughput.rounds import Rounds, Timing, alternate, geometric_mean, pilot
from metasim.benchmarks.throughput.sides import Vector

PEERS = ("envpool", "gymnasium")
TASKS = ("classic/half-cheetah-v0", "classic/ant-v0")
GOALS = (Goal(key="lowest_envpool", at_least=1.0), Goal(key="lowest_gymnasium", at_least=2.0))
COLUMNS = (
    Column(key="ours", heading="ours [steps/s]", digits=0),
    Column(key="envpool", heading="ours / envpool"),
    Column(key="gymnasium", heading="ours / gymnasium"),
    Column(key="ours_with_resets", heading="ours with resets", digits=0),
    Column(key="envpool_with_resets", heading="ours / envpool"),
    Column(key="gymnasium_with_resets", heading="ours / gymnasium"),
)
LIMIT = 900
"""Steps of a lap that begins with a reset: fewer than the horizon; bodies that fall begin again before."""


def run(
    tasks: Sequence[str],
    timing: Timing,
    python: Path,
    gymnasium_python: Path,
    *,
    num_envs: int = 64,
    threads: int = 2,
    warmup: int | None = None,
) -> Report:
    """Compare vector environments, first from the beginning of episodes, then with episodes of all ages.

    Args:
        tasks: Task ids of ours.
        timing: How long to measure.
        python: envpool's interpreter.
        gymnasium_python: The one that gymnasium's environments run in.
        num_envs: Worlds of each side.
        threads: Threads of ours, and of envpool's.
        warmup: Steps that pass before rounds with resets; None for one episode.
    """
    rows, versions = {}, {}
    for task in tasks:
        with contextlib.ExitStack() as stack:
            ours = stack.enter_context(contextlib.closing(Vector(task, num_envs, threads)))
            sides: dict[str, Vector | Peer] = {"ours": ours}
            for name, program in zip(PEERS, (python, gymnasium_python), strict=True):
                setup = Setup(peer=name, task=peer_name(name, task), actions=ours.actions, threads=threads)
                peer = stack.enter_context(contextlib.closing(Peer(program, setup)))
                sides[name], versions[name] = peer, peer.version
            steps = pilot([side.fresh_step for side in sides.values()], timing.seconds, LIMIT)
            within = alternate({name: side.fresh_step for name, side in sides.items()}, steps, timing.rounds)
            for side in sides.values():
                side.stagger(ours.horizon if warmup is None else warmup)
            mixed = alternate({name: side.step for name, side in sides.items()}, steps, timing.rounds)
            rows[task] = {**_row(within), **{f"{key}_with_resets": value for key, value in _row(mixed).items()}}
    summary = {name: geometric_mean(row[name] for row in rows.values()) for name in PEERS}
    lowest = {f"lowest_{name}": min(row[name] for row in rows.values()) for name in PEERS}
    return Report(
        benchmark="classic",
        settings={"num_envs": num_envs, "threads": threads, "seconds": timing.seconds, "rounds": timing.rounds},
        columns=COLUMNS,
        rows=rows,
        summary={**summary, **lowest},
        goals=GOALS,
        versions=versions,
    )


def _row(rounds: Rounds) -> dict[str, float]:
    return {"ours": rounds.rate("ours"), **{name: rounds.ratio("ours", name) for name in PEERS}}
