"""One environment with worlds of many tasks against an environment per task, all on the same machine in turns."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

from metasim.benchmarks.measuring.report import Column, Goal, Report
from metasim.benchmarks.throughput.rounds import Lap, Timing, geometric_mean, pilot
from metasim.benchmarks.throughput.sides import ACTIONS, Vector, random_actions
from metasim.core.errors import InvalidConfig
from metasim.envs import GroupVectorEnv

Array = Any
GOAL = Goal(key="mixed_to_single", at_least=0.7)
MOST_STEPS = 2000
COLUMNS = (Column(key="rate", heading="[steps/s]", digits=0),)


class Group:
    """Worlds of different tasks, driven by random actions, with same-step resets."""

    def __init__(self, tasks: Sequence[str], num_envs: int, workers: int) -> None:
        if num_envs < len(tasks):
            raise InvalidConfig(f"{num_envs} worlds are too few for {len(tasks)} tasks")
        worlds = [tasks[i * len(tasks) // num_envs] for i in range(num_envs)]
        self.env = GroupVectorEnv(worlds, workers=workers, autoreset_mode="same_step")
        self.num_envs, self._next = num_envs, 0
        self.actions = random_actions(num_envs, self.env.episodes.action_size)
        self.env.reset(seed=0)

    def step(self, steps: int) -> Lap:
        """Take some steps from wherever the worlds are."""
        env, actions, first = self.env, self.actions, self._next
        start = time.perf_counter()
        for i in range(first, first + steps):
            env.step(actions[i % ACTIONS])
        self._next = first + steps
        return Lap(steps * self.num_envs, time.perf_counter() - start)

    def close(self) -> None:
        """End the processes."""
        self.env.close()


def run(
    tasks: Sequence[str], timing: Timing, *, num_envs: int = 100, single_envs: int = 64, workers: int = 2
) -> Report:
    """Compare; the summary's ratio is the median over rounds, of the mixed rate by the tasks' geometric mean."""
    with contextlib.ExitStack() as stack:
        group = stack.enter_context(contextlib.closing(Group(tasks, num_envs, workers)))
        singles = {task: stack.enter_context(contextlib.closing(Vector(task, single_envs, workers))) for task in tasks}
        steps = pilot([group.step], timing.seconds, MOST_STEPS)
        each = {task: pilot([side.step], timing.seconds / 5, MOST_STEPS) for task, side in singles.items()}
        mixed: list[float] = []
        single: dict[str, list[float]] = {task: [] for task in tasks}
        for _ in range(timing.rounds):
            mixed.append(group.step(steps).rate())
            for task, side in singles.items():
                single[task].append(side.step(each[task]).rate())
            mixed[-1] = (mixed[-1] + group.step(steps).rate()) / 2  # before and after, for a machine that drifts
    means = [geometric_mean(rates[k] for rates in single.values()) for k in range(timing.rounds)]
    return Report(
        benchmark="mixed",
        settings={
            "tasks": len(tasks),
            "num_envs": num_envs,
            "single_envs": single_envs,
            "workers": workers,
            "seconds": timing.seconds,
            "rounds": timing.rounds,
        },
        columns=COLUMNS,
        rows={
            f"{len(tasks)} tasks in {num_envs} worlds": {"rate": median(mixed)},
            f"geometric mean of single tasks in {single_envs} worlds": {"rate": median(means)},
            **{task: {"rate": median(rates)} for task, rates in single.items()},
        },
        summary={"mixed_to_single": median(a / b for a, b in zip(mixed, means, strict=True))},
        goals=(GOAL,),
    )
