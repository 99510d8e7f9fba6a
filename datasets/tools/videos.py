"""Videos of a dataset's pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from metasim.core.errors import DatasetError, InvalidConfig
from metasim.datasets.reader import Dataset
from metasim.view import ffmpeg, mp4
from metasim.work import write_atomically

FPS = 20.0


def write_videos(
    path: str | Path,
    folder: str | Path,
    *,
    name: str = "",
    fps: float = FPS,
    report: Callable[[int, int], None] | None = None,
    remark: Callable[[str], None] | None = None,
) -> list[Path]:
    """Write the pictures of each episode of a dataset as an MP4 into a folder, and return the files.

    Args:
        path: A dataset with pictures.
        folder: Made if it is not there.
        name: Of the pictures; the first if not given.
        fps: Frames per second wanted; the nearest that is a whole number of steps is taken. Where the control rate is
            not known, every step is a frame.
        report: Called with the episodes done and all.
        remark: Called with a sentence for each task whose control rate is not known.

    Raises:
        DatasetError: If an episode has no such pictures.
        MissingDependency: Without the extra ``video``.
    """
    if not fps > 0:
        raise InvalidConfig(f"fps must be positive, got {fps!r}")
    ffmpeg()
    files, timeless = list[Path](), set[str]()
    with Dataset(path) as data:
        for i, demo in enumerate(data):
            known = [shown for shown, shape, kind in demo.task.pictures if len(shape) == 3 and kind == "uint8"]
            if not known or (name and name not in known):
                raise DatasetError(f"{path}: demo_{i} has no pictures {name!r}; it has {known}")
            shown, period_s = name or known[0], demo.task.control_period_s
            if not period_s > 0 and demo.info.task not in timeless:
                timeless.add(demo.info.task)
                if remark is not None:
                    remark(f"{demo.info.task}: the control rate is not known; every step is shown, {fps:g} per second")
            stride = max(1, round(1.0 / (fps * period_s))) if period_s > 0 else 1
            frames = [*demo.array(f"obs/{shown}")[::stride], *demo.array(f"final_obs/{shown}")]
            outcome = "success" if demo.info.success else "failure"
            file = Path(folder) / f"demo_{i}_{demo.info.task.replace('/', '-')}_{outcome}.mp4"
            files.append(write_atomically(file, mp4(frames, 1.0 / (stride * period_s) if period_s > 0 else fps)))
            if report is not None:
                report(i + 1, len(data))
    return files
