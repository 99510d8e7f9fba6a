"""A collection that repeats another dataset's actions, most likely in the other engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from metasim.core.errors import DatasetError, InvalidConfig, UnknownName
from metasim.core.policy import POLICIES
from metasim.core.task import TASKS
from metasim.datasets import CollectConfig, Dataset
from metasim.policies.replay import Recorded, recorded


def replay_config(
    path: str | Path,
    *,
    out: str | Path,
    backend: str = "mujoco",
    keep: str = "successes",
    tasks: Iterable[str] = (),
    episodes: int | None = None,
    workers: int = 1,
    worlds: int = 16,
) -> CollectConfig:
    """Return the collection that repeats a dataset's actions: its tasks, seed, split, goals, indices and horizon.

    Args:
        path: The dataset.
        out: The finished file.
        backend: Engine to repeat them in.
        keep: ``"successes"``: what succeeds again, which may be little; ``"all"``: everything, labelled.
        tasks: Some of its tasks; all of them if none is named.
        episodes: Most episodes per task, those of the lowest indices; None for all.
        workers: Processes.
        worlds: Worlds per process.

    Raises:
        DatasetError: As :func:`recorded`; or if a task is not installed, or recordings differ in their horizon.
        InvalidConfig: If ``out`` is the file, or has no episodes of one of ``tasks``.
    """
    if Path(out).resolve() == Path(path).resolve():
        raise InvalidConfig(f"{path} holds the recordings; give the new file another name")
    name = recorded(path)
    found: Recorded = POLICIES[name]
    chosen = tuple(tasks) or tuple(found.episodes)
    for task in chosen:
        if task not in found.episodes:
            raise InvalidConfig(f"{path} has no episodes of {task!r}; it has {list(found.episodes)}")
    return CollectConfig(
        tasks=chosen,
        out=Path(out),
        backend=backend,
        policy=name,
        episodes=max(len(found.episodes[task]) for task in chosen) if episodes is None else episodes,
        keep=keep,
        tail=None,
        horizon=_horizon(path, chosen),
        workers=workers,
        worlds=worlds,
        **found.needs,
    )


def _horizon(path: str | Path, tasks: Sequence[str]) -> int | None:
    """Return the horizon of recordings of some tasks, None if it is each task's own."""
    with Dataset(path) as data:
        found = {(info.task, info.horizon) for info in data.infos() if info.task in tasks}
    try:
        if all(horizon == TASKS[task].horizon for task, horizon in found):
            return None
    except UnknownName as error:
        raise DatasetError(f"{path} has episodes of a task that is not installed: {error}") from error
    horizons = sorted({horizon for _, horizon in found})
    if len(horizons) > 1:
        raise DatasetError(f"{path} has recordings of horizons {horizons}; name tasks that share one, or split it")
    return horizons[0]
