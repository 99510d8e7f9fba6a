"""Our environment on PyBullet against a bare loop that gives Bullet the same commands.

While the environment steps, every motor command, external force and call of ``stepSimulation`` is noted, with its
arguments. The bare loop makes the same calls on the same worlds from the same states, and nothing else: no reading of
joints, no mirror, no observation. Both end where the other ends, to the bit, which is checked. One process, as each
worker of the engine is one.
"""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any

import pybullet

from metasim.benchmarks.measuring.report import Column, Goal, Report
from metasim.benchmarks.throughput.arm import Arm
from metasim.benchmarks.throughput.rounds import Lap, Timing, alternate, geometric_mean, pilot
from metasim.benchmarks.throughput.sides import Vector
from metasim.core.errors import EngineFailure
from metasim.core.task import Task

Array = Any
Command = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
COMMANDS = (
    "setJointMotorControl2",
    "setJointMotorControlArray",
    "setJointMotorControlMultiDof",
    "setJointMotorControlMultiDofArray",
    "applyExternalForce",
    "applyExternalTorque",
    "stepSimulation",
)
GOALS = (Goal(key="weld_driven", at_least=0.4), Goal(key="joint_controlled", at_least=0.8))
COLUMNS = (
    Column(key="ours", heading="ours [steps/s]", digits=0),
    Column(key="bare", heading="bare [steps/s]", digits=0),
    Column(key="ratio", heading="ours / bare", digits=3),
    Column(key="reset_ms", heading="reset of a world [ms]"),
    Column(key="ratio_with_resets", heading="ours with resets / bare", digits=3),
)


@contextlib.contextmanager
def recorded() -> Iterator[list[Command]]:
    """Note every command given to Bullet meanwhile, from whatever module."""
    log: list[Command] = []

    def noting(call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **kwargs: Any) -> Any:
            log.append((call, copy.deepcopy(args), copy.deepcopy(kwargs)))
            return call(*args, **kwargs)

        return noted

    originals = {name: getattr(pybullet, name) for name in COMMANDS}
    for name, call in originals.items():
        setattr(pybullet, name, noting(call))
    try:
        yield log
    finally:
        for name, call in originals.items():
            setattr(pybullet, name, call)


class Pair:
    """One task's environment on PyBullet, and the bare loop over its own worlds.

    Args:
        task: The task.
        num_envs: N, all in this process.
        warmup: Steps before the states that laps begin from.
    """

    def __init__(self, task: str | type[Task], num_envs: int, warmup: int = 20) -> None:
        self.ours = Vector(task, num_envs, 1, backend="pybullet")
        self.episodes = self.ours.env.episodes
        self.ours.step(warmup)
        self.start = self.episodes.snapshot()
        self.longest = self.ours.horizon - warmup - 1
        self.log: list[Command] = []

    def run_ours(self, steps: int) -> Lap:
        """Step the environment; the reset of all worlds is timed apart."""
        begin = time.perf_counter()
        self.ours.env.reset(seed=0)
        reset_s = (time.perf_counter() - begin) / self.ours.num_envs
        self._begin()
        return self.ours.step(steps)._replace(reset_s=reset_s)

    def run_bare(self, steps: int) -> Lap:
        """Repeat the commands that were noted."""
        self._begin()
        log = self.log
        begin = time.perf_counter()
        for call, args, kwargs in log:
            call(*args, **kwargs)
        return Lap(steps * self.ours.num_envs, time.perf_counter() - begin)

    def record(self, steps: int) -> None:
        """Note the commands of so many steps, and make sure that repeating them has the same outcome.

        Raises:
            EngineFailure: If it has not: the environment drives Bullet in some way that is not noted.
        """
        self._begin()
        with recorded() as self.log:
            self.ours.step(steps)
        clients = stepped(self.log)
        ended = coordinates(clients)
        self.run_bare(steps)
        if not clients or coordinates(clients) != ended:
            raise EngineFailure(f"repeating the commands of {self.episodes.task.id!r} did not lead to the same states")

    def close(self) -> None:
        """Free the engine."""
        self.ours.close()

    def _begin(self) -> None:
        self.episodes.restore(self.start)
        self.ours.rewind()


def stepped(log: Sequence[Command]) -> list[int]:
    """Return the clients that were stepped."""
    steps = [(args, kwargs) for call, args, kwargs in log if call.__name__ == "stepSimulation"]
    return sorted({args[0] if args else kwargs["physicsClientId"] for args, kwargs in steps})


def coordinates(clients: Sequence[int]) -> list[Any]:
    """Return where everything in some clients is and how fast, as Bullet says it."""
    found: list[Any] = []
    for client in clients:
        for body in range(pybullet.getNumBodies(physicsClientId=client)):
            joints = list(range(pybullet.getNumJoints(body, physicsClientId=client)))
            found.append(pybullet.getBaseVelocity(body, physicsClientId=client))
            found += (
                [state[:2] for state in pybullet.getJointStates(body, joints, physicsClientId=client)] if joints else []
            )
    return found


def run(tasks: Sequence[str], timing: Timing, *, num_envs: int = 8, warmup: int = 20, arm: bool = True) -> Report:
    """Compare on some weld-driven tasks, and on a joint-controlled arm unless ``arm`` is False."""
    rows: dict[str, dict[str, float]] = {}
    for task in (*tasks, *((Arm,) if arm else ())):
        pair = Pair(task, num_envs, warmup)
        try:
            rows[task if isinstance(task, str) else task.id] = _row(pair, timing)
        finally:
            pair.close()
    summary = {"weld_driven": geometric_mean(rows[task]["ratio"] for task in tasks)} if tasks else {}
    summary |= {"joint_controlled": rows[Arm.id]["ratio"]} if arm else {}
    return Report(
        benchmark="pybullet",
        settings={"num_envs": num_envs, "workers": 1, "seconds": timing.seconds, "rounds": timing.rounds},
        columns=COLUMNS,
        rows=rows,
        summary=summary,
        goals=[goal for goal in GOALS if goal.key in summary],
    )


def _row(pair: Pair, timing: Timing) -> dict[str, float]:
    steps = pilot([pair.run_ours], timing.seconds, pair.longest)
    pair.record(steps)
    rounds = alternate({"ours": pair.run_ours, "bare": pair.run_bare}, steps, timing.rounds)
    return {
        "ours": rounds.rate("ours"),
        "bare": rounds.rate("bare"),
        "ratio": rounds.ratio("ours", "bare"),
        "reset_ms": 1000.0 * median(lap.reset_s for lap in rounds.laps["ours"]),
        "ratio_with_resets": rounds.ratio("ours", "bare", pair.ours.horizon),
    }
