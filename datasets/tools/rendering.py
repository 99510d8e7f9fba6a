"""Pictures for a dataset that was recorded without: its engine states, drawn one after another.

Nothing is simulated: each recorded state is put into the scene, so that the pictures show what happened, and do so on
any machine. Each finished episode is a file of its own until all are there, so that a killed run goes on.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from metasim.core.errors import DatasetError, EngineFailure, InvalidConfig
from metasim.datasets import checking, hdf5, writer
from metasim.datasets.config import Progress
from metasim.datasets.episode import EpisodeInfo, Picture, TaskInfo
from metasim.datasets.parts import Parts
from metasim.datasets.reader import Dataset, Demo
from metasim.datasets.schema import NO_ENGINE
from metasim.datasets.tools.masks import given_masks
from metasim.datasets.versions import package_versions
from metasim.envs import Episodes
from metasim.envs.drawing import check_renderer, sampled_looks
from metasim.view import Picture as Shot
from metasim.view import picture
from metasim.work import Emit, remove_drafts, run_shards, shards, write_atomically

Array = Any
DRAWN = "drawn"
"""Folder of the finished episodes, by their number in the file."""
ENDING = "_image"
"""Behind the name of a camera: the name of its pictures, as robomimic and robosuite have it."""


@dataclass(frozen=True, kw_only=True)
class RenderConfig:
    """What to draw.

    Args:
        path: The dataset.
        out: The new one.
        cameras: Names of cameras, of every task; none for the one that each task is shown with.
        size: Width and height in pixels.
        workers: Processes; the result does not depend on it.
        renderer: Name of the renderer, in any engine, whose pictures are drawn as policies are shown them, such as
            ``"mujoco"``; empty for each engine's own, as people look at them.
        vary: Axis of looks to range, ``"train"`` or ``"test"``: what pictures are to vary in besides what the
            recorded episodes do, drawn from each episode's seed and stored with it.
    """

    path: Path
    out: Path
    cameras: tuple[str, ...] = ()
    size: tuple[int, int] = (128, 128)
    workers: int = 1
    renderer: str = ""
    vary: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        """Check."""
        check_renderer(self.renderer, self.vary)
        if min(self.size) < 1 or max(self.size) > 4096:
            raise InvalidConfig(f"size must be two numbers of pixels from 1 to 4096, got {self.size!r}")
        if len(set(self.cameras)) < len(self.cameras):
            raise InvalidConfig(f"a camera is named twice in {self.cameras}")
        if self.out.exists() and self.path.exists() and self.out.samefile(self.path):
            raise DatasetError(f"{self.out} is the file that is read; give the new one another name")


def render_dataset(config: RenderConfig, report: Callable[[Progress], None] | None = None) -> Path:
    """Write a dataset's episodes with pictures among their observations into ``config.out``, and return it.

    The same call again finds the file and leaves it as it is; a killed one goes on where it stopped. ``metasim verify``
    holds for the new file as for the old one: it replays the numbers, and checks pictures by the episodes' digests.

    Raises:
        DatasetError: If an episode fails its check, was imported, or has another scene than the one installed; if the
            dataset has pictures of that camera; or ``out`` is something else already.
        UnknownName: If a task or a camera is not there.
        UnsupportedFeature: If nothing can draw on this machine.
    """
    with Dataset(config.path) as data:
        infos, header = data.infos(), data.header
        masks = given_masks(data)
    for i, info in enumerate(infos):
        if info.backend == NO_ENGINE:
            raise DatasetError(f"{config.path}: demo_{i} was imported and has no engine states; it cannot be drawn")
    tasks, renderers = _with_pictures(config, infos, header.tasks)
    about = {
        "rendered": {
            "cameras": list(config.cameras),
            "of": hashlib.sha256("".join(info.sha256 for info in infos).encode()).hexdigest(),
            "renderer": renderers,
            "size": list(config.size),
            **({"vary": dict(config.vary)} if config.vary else {}),
            "versions": package_versions(
                sorted({info.backend for info in infos} | {*filter(None, (config.renderer,))})
            ),
        }
    }
    parts = Parts.of(config.out)
    if _is_there(config.out, about):
        parts.remove()  # what a process killed at the very end has left
        return config.out
    with parts.held(about, header.versions):
        remove_drafts(config.out)
        done = _finished(parts, [_dressed(config, info) for info in infos], tasks)
        progress = _Told(infos, done, report)
        missing = sorted(
            (i for i in range(len(infos)) if i not in done), key=lambda i: (infos[i].task, infos[i].backend)
        )
        work = partial(_draw, config=config, tasks=tasks, renderers=renderers)
        dealt = [shard for shard in shards(missing, min(config.workers, max(1, len(missing)))) if shard]
        run_shards(work, dealt, config.workers, progress)
        sources = [writer.Source(path=parts.path(DRAWN, i), group=writer.PART) for i in range(len(infos))]
        collections = [*header.collections, about]
        writer.write_dataset(config.out, sources, tasks, header.versions, collections, masks)
        parts.remove()
    return config.out


def _with_pictures(
    config: RenderConfig, infos: Sequence[EpisodeInfo], tasks: Mapping[str, TaskInfo]
) -> tuple[dict[str, TaskInfo], dict[str, str]]:
    """Return the tasks with what will be drawn of them, and what draws for each engine; it draws once to find out."""
    width, height = config.size
    found, renderers = dict[str, TaskInfo](), dict[str, str]()
    for name, engine in sorted({(info.task, info.backend) for info in infos}):
        task = tasks[name]
        episodes = _worlds(config.path, name, engine, task)
        try:
            chosen = [_shoot(episodes, camera, config, (8, 8)) for camera in config.cameras or ("",)]
        finally:
            episodes.close()
        renderers[engine] = chosen[0].renderer
        made = tuple[Picture, ...]((_called(shot.camera), (height, width, 3), "uint8") for shot in chosen)
        for called, *_ in made:
            if called in (*dict(task.observation), *(there for there, *_ in task.pictures)):
                raise DatasetError(f"{config.path}: {name} has {called!r} among its observations already")
        found[name] = replace(task, pictures=(*task.pictures, *made))
    return {name: found[name] for name in tasks if name in found}, renderers


def _shoot(episodes: Episodes, camera: str, config: RenderConfig, size: tuple[int, int]) -> Shot:
    """Draw the one world, as people or as policies are shown it."""
    if not config.renderer:
        return picture(episodes, camera, size)
    camera = camera or episodes.task.camera or next(iter(episodes.cameras), "")
    episodes.model.info.index("camera", camera)
    rgb = episodes.pictures(camera, size[1], size[0], renderer=config.renderer).rgb[0]
    return Shot(rgb=rgb, camera=camera, renderer=f"the {config.renderer} renderer, as policies see it")


def _dressed(config: RenderConfig, info: EpisodeInfo) -> EpisodeInfo:
    """Return an episode's record with what its pictures vary in."""
    if not config.vary:
        return info
    if info.variation != "none" and info.varied is None:
        raise InvalidConfig(f"episodes of the variation {info.variation!r} cannot vary in anything else")
    looks = sampled_looks(config.vary, info.episode_seed, info.backend)
    return replace(info, variation=json.dumps({**(info.varied or {}), **looks}, sort_keys=True))


