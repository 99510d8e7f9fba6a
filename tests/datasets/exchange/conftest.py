"""Datasets of ours with pictures, and files of other projects whose rows can be told apart by what moved between them.

In all of them an arm of seven joints obeys q(t + 1) = q(t) + 0.1 a(t), so that a file read with its rows shifted, or
with the wrong row cut off, does not fit its own actions.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metasim.datasets import Dataset, Episode, EpisodeInfo, TaskInfo, writer

from .files import GAIN, PICTURE, Writer, arm


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a file of a layout, ``write("libero", demos=2, ...)``; see ``files.py``."""

    def written(layout: str, name: str = "foreign.hdf5", **changes: Any) -> Path:
        return Writer(layout, **changes).write(tmp_path / name)

    return written


@pytest.fixture(scope="session")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of ours of two tasks, four episodes each, with pictures and 25 actions per second."""
    folder = tmp_path_factory.mktemp("pictured")
    sources, tasks = [], {}
    for which, name in enumerate(("lab/push-v0", "lab/pull-v0")):
        for i in range(4):
            episode, tasks[name] = made(name, i, seed=10 * which + i)
            path = folder / f"{which}_{i}.h5"
            path.write_bytes(writer.part_bytes(episode, tasks[name]))
            sources.append(writer.Source(path=path, group=writer.PART))
    masks = {"train": [0, 2, 4, 5], "valid": [1, 7]}
    writer.write_dataset(folder / "pictured.h5", sources, tasks, {"numpy": "2"}, [{}], masks)
    return folder / "pictured.h5"


def made(task: str, index: int, seed: int) -> tuple[Episode, TaskInfo]:
    """An episode of ours, and its task."""
    rng = np.random.default_rng(seed)
    steps = 5 + index
    q, actions = arm(rng, steps)
    success = np.arange(steps) >= steps - 2
    pictures = rng.integers(0, 256, (steps + 1, *PICTURE), dtype=np.uint8)
    info = EpisodeInfo(
        num_samples=steps,
        task=task,
        instruction=f"do {task}",
        backend="mujoco",
        policy="expert",
        seed=3,
        split="train",
        variation="none",
        episode=index,
        horizon=20,
        success=True,
        success_last=True,
        first_success_step=steps - 1,
    )
    last = np.arange(steps) == steps - 1
    episode = Episode(
        info=info,
        obs={"joints": q[:-1], "speed": GAIN * actions.astype(float), "eye": pictures[:-1]},
        final_obs={"joints": q[-1:], "speed": np.zeros((1, 7)), "eye": pictures[-1:]},
        actions=actions,
        rewards=rng.normal(size=steps),
        terminated=last & (index == 0),
        truncated=last & (index != 0),
        success=success,
        states=np.concatenate([q, np.arange(steps + 1.0)[:, None]], axis=1),
        sample={"goal": rng.normal(size=3)},
    )
    shared = TaskInfo(
        instruction=info.instruction,
        action_size=7,
        observation=(("joints", 7), ("speed", 7)),
        pictures=(("eye", PICTURE, "uint8"),),
        state_size={"mujoco": 8},
        control_period_s=0.04,
        model_digest="",
    )
    return episode, shared


def loaded(path: Path) -> list[Episode]:
    """All episodes of a dataset of ours."""
    with Dataset(path) as data:
        return [demo.load() for demo in data]
