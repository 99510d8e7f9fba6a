"""What an adapter costs: the time of its step beside the time that the vector environment takes within that step.

Both are of the very same steps, so that a busy machine slows them alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from statistics import median
from types import MappingProxyType
from typing import Any

from metasim.benchmarks.measuring.report import Column, Goal, Report
from metasim.benchmarks.throughput.rounds import Lap, Timing, pilot
from metasim.benchmarks.throughput.sides import ACTIONS, Vector
from metasim.core.errors import UnknownName

Array = Any
LIMIT_STEPS = 20_000
COLUMNS = (
    Column(key="bare_us", heading="step [us]", digits=1),
    Column(key="adapter_us", heading="with adapter [us]", digits=1),
    Column(key="extra_us", heading="extra [us]", digits=1),
    Column(key="cost_percent", heading="cost [%]", digits=1),
)


def run(
    tasks: Sequence[str], timing: Timing, *, adapters: Sequence[str], num_envs: int, threads: int, most_percent: float
) -> Report:
    """Measure each adapter on each task; the goal is about the most that Stable-Baselines3's costs."""
    for name in adapters:
        if name not in ADAPTERS:
            raise UnknownName("adapter", name, ADAPTERS)
    rows = {f"{name} {task}": _row(name, task, timing, num_envs, threads) for name in adapters for task in tasks}
    costs = {name: [rows[f"{name} {task}"]["cost_percent"] for task in tasks] for name in adapters}
    summary = {f"{name}_cost_percent": max(found) for name, found in costs.items()}
    return Report(
        benchmark="adapters",
        settings={"tasks": list(tasks), "num_envs": num_envs, "threads": threads, **asdict(timing)},
        columns=COLUMNS,
        rows=rows,
        summary=summary,
        goals=[Goal(key=key, at_most=most_percent) for key in summary],
    )


def _row(name: str, task: str, timing: Timing, num_envs: int, threads: int) -> dict[str, float]:
    side = _Adapted(name, task, num_envs, threads)
    try:
        steps = pilot([side.lap], timing.seconds, LIMIT_STEPS)
        laps = [(side.lap(steps).seconds, side.below_s) for _ in range(timing.rounds)]
        return figures(laps, steps)
    finally:
        side.close()


def figures(laps: Sequence[tuple[float, float]], steps: int) -> dict[str, float]:
    """Return a row for the seconds of some laps, with the adapter and below it: medians over the laps."""
    below = 1e6 / steps * median(lower for _, lower in laps)
    cost = median(whole / lower for whole, lower in laps) - 1.0
    return {
        "bare_us": below,
        "adapter_us": 1e6 / steps * median(whole for whole, _ in laps),
        "extra_us": cost * below,
        "cost_percent": 100.0 * cost,
    }


class _Adapted:
    """An adapter around a vector environment whose own time is kept.

    Attributes:
        below_s: What the environment's steps took in the last lap.
    """

    def __init__(self, name: str, task: str, num_envs: int, threads: int) -> None:
        self._below = Vector(task, num_envs, threads)
        self._plain_step = self._below.env.step
        self._below.env.step = self._timed_step  # type: ignore[method-assign]
        self._step, convert = ADAPTERS[name](self._below.env)
        self._actions = [convert(action) for action in self._below.actions]
        self.below_s = 0.0

    def lap(self, steps: int) -> Lap:
        """Take some steps through the adapter, from the beginning of the same episodes, which end in turns."""
        self._below.stagger(0)
        self.below_s = 0.0
        actions, step = self._actions, self._step
        start = time.perf_counter()
        for i in range(steps):
            step(actions[i % ACTIONS])
        return Lap(steps * self._below.num_envs, time.perf_counter() - start)

    def close(self) -> None:
        """Free the engine."""
        self._below.close()

    def _timed_step(self, actions: Array) -> Any:
        start = time.perf_counter()
        result = self._plain_step(actions)
        self.below_s += time.perf_counter() - start
        return result


Convert = Callable[[Array], Any]
"""Makes the adapter's kind of array of actions."""


def _sb3(env: Any) -> tuple[Callable[[Any], Any], Convert]:
    from metasim.adapters.sb3 import SB3VecEnv

    adapter = SB3VecEnv(env)
    return adapter.step, lambda action: action


def _rsl_rl(env: Any) -> tuple[Callable[[Any], Any], Convert]:
    import torch

    from metasim.adapters.rsl_rl import RslRlVecEnv

    adapter = RslRlVecEnv(env)
    return adapter.step, torch.from_numpy


ADAPTERS: Mapping[str, Callable[[Any], tuple[Callable[[Any], Any], Convert]]] = MappingProxyType(
    {"sb3": _sb3, "rsl-rl": _rsl_rl}
)
