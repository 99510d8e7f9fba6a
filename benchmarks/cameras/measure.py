"""Frames per second of pictures for policies, renderer by renderer and setting by setting."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metasim.benchmarks.measuring.report import machine, own_versions
from metasim.benchmarks.tables import Table
from metasim.core.rendering import RENDERERS, Places
from metasim.core.seeding import EpisodeSeed
from metasim.envs import Episodes

Array = Any
TASKS = ("tabletop/pick-cube-v0", "metaworld/drawer-open-v3")
SHADOWS, SAMPLES = (0, 1024, 4096), (0, 4)


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How fast one renderer draws one task.

    Attributes:
        task: Id of the task.
        renderer: Name of the renderer.
        settings: Of MuJoCo's renderer; empty for what policies get.
        modes: What is drawn.
        frames_per_s: Median of the rounds.
    """

    task: str
    renderer: str
    settings: Mapping[str, Any]
    modes: tuple[str, ...]
    frames_per_s: float


def measure(tasks: Sequence[str], num_worlds: int, size: int, rounds: int) -> list[Speed]:
    """Return what each renderer and setting makes of each task.

    Args:
        tasks: Ids.
        num_worlds: Worlds drawn in turn, each as an episode begins.
        size: Height and width in pixels.
        rounds: How often; the sides take turns.
    """
    found: list[Speed] = []
    for task in tasks:
        episodes = Episodes(task, "mujoco", num_worlds)
        try:
            seeds = [EpisodeSeed(root=0, task=task, episode=i) for i in range(num_worlds)]
            episodes.begin(np.arange(num_worlds), seeds)
            found += _race(episodes, size, rounds)
        finally:
            episodes.close()
    return found


def _race(episodes: Episodes, size: int, rounds: int) -> list[Speed]:
    places, task = episodes.backend.places(), episodes.task
    sides: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
        *((name, {}, ("rgb",)) for name in ("mujoco", "pybullet")),
        *(("mujoco", {}, modes) for modes in (("depth",), ("rgb", "depth", "segmentation"))),
        *(("mujoco", {"shadow": s, "samples": k}, ("rgb",)) for s in SHADOWS for k in SAMPLES),
        ("mujoco", {"shadow": 0, "samples": 0, "reflection": True}, ("rgb",)),
    ]
    made = [RENDERERS[name](episodes.model, settings=settings or None) for name, settings, _ in sides]
    seconds: list[list[float]] = [[] for _ in sides]
    try:
        for k in range(rounds + 1):  # the first is for contexts and caches
            for side, renderer, taken in zip(sides, made, seconds, strict=True):
                spent = _seconds(renderer, places if k else places.take(np.arange(1)), task.camera, size, side[2])
                if k:
                    taken.append(spent)
    finally:
        for renderer in made:
            renderer.close()
    worlds = len(places.qpos)
    return [
        Speed(task=task.id, renderer=n, settings=s, modes=m, frames_per_s=worlds / statistics.median(taken))
        for (n, s, m), taken in zip(sides, seconds, strict=True)
    ]


def _seconds(renderer: Any, places: Places, camera: str, size: int, modes: tuple[str, ...]) -> float:
    start = time.perf_counter()
    renderer.render(places, camera, size, size, modes)
    return time.perf_counter() - start


def page(speeds: Sequence[Speed], num_worlds: int, size: int, rounds: int) -> str:
    """Return the tables as Markdown."""
    tasks = list(dict.fromkeys(s.task for s in speeds))
    found = {(s.task, s.renderer, tuple(s.settings.items()), s.modes): s.frames_per_s for s in speeds}
    keys = list(dict.fromkeys((s.renderer, tuple(s.settings.items()), s.modes) for s in speeds))
    usual = [key for key in keys if not key[1]]
    set_up = [key for key in keys if key[1]]
    columns = tuple(f"{task} [frames/s]" for task in tasks)

    def cells(key: tuple[Any, ...]) -> tuple[str, ...]:
        return tuple(f"{found[task, *key]:.0f}" for task in tasks)

    renderers = Table(
        columns=("renderer", "pictures", *columns),
        rows=tuple((key[0], ", ".join(key[2]), *cells(key)) for key in usual),
        words=2,
    )
    settings = Table(
        columns=("shadow map [pixels]", "samples per pixel", "mirror images", *columns),
        rows=tuple(
            (s["shadow"], s["samples"] or 1, "yes" if s.get("reflection") else "no", *cells(key))
            for key in set_up
            for s in (dict(key[1]),)
        ),
        words=0,
    )
    here = machine()
    versions = ", ".join(f"{name} {version}" for name, version in own_versions().items())
    return (
        f"{num_worlds} worlds, {size} x {size} pixels, median of {rounds} rounds in which the sides took turns.\n\n"
        f"{renderers.markdown()}\nMuJoCo's renderer at several settings:\n\n{settings.markdown()}\n"
        f"{here['processor']}, {here['cores']} cores, load {here['load_1min']}, Python {here['python']}; {versions}.\n"
    )
