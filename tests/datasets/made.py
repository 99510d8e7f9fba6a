"""Datasets of made-up numbers, for tests of what reads and rewrites files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metasim.datasets import Episode, EpisodeInfo, TaskInfo, writer

TASK = "suite/any-v0"
LAYOUT = (("hand", 3), ("goal", 2))
PICTURE = ("front_image", (6, 5, 3), "uint8")


def task_info(pictures: bool = False, layout: tuple[tuple[str, int], ...] = LAYOUT, **others: Any) -> TaskInfo:
    """Return a task of two named observations and two actions."""
    return TaskInfo(
        instruction="do it",
        action_size=2,
        observation=layout,
        state_size={"engine": 4},
        control_period_s=0.05,
        model_digest="digest",
        pictures=(PICTURE,) if pictures else (),
        **others,
    )


def told(demo: Any) -> dict[str, Any]:
    """Return what the attributes of a demo, opened with plain h5py, say of it."""
    return json.loads(demo.attrs["episode"])


def retell(demo: Any, **changes: Any) -> None:
    """Change what the attributes of a demo say of it."""
    demo.attrs["episode"] = json.dumps({**told(demo), **changes})
    demo.attrs["num_samples"] = changes.get("num_samples", demo.attrs["num_samples"])


def episode(number: int, steps: int, *, pictures: bool = False, success: bool = True, **info: Any) -> Episode:
    """Return an episode whose numbers its own generator draws."""
    rng = np.random.default_rng([number, steps])
    solved = np.zeros(steps, bool)
    solved[-1] = success
    told = {"task": TASK, "backend": "engine", "policy": "expert", "seed": 0, **info}
    obs = {name: rng.normal(3.0, 2.0, (steps + 1, size)) for name, size in LAYOUT}
    if pictures:
        name, shape, kind = PICTURE
        obs[name] = rng.integers(0, 4, (steps + 1, *shape)).astype(kind)
    return Episode(
        info=EpisodeInfo(
            num_samples=steps,
            instruction="do it",
            split="train",
            variation="none",
            episode=number,
            horizon=100,
            success=success,
            success_last=success,
            first_success_step=steps if success else -1,
            model_digest="digest",
            **told,
        ),
        obs={name: array[:-1] for name, array in obs.items()},
        final_obs={name: array[-1:] for name, array in obs.items()},
        actions=rng.uniform(-1, 1, (steps, 2)).astype(np.float32),
        rewards=rng.normal(1.0, 1.0, steps),
        terminated=np.zeros(steps, bool),
        truncated=np.arange(steps) == steps - 1,
        success=solved,
        states=rng.normal(size=(steps + 1, 4)),
        sample={"goal": rng.normal(size=2), "size": np.asarray(rng.normal())},
    )


def write(
    out: Path,
    episodes: Sequence[Episode],
    tasks: Mapping[str, TaskInfo] | None = None,
    masks: Mapping[str, Sequence[int]] | None = None,
    **options: Any,
) -> Path:
    """Write a dataset and return its path."""
    pictures = any(PICTURE[0] in e.obs for e in episodes)
    tasks = tasks or {name: task_info(pictures) for name in dict.fromkeys(e.info.task for e in episodes)}
    sources = []
    for i, one in enumerate(episodes):
        path = out.with_name(f"{out.stem}.{i}.part")
        path.write_bytes(writer.part_bytes(one, tasks[one.info.task]))
        sources.append(writer.Source(path=path, group=writer.PART))
    versions = options.get("versions", {"numpy": "2"})
    writer.write_dataset(out, sources, tasks, versions, options.get("collections", [{"seed": 0}]), masks)
    for source in sources:
        source.path.unlink()
    return out
