"""Our environments against other libraries', which live in virtual environments of their own.

Both processes are alive all the time, but only one works: the peer's sleeps on its standard input while ours steps.
Both get the same random actions, from one file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from metasim.benchmarks.measuring.report import Column, Goal, Report
from metasim.benchmarks.throughput.names import peer_name
from metasim.benchmarks.throughput.peer_process import Peer, Setup
from metasim.benchmarks.throughput.rounds import Rounds, Timing, alternate, geometric_mean, pilot
from metasim.benchmarks.throughput.sides import Single, Vector

VECTOR_GOALS = {
    "envpool": (Goal(key="ratio", at_least=1.3), Goal(key="lowest_ratio", at_least=1.0)),
    "metaworld-vector": (Goal(key="ratio", at_least=4.0),),
}
FRESH_STEPS = 450
"""Steps of a lap that begins with a reset: fewer than an episode has, so that none ends in it."""
COLUMNS = (
    Column(key="ours", heading="ours [steps/s]", digits=0),
    Column(key="peer", heading="peer [steps/s]", digits=0),
    Column(key="ratio", heading="ours / peer"),
    Column(key="ours_with_resets", heading="ours with resets", digits=0),
    Column(key="peer_with_resets", heading="peer with resets", digits=0),
    Column(key="ratio_with_resets", heading="ours / peer"),
)


def run_vector(
    name: str,
    tasks: Sequence[str],
    timing: Timing,
    python: Path,
    *,
    num_envs: int = 64,
    threads: int = 2,
    warmup: int | None = None,
) -> Report:
    """Compare vector environments, first within episodes, then with episodes that end and begin all the time.

    Args:
        name: ``"envpool"``, or ``"metaworld-vector"`` for the original in gymnasium's ``SyncVectorEnv``.
        tasks: Task ids of ours.
        timing: How long to measure.
        python: The peer's interpreter.
        num_envs: Worlds of each side.
        threads: Threads of ours, and of envpool's.
        warmup: Steps that pass before rounds with resets; None for one episode.
    """
    rows, versions = {}, {}
    for task in tasks:
        ours = Vector(task, num_envs, threads)
        setup = Setup(peer=name, task=peer_name(name, task), actions=ours.actions, threads=threads)
        with _both(ours, python, setup) as peer:
            versions[name.partition("-")[0]] = peer.version
            steps = pilot([ours.fresh_step, peer.fresh_step], timing.seconds, FRESH_STEPS)
            within = alternate({"ours": ours.fresh_step, "peer": peer.fresh_step}, steps, timing.rounds)
            passed = ours.horizon if warmup is None else warmup
            ours.stagger(passed)
            peer.stagger(passed)
            rows[task] = _row(within, alternate({"ours": ours.step, "peer": peer.step}, steps, timing.rounds))
    settings = {"num_envs": num_envs, "threads": threads, "seconds": timing.seconds, "rounds": timing.rounds}
    return _report(name, settings, rows, versions, VECTOR_GOALS[name])


def run_metaworld(tasks: Sequence[str], timing: Timing, python: Path, *, limit: int = 2000) -> Report:
    """Compare single environments made by ``gymnasium.make``."""
    rows, versions = {}, {}
    for task in tasks:
        ours = Single(task)
        setup = Setup(peer="metaworld", task=peer_name("metaworld", task), actions=ours.actions[:, None])
        with _both(ours, python, setup) as peer:
            versions["metaworld"] = peer.version
            steps = pilot([ours.step, peer.step], timing.seconds, limit)
            rounds = alternate({"ours": ours.step, "peer": peer.step}, steps, timing.rounds)
            rows[task] = _row(rounds, rounds, ours.horizon)
    return _report(
        "metaworld",
        {"seconds": timing.seconds, "rounds": timing.rounds},
        rows,
        versions,
        (Goal(key="ratio", at_least=1.5),),
    )


@contextlib.contextmanager
def _both(ours: Vector | Single, python: Path, setup: Setup) -> Iterator[Peer]:
    """Have a peer beside an environment of ours, and close both."""
    with contextlib.closing(ours), contextlib.closing(Peer(python, setup)) as peer:
        yield peer


def _row(within: Rounds, with_resets: Rounds, horizon: int | None = None) -> dict[str, float]:
    return {
        "ours": within.rate("ours"),
        "peer": within.rate("peer"),
        "ratio": within.ratio("ours", "peer"),
        "ours_with_resets": with_resets.rate("ours", horizon),
        "peer_with_resets": with_resets.rate("peer", horizon),
        "ratio_with_resets": with_resets.ratio("ours", "peer", horizon),
    }


def _report(
    name: str,
    settings: Mapping[str, Any],
    rows: Mapping[str, Mapping[str, float]],
    versions: Mapping[str, str],
    goals: Sequence[Goal],
) -> Report:
    ratios = ("ratio", "ratio_with_resets")
    return Report(
        benchmark=name,
        settings=settings,
        columns=COLUMNS,
        rows=rows,
        summary={
            **{key: geometric_mean(row[key] for row in rows.values()) for key in ratios},
            "lowest_ratio": min(row["ratio"] for row in rows.values()),
        },
        goals=goals,
        versions=versions,
    )
