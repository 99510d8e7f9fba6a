"""Videos: an episode of a policy as frames, and frames as MP4 (H.264, for every browser) or GIF."""

from __future__ import annotations

import io
import os
import subprocess
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metasim.core.errors import EngineFailure, InvalidConfig, MissingDependency
from metasim.core.policy import POLICIES
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS
from metasim.envs import Episodes
from metasim.envs.showing import show_factors, show_pictures
from metasim.envs.varying import check_vary, planned
from metasim.view.pictures import picture

Array = Any
FPS = 20.0
HOW_TO_GET_MP4 = 'pip install "metasim-robotics[video]", or write a .gif, which needs nothing more'


@dataclass(frozen=True, kw_only=True)
class Recording:
    """An episode in pictures.

    Attributes:
        frames: ``(H, W, 3)`` uint8 each, of one size.
        fps: Frames per second at the speed the world moved.
        success_any: Whether the task was solved at any step.
        success_last: Whether it was solved at the last step.
        steps: Steps taken.
        error: Why the world failed; empty if it did not.
        renderer: What drew the frames, in words.
    """

    frames: tuple[Array, ...]
    fps: float
    success_any: bool
    success_last: bool
    steps: int
    error: str
    renderer: str


def record(
    task: str,
    backend: str = "mujoco",
    policy: str = "expert",
    seed: int = 0,
    *,
    episode: int = 0,
    split: str = "train",
    vary: Mapping[str, str] | None = None,
    camera: str = "",
    size: tuple[int, int] = (256, 256),
    fps: float = FPS,
    horizon: int | None = None,
    tail: int | None = None,
    at: Callable[[float], Collection[int]] | None = None,
    quick: bool = False,
    report: Callable[[int, int], None] | None = None,
) -> Recording:
    """Run one episode and draw it.

    Args:
        task: Task id.
        backend: Engine.
        policy: Name of the policy.
        seed: Root seed.
        episode: Index of the episode under that seed.
        split: ``"train"`` or ``"test"`` ranges of the factors.
        vary: Axis of variation to ``"train"`` or ``"test"``; nothing varied if not given.
        camera: Name of the camera; empty for the task's.
        size: Width and height in pixels.
        fps: Frames per second wanted; the nearest that is a whole number of steps is taken.
        horizon: Steps until truncation; None for the task's.
        tail: Steps that are still recorded after the first success; None for all up to the horizon.
        at: From the control period [s] to the steps after which a frame is drawn, instead of so many a second.
        quick: Whether MuJoCo draws cheaply, whatever the engine; see :func:`metasim.view.picture`.
        report: Called with the steps taken and the horizon.
    """
    if not fps > 0:
        raise InvalidConfig(f"fps must be positive, got {fps!r}")
    row, seeds = np.arange(1), [EpisodeSeed(root=seed, task=task, episode=episode, split=split)]
    check_vary(vary or {}, TASKS[task], backend)
    (part,) = planned(TASKS[task], vary or {}, seeds)
    episodes = Episodes(part.task, backend, 1, horizon=horizon)
    try:
        stride = max(1, round(1.0 / (fps * episodes.control_period_s)))
        actor = POLICIES[policy](episodes.task, 1)
        observation = episodes.begin(row, seeds, variations=part.variations)
        actor.reset(row, seeds)
        show_factors(actor, episodes, row, seeds)
        first = picture(episodes, camera, size, quick=quick)
        wanted = None if at is None else {*at(episodes.control_period_s)}
        frames, solved, last, left, steps = [first.rgb], False, False, tail, 0
        while True:
            show_pictures(actor, episodes)
            step = episodes.step(actor.act(np.concatenate([*observation.values()], axis=1)))
            observation, last, steps = step.observation, bool(step.success[0]), steps + 1
            solved |= last
            if solved and left is not None:
                left -= 1
            done = bool(step.terminated[0] | step.truncated[0]) or (left is not None and left < 0)
            if steps in wanted if wanted is not None else (steps % stride == 0 or done):
                frames.append(picture(episodes, camera, size, quick=quick).rgb)
            if report is not None:
                report(steps, episodes.horizon)
            if done:
                break
        return Recording(
            frames=tuple(frames),
            fps=1.0 / (stride * episodes.control_period_s),
            success_any=solved,
            success_last=last,
            steps=steps,
            error=episodes.failure(0) or "",
            renderer=first.renderer,
        )
    finally:
        episodes.close()


def mp4(frames: Sequence[Array], fps: float) -> bytes:
    """Return frames as the bytes of an MP4 file; equal frames, equal bytes.

    Frames of odd width or height get a line of black, which the format asks for.

    Raises:
        MissingDependency: Without the extra ``video``.
        EngineFailure: If ffmpeg fails; the message has its last words.
    """
    stack = _stack(frames)
    height, width = stack.shape[1:3]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "video.mp4"  # ffmpeg goes back in it to write the index: a pipe will not do
        command = [ffmpeg(), "-nostdin", "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]
        command += ["-s", f"{width}x{height}", "-r", f"{fps:g}", "-i", "pipe:0", "-an", "-c:v", "libx264"]
        command += [
            "-vf",
            "pad=ceil(iw/2)*2:ceil(ih/2)*2",
            "-pix_fmt",
            "yuv420p",
            "-crf",
            "23",
            "-threads",
            "1",
        ]
        command += ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact"]
        command += ["-movflags", "+faststart", str(file)]
        ran = subprocess.run(command, input=stack.tobytes(), capture_output=True, check=False)
        if ran.returncode or not file.is_file():
            words = ran.stderr.decode(errors="replace").strip().splitlines()[-3:]
            raise EngineFailure(f"ffmpeg ended with {ran.returncode}: {' / '.join(words) or 'no message'}")
        return file.read_bytes()


def gif(frames: Sequence[Array], fps: float) -> bytes:
    """Return frames as the bytes of a GIF file, which needs no extra; it counts hundredths of a second."""
    from PIL import Image

    pictures = [Image.fromarray(frame) for frame in _stack(frames)]
    buffer = io.BytesIO()
    duration_ms = 10 * max(2, round(100.0 / fps))
    pictures[0].save(buffer, format="GIF", save_all=True, append_images=pictures[1:], duration=duration_ms, loop=0)
    return buffer.getvalue()


def write_mp4(frames: Sequence[Array], fps: float, path: str | os.PathLike[str]) -> Path:
    """Write frames to an MP4 file as :func:`mp4` makes it; the folder is made if need be."""
    data = mp4(frames, fps)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return target


def ffmpeg() -> str:
    """Return the ffmpeg that the extra ``video`` brings.

    Raises:
        MissingDependency: If it is not installed.
    """
    try:
        from imageio_ffmpeg import get_ffmpeg_exe
    except ImportError as missing:
        raise MissingDependency(f"MP4 videos need the extra 'video': {HOW_TO_GET_MP4}") from missing
    try:
        return get_ffmpeg_exe()
    except RuntimeError as missing:
        raise MissingDependency(f"imageio-ffmpeg has no ffmpeg for this machine: {HOW_TO_GET_MP4}") from missing


def _stack(frames: Sequence[Array]) -> Array:
    shapes = {(np.shape(f), np.asarray(f).dtype.str) for f in frames}
    if len(shapes) != 1 or np.ndim(frames[0]) != 3 or np.shape(frames[0])[2] != 3 or frames[0].dtype != np.uint8:
        raise InvalidConfig(f"a video needs frames (H, W, 3) uint8 of one size, got {sorted(shapes)}")
    return np.ascontiguousarray(frames)
