"""Meta-World's protocols: its benchmarks for a seed, and the ids that environments of them are made by."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from metasim.core.protocol import PROTOCOLS, Benchmark, Protocol
from metasim.tasks.metaworld.protocols.benchmarks import custom_ml, custom_mt, meta, ml1, mt1, multi_task
from metasim.tasks.metaworld.protocols.goals import NUM_GOALS, goals
from metasim.tasks.metaworld.protocols.lists import META, MT10, MT25, MT50, MULTI_TASK

META_BATCH = 20
"""Worlds of a meta-learning environment at least, as in the original."""

__all__ = [
    "MT10",
    "MT25",
    "MT50",
    "NUM_GOALS",
    "custom_ml",
    "custom_mt",
    "goals",
    "meta",
    "ml1",
    "mt1",
    "multi_task",
]


def _multi_task() -> dict[str, Protocol]:
    whole = {
        name: Protocol(
            build=partial(multi_task, name),
            split="train",
            summary=f"multi-task: {len(tasks)} tasks, {NUM_GOALS} visible goals each",
            tasks=tasks,
        )
        for name, tasks in MULTI_TASK.items()
    }
    single = Protocol(
        build=mt1, split="train", summary=f"one task, {NUM_GOALS} visible goals; choose task=", choices=("task",)
    )
    custom = Protocol(build=custom_mt, split="train", summary="multi-task: choose tasks=[...]", choices=("tasks",))
    return {"MT1": single, **whole, "custom-mt": custom}


def _meta(name: str, k: int, split: str) -> Protocol:
    tasks = META[name][k]
    return Protocol(
        build=partial(meta, name),
        split=split,
        summary=f"meta-learning, {split} split: {len(tasks)} tasks, {NUM_GOALS} hidden goals each",
        tasks=tasks,
        worlds=META_BATCH,
        goal_choice="hold",
    )


def _chosen(build: Callable[..., Benchmark], split: str, summary: str, choices: tuple[str, ...]) -> Protocol:
    return Protocol(
        build=build,
        split=split,
        summary=f"meta-learning, {split} split: {summary}",
        choices=choices,
        worlds=META_BATCH,
        goal_choice="hold",
    )


def _meta_learning() -> dict[str, Protocol]:
    found: dict[str, Protocol] = {}
    for k, split in enumerate(("train", "test")):
        one = f"one task, {NUM_GOALS} hidden goals; choose task="
        found[f"ML1-{split}"] = _chosen(ml1, split, one, ("task",))
        found |= {f"{name}-{split}": _meta(name, k, split) for name in META}
        found[f"custom-ml-{split}"] = _chosen(custom_ml, split, "choose train=[...], test=[...]", ("train", "test"))
    return found


for _name, _protocol in {**_multi_task(), **_meta_learning()}.items():
    PROTOCOLS.register(f"metaworld/{_name}", _protocol)
