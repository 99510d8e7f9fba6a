"""Our vector environment against a bare ``mujoco.batch.Batch`` of the same model.

The bare batch starts each round from the same states, with the same per-world fields of the model, and gets the same
controls, which were recorded; it neither observes nor resets. Its step is timed twice: as a program calls it that
wants the next state alone, and (``stage=VEL``) with the kinematics of the new state, without which poses and
sensors are one substep old.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import mujoco
from mujoco import batch

from metasim.benchmarks.measuring.report import Column, Goal, Report
from metasim.benchmarks.throughput.rounds import Lap, Timing, alternate, geometric_mean, pilot
from metasim.benchmarks.throughput.sides import Vector
from metasim.core.backend import Targets
from metasim.core.control import BoundControl
from metasim.core.state import State

Array = Any
GOAL = Goal(key="ours_to_bare", at_least=0.85)
MOST_STEPS = 1000
COLUMNS = (
    Column(key="ours", heading="ours [steps/s]", digits=0),
    Column(key="bare", heading="bare [steps/s]", digits=0),
    Column(key="bare_vel", heading="bare VEL [steps/s]", digits=0),
    Column(key="ours_to_bare", heading="ours / bare", digits=3),
    Column(key="ours_to_bare_vel", heading="ours / bare VEL", digits=3),
)


class Recorder(BoundControl):
    """A control that keeps a copy of what another one commands."""

    def __init__(self, inner: BoundControl) -> None:
        self._inner = inner
        self.size, self.targets, self.memory = inner.size, inner.targets, inner.memory
        self.log: list[tuple[Array, Array]] = []

    def reset(self, state: State, worlds: Array) -> None:
        """Reset the other control."""
        self._inner.reset(state, worlds)

    def apply(self, action: Array, state: State) -> None:
        """Apply the other control and note the targets."""
        self._inner.apply(action, state)
        self.log.append(commanded(self.targets))


def commanded(targets: Targets) -> tuple[Array, Array]:
    """Return copies of the mocap positions and the controls."""
    return targets.mocap_pos.copy(), targets.ctrl.copy()


class Pair:
    """One task's environment and a bare batch, both put back to the same states before each lap."""

    def __init__(self, task: str, num_envs: int, threads: int, warmup: int | None = None) -> None:
        self.ours = Vector(task, num_envs, threads)
        self.episodes = self.ours.env.episodes
        self.ours.stagger(self.ours.horizon if warmup is None else warmup)
        self.start = self.episodes.snapshot()
        self.bare = batch.Batch(self.episodes.model.mj, nsim=num_envs, nthread=threads)
        self.log: list[tuple[Array, Array]] = []

    def run_ours(self, steps: int) -> Lap:
        """Step the environment."""
        self.episodes.restore(self.start)
        self.ours.rewind()
        return self.ours.step(steps)

    def record(self, steps: int) -> None:
        """Note the controls of so many steps."""
        control = self.episodes.control
        recorder = self.episodes.control = Recorder(control)
        self.run_ours(steps)
        self.episodes.control, self.log = control, recorder.log

    def run_bare(self, steps: int) -> Lap:
        """Step the bare batch to the next state."""
        return self._replay(steps, {})

    def run_bare_vel(self, steps: int) -> Lap:
        """Step the bare batch, with the kinematics of the new state."""
        return self._replay(steps, {"stage": mujoco.mjtStage.mjSTAGE_VEL})

    def close(self) -> None:
        """Free the environment."""
        self.ours.close()

    def _replay(self, steps: int, options: Mapping[str, Any]) -> Lap:
        bare, log, substeps = self.bare, self.log[:steps], self.episodes.task.substeps
        snapshot = self.start["backend"]
        for name, values in snapshot.fields.items():
            bare.expand(name)[:] = values
        bare.state[:] = snapshot.states
        mocap, ctrl = bare.bind("mocap_pos"), bare.bind("ctrl")
        start = time.perf_counter()
        for positions, controls in log:
            mocap[:], ctrl[:] = positions, controls
            bare.step(nstep=substeps, **options)
        return Lap(steps * self.ours.num_envs, time.perf_counter() - start)


def run(
    tasks: Sequence[str], timing: Timing, *, num_envs: int = 64, threads: int = 2, warmup: int | None = None
) -> Report:
    """Compare on some tasks; the summary has geometric means."""
    rows = {}
    for task in tasks:
        pair = Pair(task, num_envs, threads, warmup)
        try:
            rows[task] = _row(pair, timing)
        finally:
            pair.close()
    ratios = ("ours_to_bare", "ours_to_bare_vel")
    return Report(
        benchmark="batch",
        settings={
            "num_envs": num_envs,
            "threads": threads,
            "seconds": timing.seconds,
            "rounds": timing.rounds,
        },
        columns=COLUMNS,
        rows=rows,
        summary={key: geometric_mean(row[key] for row in rows.values()) for key in ratios},
        goals=(GOAL,),
    )


def _row(pair: Pair, timing: Timing) -> dict[str, float]:
    steps = pilot([pair.run_ours], timing.seconds, MOST_STEPS)
    pair.record(steps)
    sides = {"ours": pair.run_ours, "bare": pair.run_bare, "bare_vel": pair.run_bare_vel}
    rounds = alternate(sides, steps, timing.rounds)
    return {
        **{name: rounds.rate(name) for name in sides},
        "ours_to_bare": rounds.ratio("ours", "bare"),
        "ours_to_bare_vel": rounds.ratio("ours", "bare_vel"),
    }