def _called(camera: str) -> str:
    return camera.replace("/", ".") + ENDING


def _worlds(path: Path, task: str, engine: str, recorded: TaskInfo) -> Episodes:
    episodes = Episodes(task, engine, 1)
    if episodes.model.info.digest != recorded.model_digest:
        episodes.close()
        raise DatasetError(
            f"{path}: the scene of {task} is not the one that was recorded; draw with the versions that recorded it"
        )
    return episodes


def _is_there(out: Path, about: Mapping[str, Any]) -> bool:
    """Tell whether a file is there and made of this; raises DatasetError if of something else."""
    if not out.exists():
        return False
    with Dataset(out) as data:
        if data.header.collections and data.header.collections[-1] == about:
            return True
    raise DatasetError(f"{out} exists and is something else; delete it or choose another name")


def _finished(parts: Parts, infos: Sequence[EpisodeInfo], tasks: Mapping[str, TaskInfo]) -> set[int]:
    """Return the episodes whose files are whole; others are removed.

    Raises:
        PassingError: If one could not be read for a reason that says nothing of it.
    """
    done = set[int]()
    for i, info in enumerate(infos):
        path = parts.path(DRAWN, i)
        if not path.exists():
            continue
        try:
            with hdf5.opened(path) as file:
                group: Any = file[writer.PART]
                if checking.check_demo(group, tasks, str(path)).key == info.key:
                    done.add(i)
        except hdf5.PassingError:
            raise
        except DatasetError:
            path.unlink()
    return done


