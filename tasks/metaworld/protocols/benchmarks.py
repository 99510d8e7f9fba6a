"""Meta-World's benchmarks for a seed: MT1, MT10, MT25, MT50, ML1, ML10, ML25, ML45, and those of a user's own tasks.

Multi-task benchmarks (MT) show the goal in the observation, meta-learning ones (ML) hide it.
"""

from __future__ import annotations

from collections.abc import Sequence

from metasim.core.errors import InvalidConfig, UnknownName
from metasim.core.protocol import Benchmark, Split, checked_seed
from metasim.core.task import TASKS
from metasim.tasks.metaworld.protocols.goals import NUM_GOALS, goals
from metasim.tasks.metaworld.protocols.lists import META, MULTI_TASK

SUITE = "metaworld"


def multi_task(name: str, seed: int | None = None, num_goals: int = NUM_GOALS) -> Benchmark:
    """Return MT10, MT25 or MT50.

    Raises:
        UnknownName: For another name.
        InvalidConfig: For a seed outside 0 to 2^32 - 1.
    """
    if name not in MULTI_TASK:
        raise UnknownName("multi-task benchmark", name, MULTI_TASK)
    seed = checked_seed(seed)
    train = Split(name="train", goals=goals(MULTI_TASK[name], seed, num_goals))
    return Benchmark(name=name, seed=seed, goals_visible=True, train=train)


def meta(name: str, seed: int | None = None, num_goals: int = NUM_GOALS) -> Benchmark:
    """Return ML10, ML25 or ML45; errors as for :func:`multi_task`."""
    if name not in META:
        raise UnknownName("meta-learning benchmark", name, META)
    return _meta(name, *META[name], seed, num_goals)


def mt1(task: str, seed: int | None = None, num_goals: int = NUM_GOALS) -> Benchmark:
    """Return MT1 of a task, given by id or short name."""
    seed = checked_seed(seed)
    train = Split(name="train", goals=goals([task_id(task)], seed, num_goals))
    return Benchmark(name="MT1", seed=seed, goals_visible=True, train=train)


def ml1(task: str, seed: int | None = None, num_goals: int = NUM_GOALS) -> Benchmark:
    """Return ML1 of a task: the goals of both splits are of the same task; those of the test split use ``seed + 1``."""
    seed, one = checked_seed(seed), [task_id(task)]
    train = Split(name="train", goals=goals(one, seed, num_goals))
    test = Split(name="test", goals=goals(one, checked_seed(seed + 1), num_goals))
    return Benchmark(name="ML1", seed=seed, goals_visible=False, train=train, test=test)


def custom_mt(tasks: Sequence[str], seed: int | None = None, num_goals: int = NUM_GOALS) -> Benchmark:
    """Return a multi-task benchmark of some tasks; task i has the goals of MT1 with ``seed + i``, as in the original.

    Raises:
        InvalidConfig: If there are none, or one is named twice.
    """
    seed, ids = checked_seed(seed), _distinct("tasks", tasks)
    drawn: dict[str, object] = {}
    for i, task in enumerate(ids):
        drawn |= goals([task], checked_seed(seed + i), num_goals)
    return Benchmark(name="custom MT", seed=seed, goals_visible=True, train=Split(name="train", goals=drawn))


def custom_ml(
    train: Sequence[str], test: Sequence[str], seed: int | None = None, num_goals: int = NUM_GOALS
) -> Benchmark:
    """Return a meta-learning benchmark of some tasks.

    Raises:
        InvalidConfig: If a split is empty, names a task twice, or shares one with the other split.
    """
    first, second = _distinct("train", train), _distinct("test", test)
    shared = [task for task in first if task in second]
    if shared:
        raise InvalidConfig(f"train and test tasks overlap in {shared}; a test task must not be trained on")
    return _meta("custom ML", first, second, seed, num_goals)


def task_id(name: str) -> str:
    """Return the id of a task given by id, ``reach-v3`` or ``reach``.

    Raises:
        UnknownName: If there is no such task.
    """
    short = name.removeprefix(f"{SUITE}/").removesuffix("-v3")
    id = f"{SUITE}/{short}-v3"
    if id not in TASKS:
        raise UnknownName("Meta-World task", name, (task for task in TASKS if task.startswith(f"{SUITE}/")))
    return id


def _meta(name: str, train: Sequence[str], test: Sequence[str], seed: int | None, num_goals: int) -> Benchmark:
    seed = checked_seed(seed)
    return Benchmark(
        name=name,
        seed=seed,
        goals_visible=False,
        train=Split(name="train", goals=goals(train, seed, num_goals)),
        test=Split(name="test", goals=goals(test, seed, num_goals)),
    )


def _distinct(what: str, tasks: Sequence[str]) -> tuple[str, ...]:
    if isinstance(tasks, str) or not tasks:
        raise InvalidConfig(f"{what} must be a list of one or more tasks, got {tasks!r}")
    ids = tuple(task_id(task) for task in tasks)
    if len(set(ids)) != len(ids):
        raise InvalidConfig(f"{what} names a task twice: {list(tasks)}")
    return ids
