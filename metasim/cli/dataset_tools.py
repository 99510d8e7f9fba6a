"""The verbs ``split``, ``filter``, ``diff`` and ``render-dataset``: finished datasets."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from metasim.cli.options import MaybeInt, MaybeOut, OneFile, Out, Size, TaskModules, Vary, vary_axes
from metasim.cli.output import as_json, note, plain, stdout_kept
from metasim.cli.progress import Bars
from metasim.core.errors import InvalidConfig

SHOWN = 20
"""So many differences are shown; JSON has all."""
SecondFile = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OTHER")]
Fractions = Annotated[str, tyro.conf.arg(metavar="NAME=SHARE,...")]
Where = Annotated[str, tyro.conf.arg(metavar="CONDITION")]
Cameras = Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME")]
MaybeFolder = Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")]


@dataclass(frozen=True, kw_only=True)
class Split:
    """Split a dataset into parts, such as train and valid.

    Who goes where depends on what an episode is and on the seed; every task, engine and policy is dealt out alike.

    Args:
        file: The dataset.
        out: A folder for a file of each part; with --mask-only, the one new file.
        fractions: The parts and their shares.
        by: Deal out episodes, or whole tasks.
        seed: Another one deals out otherwise.
        mask_only: Write one file with all episodes and a mask for each part, as robomimic has train and valid.
    """

    file: OneFile
    out: Out
    fractions: Fractions = "train=0.9,valid=0.1"
    by: Literal["episode", "task"] = "episode"
    seed: int = 0
    mask_only: bool = False

    def run(self) -> int:
        """Split and print where the files are."""
        from metasim.datasets import tools

        shares = _shares(self.fractions)
        if self.mask_only:
            if self.out.is_dir():
                raise InvalidConfig(f"with --mask-only, --out is a file; {self.out} is a folder")
            plain(str(tools.mark(self.file, self.out, shares, by=self.by, seed=self.seed)))
            return 0
        if self.out.is_file():
            raise InvalidConfig(f"--out is a folder for a file of each part; {self.out} is a file (or use --mask-only)")
        for path in tools.split(self.file, self.out, shares, by=self.by, seed=self.seed).values():
            plain(str(path))
        return 0


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Write the episodes of a dataset that meet a condition, or the best, worst or first of each task.

    Conditions are made of names, numbers, 'texts', comparisons, in, and, or, not, + - * / // %, for example
    "success and return > 100 and length < 80 and task == 'metaworld/reach-v3'".

    Args:
        file: The dataset.
        out: The new one.
        where: What an episode must be like; a wrong name is answered with all there are.
        best: Keep so many of each task, those of the highest return.
        worst: Keep so many of each task, those of the lowest return.
        first: Keep so many of each task, those that come first.
    """

    file: OneFile
    out: Out
    where: Where = ""
    best: MaybeInt = None
    worst: MaybeInt = None
    first: MaybeInt = None

    def run(self) -> int:
        """Select and print where the file is."""
        from metasim.datasets import Dataset, tools

        path = tools.select(self.file, self.out, where=self.where, best=self.best, worst=self.worst, first=self.first)
        with Dataset(self.file) as before, Dataset(path) as after:
            note(f"{len(after)} of {len(before)} episodes")
        plain(str(path))
        return 0


@dataclass(frozen=True, kw_only=True)
class Diff:
    """Say what differs between two datasets; the exit code is 1 if anything does.

    Episodes are the same if task, seed, index, split, engine, policy and so on are, wherever they stand in the files.

    Args:
        file: The first.
        other: The second.
        json: Print JSON.
    """

    file: OneFile
    other: SecondFile
    json: bool = False

    def run(self) -> int:
        """Compare and print."""
        from metasim.datasets.tools import differences

        found = differences(self.file, self.other)
        if self.json:
            rows = [{k: v for k, v in asdict(one).items() if v not in (None, "")} for one in found]
            as_json({"first": str(self.file), "second": str(self.other), "same": not found, "differences": rows})
            return 1 if found else 0
        for one in found[:SHOWN]:
            plain(str(one))
        if len(found) > SHOWN:
            plain(f"and {len(found) - SHOWN} more (--json has all)")
        if not found:
            plain("the same")
        return 1 if found else 0


@dataclass(frozen=True, kw_only=True)
class RenderDataset:
    """Draw every recorded state of a dataset, and write a new one with the pictures among its observations.

    A killed run goes on where it stopped. `metasim verify` holds for the new file as it does for the old one.

    Args:
        file: The dataset.
        out: The new one; may be left out with --video, if FILE has pictures already.
        camera: Name of a camera; may be given several times; each task's own if not given.
        size: Of a picture in pixels.
        renderer: Draw as policies are shown pictures, by the renderer of this name (mujoco, pybullet) in any engine;
            each engine's own finer pictures if not given.
        vary: Axes that pictures vary in and their ranges, as in materials=test,camera, drawn from each episode's seed.
        video: A folder for an MP4 of each episode (needs the extra video).
        workers: Processes; the file does not depend on it.
        task_module: A file that registers tasks; may be given several times.
    """

    file: OneFile
    out: MaybeOut = None
    camera: Cameras = ()
    size: Size = (128, 128)
    renderer: str = ""
    vary: Vary = ""
    video: MaybeFolder = None
    workers: int = 1
    task_module: TaskModules = ()

    def run(self) -> int:
        """Draw and print where the files are."""
        from metasim.datasets.tools.rendering import RenderConfig, render_dataset
        from metasim.datasets.tools.videos import write_videos

        if self.out is None and self.video is None:
            raise InvalidConfig("name a file for the pictures (--out), a folder for videos (--video), or both")
        if self.video is not None:
            from metasim.view import ffmpeg

            ffmpeg()  # refused now rather than after all pictures
        shown = self.file
        with stdout_kept(), Bars() as bars:
            if self.out is not None:
                config = RenderConfig(
                    path=self.file,
                    out=self.out,
                    cameras=self.camera,
                    size=self.size,
                    workers=self.workers,
                    renderer=self.renderer,
                    vary=vary_axes(self.vary),
                )
                shown = render_dataset(config, bars)
            if self.video is not None:
                write_videos(
                    shown,
                    self.video,
                    report=lambda done, all: bars.show("videos", done / all, f"{done}/{all}"),
                    remark=lambda sentence: note(sentence, "yellow"),
                )
        for path in filter(None, (self.out, self.video)):
            plain(str(path))
        return 0


def _shares(text: str) -> dict[str, float]:
    """Return part to share for ``train=0.9,valid=0.1``."""
    found = dict[str, float]()
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, equals, share = item.partition("=")
        try:
            value = float(share)
        except ValueError:
            equals, value = "", 0.0
        if not equals or name.strip() in found:
            raise InvalidConfig(f"--fractions is like train=0.9,valid=0.1, each part once; got {text!r}")
        found[name.strip()] = value
    return found
