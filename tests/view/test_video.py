"""Videos: every frame in its place when a player decodes them, and the episode that was asked for."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import metasim
from metasim.core.errors import InvalidConfig, MissingDependency
from metasim.view import ffmpeg, gif, mp4, record, write_mp4

TASK = "metaworld/reach-v3"


def shades(count: int, height: int = 32, width: int = 48) -> list[np.ndarray]:
    """Grey frames that get lighter."""
    return [np.full((height, width, 3), 20 + 20 * i, np.uint8) for i in range(count)]


def decode(data: bytes, height: int, width: int, folder: Path) -> np.ndarray:
    file = folder / "video.mp4"
    file.write_bytes(data)
    command = [ffmpeg(), "-v", "error", "-i", str(file), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


def test_every_frame_is_there_and_in_order(tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg")
    frames = shades(10)
    got = decode(mp4(frames, 20.0), 32, 48, tmp_path)
    np.testing.assert_allclose(got.mean(axis=(1, 2, 3)), [f.mean() for f in frames], atol=6)  # lossy, video range


def test_a_size_that_is_odd_gets_a_line_more(tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg")
    got = decode(mp4(shades(3, 33, 47), 20.0), 34, 48, tmp_path)
    assert len(got) == 3 and got[2, :33, :47].mean() > 40 and got[2, 33:].mean() < 20


def test_equal_frames_give_equal_bytes(tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg")
    path = write_mp4(shades(4), 12.5, tmp_path / "new" / "a.mp4")
    assert path.read_bytes() == mp4(shades(4), 12.5)
    assert path.read_bytes()[4:8] == b"ftyp"


def test_a_gif_needs_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with Image.open(io.BytesIO(gif(shades(5), 20.0))) as moving:
        assert (moving.n_frames, moving.size, moving.info["duration"]) == (5, (48, 32), 50)  # type: ignore[attr-defined]


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(MissingDependency, match=r'pip install "metasim-robotics\[video\]"'):
        mp4(shades(2), 20.0)


def test_frames_must_be_alike() -> None:
    with pytest.raises(InvalidConfig, match="one size"):
        gif([*shades(2), *shades(1, 8, 8)], 20.0)
    with pytest.raises(InvalidConfig, match="one size"):
        gif([], 20.0)


def test_an_episode_is_recorded_until_it_is_solved_and_a_bit_longer() -> None:
    film = record(TASK, seed=7, size=(32, 32), fps=10.0, tail=4)
    env = metasim.make(TASK)
    observation, _ = env.reset(seed=7)
    steps, solved = 0, False
    expert: Any = env.task.expert
    while not solved:
        observation, _, _, _, info = env.step(expert(observation[None])[0])
        steps, solved = steps + 1, info["success"]
    env.close()
    assert film.success_any and film.steps == steps + 4
    stride = 8  # 80 steps a second
    assert film.fps == pytest.approx(10.0)
    assert len(film.frames) == 1 + film.steps // stride + bool(film.steps % stride)
    assert not np.array_equal(film.frames[0], film.frames[-1])


def test_the_speed_of_a_video_must_be_positive() -> None:
    with pytest.raises(InvalidConfig, match="fps"):
        record(TASK, fps=0.0)