def _draw(
    numbers: Sequence[int],
    emit: Emit,
    *,
    config: RenderConfig,
    tasks: Mapping[str, TaskInfo],
    renderers: Mapping[str, str],
) -> None:
    """Draw some episodes, each into its own file."""
    parts, current = Parts.of(config.out), ("", "")
    episodes: Episodes | None = None
    try:
        with Dataset(config.path) as data:
            for number in numbers:
                demo = data.episode(number)
                checking.check_demo(demo.group, data.header.tasks, f"{config.path}: demo_{number}")
                if current != (demo.info.task, demo.info.backend) or episodes is None:
                    if episodes is not None:
                        episodes.close()
                    current = demo.info.task, demo.info.backend
                    episodes = _worlds(config.path, *current, demo.task)
                content = _drawn(demo, episodes, tasks[demo.info.task], config, renderers[current[1]])
                path = parts.path(DRAWN, number)
                with hdf5.writing(path):
                    write_atomically(path, content)
                emit(number)
    finally:
        if episodes is not None:
            episodes.close()


def _drawn(demo: Demo, episodes: Episodes, task: TaskInfo, config: RenderConfig, renderer: str) -> bytes:
    """Return the file of an episode with its pictures; a state that the engine has lost is drawn black."""
    recorded, row = demo.load(), np.zeros(1, np.int64)
    seed, sample = demo.info.episode_seed, demo.sample
    drawn = episodes.draw([seed])
    other = any(drawn[k][0].tobytes() != np.asarray(v).tobytes() for k, v in sample.items() if k in drawn)
    overrides = {k: v[None] for k, v in sample.items()} if other else None
    info = _dressed(config, recorded.info)
    episodes.begin(row, [seed], overrides, [info.varied])
    cameras = config.cameras or ("",)
    width, height = config.size
    frames = [np.zeros((len(recorded.states), height, width, 3), np.uint8) for _ in cameras]
    for t, state in enumerate(recorded.states):
        if not np.isfinite(state).all():
            continue
        episodes.backend.load_dump(state[None], row)
        for shots, camera in zip(frames, cameras, strict=True):
            shot = _shoot(episodes, camera, config, config.size)
            if shot.renderer != renderer and not episodes.looks[0]:  # looks may choose the renderer
                raise EngineFailure(f"this process draws with {shot.renderer}, the first one with {renderer}")
            shots[t] = shot.rgb
    names = [name for name, *_ in task.pictures[len(demo.task.pictures) :]]
    now = {name: shots[:-1] for name, shots in zip(names, frames, strict=True)}
    then = {name: shots[-1:] for name, shots in zip(names, frames, strict=True)}
    whole = replace(recorded, info=info, obs={**recorded.obs, **now}, final_obs={**recorded.final_obs, **then})
    return writer.part_bytes(whole, task)


class _Told:
    """Counts finished episodes by task, and reports."""

    def __init__(self, infos: Sequence[EpisodeInfo], done: set[int], report: Callable[[Progress], None] | None) -> None:
        self._infos, self._report, self._began = infos, report, time.monotonic()
        self._wanted, self._found = Counter(info.task for info in infos), Counter(infos[i].task for i in done)
        self._done, self._solved, self._steps = Counter[str](), Counter[str](), Counter[str]()
        for i in done:
            self._count(infos[i])

    def __call__(self, number: Any) -> None:
        info = self._infos[int(number)]
        self._count(info)
        if self._report is None:
            return
        done = self._done[info.task]
        self._report(
            Progress(
                task=info.task,
                done=done,
                wanted=self._wanted[info.task],
                successes=self._solved[info.task],
                attempts=done,
                steps=self._steps[info.task],
                elapsed_s=time.monotonic() - self._began,
                found=self._found[info.task],
            )
        )

    def _count(self, info: EpisodeInfo) -> None:
        self._done[info.task] += 1
        self._solved[info.task] += info.success
        self._steps[info.task] += info.num_samples
