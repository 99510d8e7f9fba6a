"""The verbs ``render`` and ``play``: a picture, a video."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import tyro

from metasim.cli.options import (
    MaybeInt,
    MaybeOut,
    OneTask,
    Size,
    TaskModules,
    Tasks,
    Vary,
    expand_tasks,
    policy_name,
    vary_axes,
)
from metasim.cli.output import note, plain, stdout_kept
from metasim.cli.progress import Bars
from metasim.core.errors import InvalidConfig
from metasim.core.looks import Looks

if TYPE_CHECKING:
    from metasim.view import Picture

MaybeLooks = Annotated[Path | None, tyro.conf.arg(metavar="FILE")]


@dataclass(frozen=True, kw_only=True)
class Render:
    """Draw tasks at the start of an episode; one picture, or a sheet of several, each with its name.

    Args:
        tasks: Task ids, globs such as 'metaworld/*', or MT10.
        backend: Engine.
        camera: Name of the camera; empty for each task's.
        size: Width and height of one task's picture in pixels.
        columns: Columns of a sheet.
        seed: Root seed.
        episode: Index of the episode under that seed.
        vary: Axes of variation and their ranges, as in materials=test,camera (`metasim list axes` says which).
        looks: A JSON file of looks (metasim.core.looks.Looks), instead of those that are drawn.
        out: A .png or .jpg file; TASK_BACKEND.png if not given.
        task_module: A file that registers tasks; may be given several times.
    """

    tasks: Tasks
    backend: str = "mujoco"
    camera: str = ""
    size: Size = (480, 480)
    columns: int = 5
    seed: int = 0
    episode: int = 0
    vary: Vary = ""
    looks: MaybeLooks = None
    out: MaybeOut = None
    task_module: TaskModules = ()

    def run(self) -> int:
        """Draw and write."""
        vary, looks = vary_axes(self.vary), read_looks(self.looks) if self.looks else None
        tasks = expand_tasks(self.tasks)
        name = slug(tasks[0]) if len(tasks) == 1 else f"{len(tasks)}-tasks"
        out = self.out or Path(f"{name}_{self.backend}.png")
        if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
            raise InvalidConfig(f"render writes PNG or JPEG: --out must end in .png or .jpg, got {str(out)!r}")
        if self.columns < 1:
            raise InvalidConfig(f"columns must be at least 1, got {self.columns}")
        from metasim.view import grid, jpeg, label, png
        from metasim.work import write_atomically

        drawn = []
        with stdout_kept(), Bars("pictures") as bars:
            for k, task in enumerate(tasks):
                where = self.backend, self.camera, self.size, self.seed, self.episode
                drawn.append(first_picture(task, *where, vary, looks))
                if len(tasks) > 1:
                    bars.show("drawing", (k + 1) / len(tasks), task)
        rgb = drawn[0].rgb
        if len(tasks) > 1:
            cells = [label(picture.rgb, short(task)) for picture, task in zip(drawn, tasks, strict=True)]
            rgb = grid(cells, min(self.columns, len(cells)))
        write_atomically(out, png(rgb) if out.suffix.lower() == ".png" else jpeg(rgb))
        cameras = dict.fromkeys(picture.camera for picture in drawn)
        note(f"camera {', '.join(cameras)}, drawn by {drawn[0].renderer}")
        plain(str(out))
        return 0


@dataclass(frozen=True, kw_only=True)
class Play:
    """Run a policy for one episode and write a video of it; the file's name says whether it succeeded.

    Args:
        task: Task id.
        backend: Engine.
        policy: Name of the policy, with parameters if it takes any, as in noisy-expert:sigma=0.2 (`metasim list
            policies` says which), a file or folder that train wrote, or replay:FILE for a dataset's actions.
        camera: Name of the camera; empty for the task's.
        size: Width and height in pixels.
        fps: Frames per second.
        seed: Root seed.
        episode: Index of the episode under that seed.
        vary: Axes of variation and their ranges, as in mass=test,camera (`metasim list axes` says which).
        tail: Steps shown after the first success; None for the whole episode.
        horizon: Steps until the episode is cut off; the task's if not given.
        out: A folder (default: here), or a file that ends in .mp4 or .gif.
        gif: Write a GIF, which needs no extra.
        task_module: A file that registers tasks; may be given several times.
    """

    task: OneTask
    backend: str = "mujoco"
    policy: str = "expert"
    camera: str = ""
    size: Size = (384, 384)
    fps: float = 20.0
    seed: int = 0
    episode: int = 0
    vary: Vary = ""
    tail: MaybeInt = 40
    horizon: MaybeInt = None
    out: MaybeOut = None
    gif: bool = False
    task_module: TaskModules = ()

    def run(self) -> int:
        """Run, draw and write."""
        from metasim import view
        from metasim.work import write_atomically

        task, out = one_task(self.task), self.out or Path()
        policy, vary = policy_name(self.policy), vary_axes(self.vary)
        if out.suffix.lower() not in ("", ".mp4", ".gif") and not out.is_dir():
            raise InvalidConfig(f"--out is a folder, or a file that ends in .mp4 or .gif; got {str(out)!r}")
        as_gif = self.gif or out.suffix.lower() == ".gif"
        if not as_gif:
            view.ffmpeg()  # refused now rather than after the episode
        with stdout_kept(), Bars("steps") as bars:
            recording = view.record(
                task,
                self.backend,
                policy,
                self.seed,
                episode=self.episode,
                vary=vary,
                camera=self.camera,
                size=self.size,
                fps=self.fps,
                tail=self.tail,
                horizon=self.horizon,
                report=lambda done, wanted: bars.show(task, done / wanted, f"{done}/{wanted} steps"),
            )
        outcome = "failed" if recording.error else "success" if recording.success_any else "failure"
        name = f"{slug(task)}_{self.backend}_{slug(policy)}_seed{self.seed}_episode{self.episode}_{outcome}"
        target = out if out.suffix else out / f"{name}.{'gif' if as_gif else 'mp4'}"
        write_atomically(target, (view.gif if as_gif else view.mp4)(recording.frames, recording.fps))
        last = "solved at the last step too" if recording.success_last else "not solved at the last step"
        note(f"{outcome} in {recording.steps} steps, {last}; drawn by {recording.renderer}")
        if recording.error:
            note(f"the world failed: {recording.error}", "yellow")
        plain(str(target))
        return 0


def one_task(word: str) -> str:
    """Return the one task that a word means."""
    first, *more = expand_tasks([word])
    if more:
        raise InvalidConfig(f"{word!r} means {1 + len(more)} tasks, and this takes one; for example {first!r}")
    return first


def first_picture(
    task: str,
    backend: str,
    camera: str,
    size: tuple[int, int],
    seed: int,
    episode: int = 0,
    vary: Mapping[str, str] | None = None,
    looks: Looks | None = None,
) -> Picture:
    """Return a picture of the beginning of an episode; ``looks`` instead of those that vary."""
    import numpy as np

    from metasim.core.seeding import EpisodeSeed
    from metasim.core.task import TASKS
    from metasim.envs import Episodes
    from metasim.envs.varying import check_vary, planned
    from metasim.view import picture

    seeds = [EpisodeSeed(root=seed, task=task, episode=episode)]
    check_vary(vary or {}, TASKS[task], backend)
    (part,) = planned(TASKS[task], vary or {}, seeds)
    episodes = Episodes(part.task, backend, 1)
    try:
        episodes.begin(np.arange(1), seeds, variations=part.variations)
        if looks is not None:
            episodes.looks = [looks]
        return picture(episodes, camera, size)
    finally:
        episodes.close()


def read_looks(path: Path) -> Looks:
    """Return the looks of a JSON file.

    Raises:
        InvalidConfig: If it cannot be read, is no JSON, or says something that looks do not have.
    """
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InvalidConfig(f"--looks {str(path)!r} is no JSON file that can be read: {error}") from error
    if not isinstance(value, dict):
        raise InvalidConfig(f"--looks {str(path)!r} must hold a mapping such as {{'light': {{'strength': 0.5}}}}")
    return Looks.from_json(cast(dict[str, Any], value))


def short(task: str) -> str:
    """Return a task's name without suite and version."""
    return task.partition("/")[2].rpartition("-v")[0]


def slug(task: str) -> str:
    """Return the id of a task, or the name of a policy, as part of a file name."""
    return task.replace("/", "-").replace(":", "-")
