"""Evaluates a policy: whole episodes of every task, each a function of its seed alone.

One process or several, one world or many: the results have the same bytes. An episode runs to its horizon,
solved or not, unless the task ends it or its world fails; a failed world leaves its reason in the result, and
the others alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from metasim.benchmarks.results import EpisodeResult, Results
from metasim.benchmarks.versions import versions
from metasim.core.backend import BACKENDS
from metasim.core.errors import InvalidConfig
from metasim.core.policy import POLICIES, Policy
from metasim.core.protocol import protocol_goals
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS
from metasim.core.task_files import exported, origins
from metasim.envs import Episodes
from metasim.envs.showing import show_factors, show_pictures
from metasim.envs.varying import Together, Variation, check_vary, planned
from metasim.work import Emit, executor, shards

Array = Any
PROTOCOL = "metasim/success-v1"
PROTOCOLS: Mapping[str, str] = MappingProxyType(
    {PROTOCOL: "success at any step and at the last step of full-length episodes, per task and engine"}
)
REPORT_STEPS = 50


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What to evaluate.

    Args:
        tasks: Task ids.
        backend: Engine.
        policy: Name of the policy.
        episodes: Episodes per task, numbered from 0.
        seed: Root seed.
        split: ``"train"`` or ``"test"`` ranges of the factors.
        horizon: Steps until truncation; None for each task's own.
        workers: Processes; the results do not depend on it.
        worlds: Worlds stepped together in a process; the results do not depend on it.
        vary: Axis of variation to the range that it is drawn from, ``"train"`` or ``"test"``, in every episode anew.
        goals: A protocol; episode i then has goal i (modulo their number) of its benchmark for ``seed``. None for
            goals that each episode draws itself.
        ray: Ray to run it on: ``"local"`` for one that is started here, ``"auto"`` or ``HOST:PORT``; None for
            processes of this machine. The results do not depend on it.

    Raises:
        UnknownName: For an unknown task, engine, policy or protocol.
        InvalidConfig: For a number out of its range.
    """

    tasks: tuple[str, ...]
    backend: str = "mujoco"
    policy: str = "expert"
    episodes: int = 50
    seed: int = 0
    split: str = "train"
    horizon: int | None = None
    workers: int = 1
    worlds: int = 16
    goals: str | None = None
    vary: Mapping[str, str] = field(default_factory=dict[str, str])
    ray: str | None = None

    def __post_init__(self) -> None:
        """Check names and numbers."""
        if isinstance(self.tasks, str) or not self.tasks:
            raise InvalidConfig(f"tasks must be a tuple of one or more task ids, got {self.tasks!r}")
        object.__setattr__(self, "tasks", tuple(dict.fromkeys(self.tasks)))
        for task in self.tasks:
            TASKS[task]
        object.__setattr__(self, "policy", POLICIES.canonical(self.policy))
        for registry, name in ((BACKENDS, self.backend), (POLICIES, self.policy)):
            registry[name]
        if self.split not in ("train", "test"):
            raise InvalidConfig(f"split must be 'train' or 'test', got {self.split!r}")
        for name in ("episodes", "workers", "worlds", "horizon"):
            value = getattr(self, name)
            if value is None and name == "horizon":
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InvalidConfig(f"{name} must be an integer of 1 or more, got {value!r}")
        if not isinstance(self.seed, int) or isinstance(self.seed, bool) or self.seed < 0:
            raise InvalidConfig(f"seed must be an integer of 0 or more, got {self.seed!r}")
        POLICIES.check_needs(self.policy, seed=self.seed, split=self.split, goals=self.goals or "")
        object.__setattr__(self, "vary", dict(sorted(self.vary.items())))
        for task in self.tasks:
            check_vary(self.vary, TASKS[task], self.backend)
        if self.goals is not None:
            protocol_goals(self.goals, self.tasks, self.seed)

    def resolved(self) -> dict[str, Any]:
        """Return what the results say about how they came about: versions, and nothing of the machine."""
        return {
            "tasks": list(self.tasks),
            "backends": [self.backend],
            "policies": [self.policy],
            "seeds": [self.seed],
            "episodes": [f"0-{self.episodes - 1}"],
            "split": self.split,
            "horizon": {task: self.horizon or TASKS[task].horizon for task in self.tasks},
            "versions": versions(self.backend, self.tasks, [self.policy]),
            **({} if self.goals is None else {"goals": self.goals}),
            **({"vary": dict(self.vary)} if self.vary else {}),
        }


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far the evaluation of one task is.

    Attributes:
        task: Its id.
        done: Finished episodes.
        wanted: Episodes in all.
        successes: Finished episodes that were solved at some step.
        steps: Steps taken, over all episodes.
        horizon: Steps of one episode.
        elapsed_s: Since the evaluation began.
    """

    task: str
    done: int
    wanted: int
    successes: int
    steps: int
    horizon: int
    elapsed_s: float

    @property
    def share(self) -> float:
        """The finished share of the task's steps, in [0, 1]."""
        return 1.0 if self.done == self.wanted else min(1.0, self.steps / (self.wanted * self.horizon))


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Some episodes ``(task, index)``, run by one process."""

    config: EvaluateConfig
    episodes: tuple[tuple[str, int], ...]


def evaluate(config: EvaluateConfig, report: Callable[[Progress], None] | None = None) -> Results:
    """Run every episode and return the results; ``report`` is called in this process as they go on.

    Raises:
        InvalidConfig: If the policy cannot run a task.
        UnsupportedFeature: If the engine cannot express a task's scene.
        EngineFailure: If a worker process was killed, or there is no Ray to run on.
        MissingDependency: If it is to run on Ray, which is not installed.
    """
    for task in config.tasks:
        POLICIES[config.policy](TASKS[task], 1)  # refused now, not after the first tasks have run
    work = [(task, i) for task in config.tasks for i in range(config.episodes)]
    todo = [Shard(config=config, episodes=part) for part in shards(work, min(config.workers, len(work)))]
    with exported(origins(TASKS[task] for task in config.tasks)), executor(config.ray, config.workers) as pool:
        parts = pool.run(run_shard, todo, _Tally(config, report).event)
    return Results(protocol=PROTOCOL, config=config.resolved(), episodes=tuple(row for part in parts for row in part))


def run_shard(shard: Shard, emit: Emit) -> tuple[EpisodeResult, ...]:
    """Run a shard, task by task; ``emit`` gets ``(task, steps, finished episodes, solved ones)``."""
    by_task: dict[str, list[int]] = {}
    for task, index in shard.episodes:
        by_task.setdefault(task, []).append(index)
    return tuple(row for task, wanted in by_task.items() for row in _run_task(shard.config, task, wanted, emit))


def _run_task(c: EvaluateConfig, task: str, wanted: Sequence[int], emit: Emit) -> list[EpisodeResult]:
    """Run episodes of one task, those of one scene after those of another, and return them as ``wanted``."""
    seeds = [EpisodeSeed(root=c.seed, task=task, episode=i, split=c.split) for i in wanted]
    parts = planned(TASKS[task], c.vary, seeds)
    rows = [row for part in parts for row in _run_scene(c, part, wanted, emit)]
    return sorted(rows, key=lambda row: wanted.index(row.episode)) if len(parts) > 1 else rows


def _run_scene(c: EvaluateConfig, part: Together, wanted: Sequence[int], emit: Emit) -> list[EpisodeResult]:
    """Run episodes of one scene in blocks of equal numbers of worlds."""
    blocks = math.ceil(len(part.indices) / c.worlds)
    size = math.ceil(len(part.indices) / blocks)
    episodes = Episodes(part.task, c.backend, size, horizon=c.horizon)
    try:
        policy = POLICIES[c.policy](episodes.task, size)
        goals = None if c.goals is None else _goals(c, part.task.id)
        mine = [(wanted[k], variation) for k, variation in zip(part.indices, part.variations, strict=True)]
        chosen = [mine[k * size : (k + 1) * size] for k in range(blocks)]
        return [row for block in chosen if block for row in _run_block(episodes, policy, c, block, emit, goals)]
    finally:
        episodes.close()


def _goals(c: EvaluateConfig, task: str) -> tuple[str, Array]:
    """Return the factor that goals are values of, and the task's goals ``(G, K)``."""
    factor, goals = protocol_goals(c.goals or "", c.tasks, c.seed)
    return factor, goals[task]


