"""Datasets of made-up numbers and pictures for the benchmark of windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from metasim.datasets import Episode, EpisodeInfo, TaskInfo, writer

Array = Any
FRAME = "front_image"
LAYOUT = tuple({"hand": 3, "gripper": 1, "object_pos": 3, "object_quat": 4, "object_2": 7, "previous": 18,
                "goal": 3}.items())  # fmt: skip
"""Meta-World's observation."""


def made_file(path: Path, episodes: int, steps: int, pixels: int) -> Path:
    """Write a dataset of made-up numbers; with pictures if ``pixels`` says how large."""
    picture = ((FRAME, (pixels, pixels, 3), "uint8"),) if pixels else ()
    task = TaskInfo(
        instruction="reach",
        action_size=4,
        observation=LAYOUT,
        state_size={"none": 0},
        control_period_s=0.0125,
        model_digest="",
        pictures=picture,
    )
    sources, rng = [], np.random.default_rng(0)
    for i in range(episodes):
        part = path.with_name(f"{path.stem}.{i}.part")
        part.write_bytes(writer.part_bytes(_episode(i, steps, pixels, rng), task))
        sources.append(writer.Source(path=part, group=writer.PART))
    writer.write_dataset(path, sources, {"made/up-v0": task}, {}, [])
    for source in sources:
        source.path.unlink()
    return path


def _episode(number: int, steps: int, pixels: int, rng: np.random.Generator) -> Episode:
    obs = {name: rng.normal(size=(steps + 1, size)) for name, size in LAYOUT}
    if pixels:
        obs[FRAME] = _scene(steps + 1, pixels, rng)
    info = EpisodeInfo(
        num_samples=steps,
        task="made/up-v0",
        instruction="reach",
        backend="none",
        policy="random",
        seed=0,
        split="train",
        variation="none",
        episode=number,
        horizon=steps,
        success=False,
        success_last=False,
        first_success_step=-1,
    )
    return Episode(
        info=info,
        obs={name: array[:-1] for name, array in obs.items()},
        final_obs={name: array[-1:] for name, array in obs.items()},
        actions=rng.uniform(-1, 1, (steps, 4)).astype(np.float32),
        rewards=rng.normal(size=steps),
        terminated=np.zeros(steps, bool),
        truncated=np.arange(steps) == steps - 1,
        success=np.zeros(steps, bool),
        states=np.zeros((steps + 1, 0)),
        sample={},
    )


def _scene(frames: int, pixels: int, rng: np.random.Generator) -> Array:
    """Return pictures of a shaded ground with moving discs, and the grain that a renderer's textures give."""
    y, x = np.mgrid[0:pixels, 0:pixels] / pixels
    ground = np.stack([90 + 80 * x, 110 + 60 * y, 130 - 50 * x * y], axis=-1)
    grain = rng.integers(-6, 7, (pixels, pixels, 1))
    shots = np.empty((frames, pixels, pixels, 3), np.uint8)
    for t in range(frames):
        shot = ground + grain
        for k in range(3):
            inside = (x - 0.5 - 0.3 * np.cos(t / 20 + 2 * k)) ** 2 + (y - 0.5 - 0.3 * np.sin(t / 15 + k)) ** 2 < 0.01
            shot[inside] = (200 - 60 * k, 60 + 70 * k, 90)
        shots[t] = shot.clip(0, 255)
    return shots
