"""Draws a protocol: once, for its file; and again, to see whether the random numbers are still the same."""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Mapping
from typing import Any

import numpy as np

from metasim.benchmarks.generalization.frozen import SCHEMA, Cell, Frozen, arm_json, digest, pack, rounded
from metasim.benchmarks.generalization.table import Arm, Suite, Table
from metasim.core.protocol import protocol_goals
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS, Task
from metasim.randomize.axis import AXES, sample

Array = Any
Json = Any
NO_HELD_OUT = "no factor of the task has a held-out range, which levels begin with"


def freeze(table: Table) -> bytes:
    """Draw every episode of a table and return the protocol's file.

    Raises:
        UnknownName: For a task or an axis that is not registered.
    """
    tasks, cells = dict[str, Json](), list[Json]()
    for suite in table.suites:
        goals = suite_goals(suite, table.seed)
        for task in suite.tasks:
            refusals = {arm.condition.label: refused(arm, TASKS[task], table.engines) for arm in table.arms}
            arms = [arm for arm in table.arms if len(refusals[arm.condition.label]) < len(table.engines)]
            tasks[task] = _drawn(table, suite, task, arms, goals.get(task, {}))
            cells += [
                {"task": task, "condition": label, "refused": reasons, "sha256": ""}
                for label, reasons in refusals.items()
            ]
    tree: dict[str, Json] = {
        "schema": SCHEMA,
        "protocol": table.name,
        "version": table.version,
        "seed": table.seed,
        "episodes": table.episodes,
        "engines": list(table.engines),
        "drawn_with": {"numpy": importlib.metadata.version("numpy")},
        "conditions": [arm_json(arm) for arm in table.arms],
        "tasks": tasks,
        "cells": [],
    }
    unsigned = Frozen({**tree, "sha256": digest(tree)})
    arms = {arm.condition.label: arm for arm in table.arms}
    for cell in cells:
        cell["sha256"] = unsigned.digest(cell["task"], arms[cell["condition"]])
    return pack({**tree, "cells": cells})


def refused(arm: Arm, task: type[Task], engines: tuple[str, ...]) -> dict[str, str]:
    """Return engine to the reason why a condition does not apply to a task there."""
    found = dict[str, str]()
    held_out = any(getattr(factor, "test", None) is not None for factor in task.factors)
    for engine in engines:
        reasons = [f"{axis}: {reason}" for axis in arm.axes if (reason := AXES[axis].refuse(task, engine))]
        if arm.split == "test" and not held_out:
            reasons.insert(0, NO_HELD_OUT)
        if reasons:
            found[engine] = "; ".join(reasons)
    return found


def suite_goals(suite: Suite, seed: int) -> dict[str, dict[str, Array]]:
    """Return task to factor to the goals ``(G, K)`` that its episodes have one after another."""
    if not suite.goals:
        return {}
    factor, goals = _goals(suite.goals, suite.tasks, seed)
    return {task: {factor: values} for task, values in goals.items()}


@functools.lru_cache(maxsize=8)
def _goals(protocol: str, tasks: tuple[str, ...], seed: int) -> tuple[str, dict[str, Array]]:
    return protocol_goals(protocol, tasks, seed)


def draw_sample(task: type[Task], seed: EpisodeSeed, goals: Mapping[str, Array]) -> dict[str, Json]:
    """Return what a task's factors are in one episode, as JSON."""
    drawn = {**task().sample(seed), **{name: values[seed.episode % len(values)] for name, values in goals.items()}}
    return {name: rounded(np.asarray(value, float)) for name, value in drawn.items()}


def draw_variation(arm: Arm, task: type[Task], seed: EpisodeSeed) -> dict[str, Json]:
    """Return what the axes of a condition are in one episode, as JSON."""
    return rounded(sample(dict.fromkeys(arm.axes, "test"), task, seed))


def episode_seed(root: int, task: str, episode: int, split: str) -> EpisodeSeed:
    """Return what identifies an episode of a protocol; those of all conditions with a split begin in the same way."""
    return EpisodeSeed(root=root, task=task, episode=episode, split=split)


def _drawn(table: Table, suite: Suite, task: str, arms: list[Arm], goals: Mapping[str, Array]) -> dict[str, Json]:
    """Return what a file holds of a task: starts by split, and values of axes by split."""
    kind = TASKS[task]
    samples, values = dict[str, Json](), dict[str, Json]()
    for split in dict.fromkeys(arm.split for arm in arms):
        seeds = [episode_seed(table.seed, task, i, split) for i in range(table.episodes)]
        rows = [draw_sample(kind, seed, goals) for seed in seeds]
        samples[split] = {name: [row[name] for row in rows] for name in rows[0]}
        axes = tuple(dict.fromkeys(axis for arm in arms if arm.split == split for axis in arm.axes))
        every = Arm(condition=arms[0].condition, split=split, axes=axes)
        found = [draw_variation(every, kind, seed) for seed in seeds]
        values[split] = {axis: [row[axis] for row in found] for axis in axes}
    return {"horizon": kind.horizon, "goals": suite.goals, "samples": samples, "values": values}


def redrawn(frozen: Frozen, cell: Cell, episode: int) -> dict[str, tuple[Json, Json]]:
    """Draw an episode of a cell again; return name to what the file holds and what comes out, where they differ."""
    kind, split = TASKS[cell.task], cell.arm.split
    seed, goals = episode_seed(frozen.seed, cell.task, episode, split), dict[str, Array]()
    if frozen.goals(cell.task):
        tasks = tuple(task for task in frozen.tasks if frozen.goals(task) == frozen.goals(cell.task))
        factor, values = _goals(frozen.goals(cell.task), tasks, frozen.seed)
        goals = {factor: values[cell.task]}
    held = {name: value[0].tolist() for name, value in frozen.samples(cell.task, split, [episode]).items()}
    held |= {f"axis {name}": value for name, value in frozen.variation(cell, episode).items()}
    again = draw_sample(kind, seed, goals)
    again |= {f"axis {name}": value for name, value in draw_variation(cell.arm, kind, seed).items()}
    names = sorted({*held, *again})
    return {name: (held.get(name), again.get(name)) for name in names if held.get(name) != again.get(name)}