def _run_block(
    episodes: Episodes,
    policy: Policy,
    c: EvaluateConfig,
    block: Sequence[tuple[int, Variation | None]],
    emit: Emit,
    goals: tuple[str, Array] | None,
) -> list[EpisodeResult]:
    """Run one episode in each world; worlds beyond ``block`` repeat the last one, and are not counted."""
    n, rows = episodes.num_worlds, np.arange(episodes.num_worlds)
    chosen, filled = [i for i, _ in block], [*block, *[block[-1]] * (n - len(block))]
    indices = [i for i, _ in filled]
    seeds = [EpisodeSeed(root=c.seed, task=episodes.task.id, episode=i, split=c.split) for i in indices]
    overrides = None if goals is None else {goals[0]: goals[1][np.array(indices) % len(goals[1])]}
    observation = episodes.begin(rows, seeds, overrides, [variation for _, variation in filled])
    policy.reset(rows, seeds)
    show_factors(policy, episodes, rows, seeds, overrides)
    log = Log(n, len(chosen))
    pending = 0
    while log.alive.any():
        pending += int(log.alive.sum())
        show_pictures(policy, episodes)
        step = episodes.step(policy.act(np.concatenate([*observation.values()], axis=1)))
        log.add(step, episodes.backend.failures)
        observation = step.observation
        if int(log.length.max()) % REPORT_STEPS == 0:
            emit((episodes.task.id, pending, 0, 0))
            pending = 0
    emit((episodes.task.id, pending, len(chosen), int(log.success_any[: len(chosen)].sum())))
    names = {"task": episodes.task.id, "backend": c.backend, "policy": c.policy, "seed": c.seed, **_condition(c.vary)}
    return [
        EpisodeResult(**names, episode=i, variation=variation or {}, **log.row(k))
        for k, (i, variation) in enumerate(block)
    ]


