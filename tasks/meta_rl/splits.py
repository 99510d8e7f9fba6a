"""Which tasks of a family are trained on and which are tested on, under ids such as ``meta_rl/cheetah-vel-train``.

Task i of a family is the value that its factor draws from stream ``"task"`` of episode i under the root seed
:data:`SPLIT_SEED`: the same for every method, run, seed and number of worlds. The first tasks are the training tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from metasim.core.errors import InvalidConfig, UnknownName
from metasim.core.protocol import NUM_GOALS, PROTOCOLS, Benchmark, Protocol, Split, checked_seed, is_whole
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS
from metasim.tasks.metaworld.protocols import ml1

Array = Any
SUITE = "meta_rl"
SPLIT_SEED = 2410
REACH_SEED = 3407


@dataclass(frozen=True, kw_only=True)
class Family:
    """Tasks that differ in one factor.

    Attributes:
        task: Id of the task.
        factor: The factor.
        train: Number of training tasks.
        test: Number of test tasks.
        values: ``(family, count, split seed)`` to the tasks ``(count, K)``.
        same: Whether both splits have all tasks, for families of too few.
    """

    task: str
    factor: str
    train: int = 45
    test: int = 5
    values: Callable[[Family, int, int], Array]
    same: bool = False


def drawn(family: Family, count: int, seed: int) -> Array:
    """Return tasks ``(count, K)``, each drawn by the factor from a stream of its own."""
    factor = next(f for f in TASKS[family.task].factors if f.name == family.factor)
    episodes = [EpisodeSeed(root=seed, task=family.task, episode=i) for i in range(count)]
    return np.stack([factor.sample(episode.rng("task"), "train") for episode in episodes])


def both_ways(family: Family, count: int, seed: int) -> Array:
    """Return forward and backward ``(2, 1)``."""
    return np.array([[1.0], [-1.0]])


def reach_goals(family: Family, count: int, seed: int) -> Array:
    """Return the goals of ML1 with the published seed ``(count, 6)``, whatever the split seed."""
    return ml1(family.task, REACH_SEED, count).train.goals[family.task]


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "point-robot": Family(task=f"{SUITE}/point-robot-v0", factor="goal", values=drawn),
        "cheetah-vel": Family(task=f"{SUITE}/cheetah-vel-v0", factor="velocity", values=drawn),
        "cheetah-dir": Family(
            task=f"{SUITE}/cheetah-dir-v0", factor="direction", train=2, test=2, values=both_ways, same=True
        ),
        "ant-dir": Family(task=f"{SUITE}/ant-dir-v0", factor="angle", values=drawn),
        "hopper-param": Family(task=f"{SUITE}/hopper-param-v0", factor="log_scales", values=drawn),
        "walker-param": Family(task=f"{SUITE}/walker-param-v0", factor="log_scales", values=drawn),
        "reach": Family(task="metaworld/reach-v3", factor="rand_vec", train=15, test=5, values=reach_goals),
    }
)


def benchmark(
    family: str, seed: int | None = None, num_goals: int = NUM_GOALS, *, split_seed: int = SPLIT_SEED
) -> Benchmark:
    """Return the benchmark of a family.

    Args:
        family: For example ``"cheetah-vel"``.
        seed: Root of the episodes; the tasks do not depend on it.
        num_goals: Number of tasks of both splits together, shared out as published; 50, the default of every
            protocol, stands for the published number.
        split_seed: What the tasks are drawn with; leave it for results to compare with others'.

    Raises:
        UnknownName: For an unknown family.
        InvalidConfig: For fewer than two tasks, or a seed that cannot be one.
    """
    if family not in FAMILIES:
        raise UnknownName("family of tasks", family, FAMILIES)
    entry, published = FAMILIES[family], FAMILIES[family].train + FAMILIES[family].test
    if not is_whole(num_goals) or num_goals < 2:
        raise InvalidConfig(f"num_goals must be an integer of at least 2, to be split, got {num_goals!r}")
    total = published if num_goals == NUM_GOALS else int(num_goals)
    tasks = entry.values(entry, total, checked_seed(split_seed))
    count = min(max(round(total * entry.train / published), 1), total - 1)
    train, test = (tasks, tasks) if entry.same else (tasks[:count], tasks[count:])
    return Benchmark(
        name=f"{SUITE}/{family}",
        seed=checked_seed(seed),
        goals_visible=False,
        train=Split(name="train", goals={entry.task: train}),
        test=Split(name="test", goals={entry.task: test}),
        factor=entry.factor,
    )


def _register() -> None:
    for name, family in FAMILIES.items():
        for split, count in (("train", family.train), ("test", family.test)):
            protocol = Protocol(
                build=partial(benchmark, name),
                split=split,
                summary=f"meta-learning, {split} split: {count} tasks that differ in {family.factor}, which is hidden",
                tasks=(family.task,),
                worlds=count,
                goal_choice="hold",
            )
            PROTOCOLS.register(f"{SUITE}/{name}-{split}", protocol)


_register()
