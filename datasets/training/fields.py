"""What a sample may hold, and which arrays of a demo each of it is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metasim.core.errors import InvalidConfig, UnknownName
from metasim.datasets.episode import TaskInfo
from metasim.datasets.states import STATES
from metasim.datasets.training.index import Field

FLAT = "flat"
"""The flat observation, among the names of observations."""
OBS, FINAL = "obs", "final_obs"
PLAIN: Mapping[str, tuple[Any, str]] = {  # type, rows
    "actions": (np.float32, "T"),
    "rewards": (np.float64, "T"),
    "dones": (np.uint8, "T"),
    "terminated": (np.bool_, "T"),
    "truncated": (np.bool_, "T"),
    "success": (np.bool_, "T"),
    STATES: (np.float64, "T + 1"),
}
MADE = ("next_obs", FINAL, "returns_to_go", "timesteps")
"""What is worked out of other arrays: the observation after each action, that after the last one of the episode, the
rewards that are still to come, the number of each step."""
SAMPLE = "sample/"
"""Before the name of a factor: the value that the episode had."""


def wanted_fields(
    tasks: Mapping[str, TaskInfo], obs: Sequence[str] | None, include: Sequence[str], engines: set[tuple[str, str]]
) -> list[Field]:
    """Return the fields that samples are made of, by key: ``obs`` or ``obs/<name>``, ``final_obs`` alike, and others.

    Args:
        tasks: The tasks that are read.
        obs: Names of observations and pictures, or :data:`FLAT`; None for the flat observation alone.
        include: Names of :data:`PLAIN`, :data:`MADE`, or factors after :data:`SAMPLE`.
        engines: Task and engine of the episodes, whose states are read if asked for.

    Raises:
        UnknownName: For a name that there is not.
        InvalidConfig: If the tasks have nothing of one shape under a name.
    """
    for name in include:
        if name not in PLAIN and name not in MADE and not name.startswith(SAMPLE):
            raise UnknownName("array to include", name, [*PLAIN, *MADE, f"{SAMPLE}<factor>"])
    names = {OBS: FLAT} if obs is None else {f"{OBS}/{name}": name for name in obs}
    fields = [_observation(key, name, tasks) for key, name in names.items()]
    if "next_obs" in include or FINAL in include:
        fields += [_observation(key.replace(OBS, FINAL, 1), name, tasks) for key, name in names.items()]
    plain = {name for name in include if name in PLAIN} | ({"rewards"} if "returns_to_go" in include else set())
    return fields + [_plain(name, tasks, engines) for name in PLAIN if name in plain]


def _observation(key: str, name: str, tasks: Mapping[str, TaskInfo]) -> Field:
    folder, parts, shapes = key.partition("/")[0], [], dict[tuple[tuple[int, ...], str], str]()
    for id, task in tasks.items():
        sizes = dict(task.observation)
        pictures = {picture: (shape, kind) for picture, shape, kind in task.pictures}
        if name in pictures:
            shape, kind = pictures[name]
            made: tuple[tuple[str, int], ...] = ((f"{folder}/{name}", 0),)
        elif name in sizes or name == FLAT:
            chosen = {name: sizes[name]} if name in sizes else sizes
            shape, kind = (sum(chosen.values()),), "float64"
            made = tuple((f"{folder}/{part}", columns) for part, columns in chosen.items())
        else:
            raise UnknownName("observation", name, [*sizes, *pictures, FLAT], hint=f"(task {id})")
        parts.append(made)
        shapes.setdefault((shape, kind), id)
    rows = "T" if folder == OBS else "1"
    return Field(key=key, parts=tuple(parts), rows=rows, **_one(f"the observation {name!r}", shapes))


def _plain(name: str, tasks: Mapping[str, TaskInfo], engines: set[tuple[str, str]]) -> Field:
    kind, rows = PLAIN[name]
    shapes = dict[tuple[tuple[int, ...], str], str]()
    for id, task in tasks.items():
        sizes = {()}
        if name == "actions":
            sizes = {(task.action_size,)}
        elif name == STATES:
            sizes = {(task.state_size[engine],) for owner, engine in engines if owner == id}
        for shape in sizes:
            shapes.setdefault((shape, np.dtype(kind).name), id)
    spread, parts = name == STATES, tuple(((name, 1),) for _ in tasks)
    return Field(key=name, parts=parts, rows=rows, spread=spread, **_one(name, shapes))


def _one(what: str, shapes: Mapping[tuple[tuple[int, ...], str], str]) -> dict[str, Any]:
    if len(shapes) > 1:
        listed = "; ".join(f"{shape} {kind} in {task}" for (shape, kind), task in shapes.items())
        raise InvalidConfig(
            f"{what} has no one shape: {listed}. Read those tasks from datasets of their own (tasks=), or name "
            f"observations that they share (obs=)"
        )
    shape, kind = next(iter(shapes))
    return {"shape": shape, "dtype": np.dtype(kind)}