def _condition(vary: Mapping[str, str]) -> dict[str, Any]:
    """Return under which condition episodes are that vary so: the one factor, or a level that names them all."""
    if len(vary) == 1:
        ((axis, split),) = vary.items()
        return {"factor": axis, "level": split}
    return {"level": ", ".join(f"{axis} {split}" for axis, split in vary.items())} if vary else {}


class Log:
    """What happened so far in N worlds, of which the first ``count`` matter."""

    def __init__(self, n: int, count: int) -> None:
        self.alive = np.arange(n) < count
        self.success_any, self.success_last = np.zeros(n, bool), np.zeros(n, bool)
        self.first, self.length = np.full(n, -1), np.zeros(n, np.int64)
        self.total = np.zeros(n)
        self.errors: dict[int, str] = {}

    def add(self, step: Any, failures: Mapping[int, str]) -> None:
        """Enter a step of the worlds that are still in their episode."""
        success, alive = np.asarray(step.success, bool), self.alive
        self.length += alive
        odd = alive & ~np.isfinite(step.reward)
        for world in [w for w in failures if alive[w]]:
            self._fail(world, str(failures[world]) or "the world failed")
        for world in np.flatnonzero(odd & self.alive).tolist():
            self._fail(world, f"the reward is not finite at step {self.length[world]}")
        sound = alive & self.alive
        self.total += np.where(sound, step.reward, 0.0)
        self.first = np.where(sound & success & (self.first < 0), self.length, self.first)
        self.success_any |= sound & success
        self.success_last = np.where(sound, success, self.success_last)
        self.alive = sound & ~(step.terminated | step.truncated)

    def row(self, world: int) -> dict[str, Any]:
        """Return the fields of one world's result."""
        return {
            "success_any": bool(self.success_any[world]),
            "success_last": bool(self.success_last[world]),
            "first_success_step": int(self.first[world]) if self.first[world] >= 0 else None,
            "episode_return": float(self.total[world]),
            "length": int(self.length[world]),
            "error": self.errors.get(world),
        }

    def _fail(self, world: int, reason: str) -> None:
        self.errors[int(world)] = reason
        self.alive = self.alive & (np.arange(len(self.alive)) != world)
        self.success_last[world] = False


class _Tally:
    """Adds up the events of all shards and hands them on as :class:`Progress`."""

    def __init__(self, config: EvaluateConfig, report: Callable[[Progress], None] | None) -> None:
        self._config, self._report, self._start = config, report, time.monotonic()
        self._counts = {task: np.zeros(3, np.int64) for task in config.tasks}

    def event(self, event: tuple[str, int, int, int]) -> None:
        """Enter ``(task, steps, finished, solved)``."""
        task, *counts = event
        self._counts[task] += counts
        if self._report is None:
            return
        steps, done, successes = (int(v) for v in self._counts[task])
        c = self._config
        self._report(
            Progress(
                task=task,
                done=done,
                wanted=c.episodes,
                successes=successes,
                steps=steps,
                horizon=c.horizon or TASKS[task].horizon,
                elapsed_s=time.monotonic() - self._start,
            )
        )
