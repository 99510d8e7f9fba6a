"""D4RL's HDF5: all transitions one after another, episodes ending where ``terminals`` or ``timeouts`` is true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from metasim.datasets import hdf5
from metasim.datasets.episode import TaskInfo
from metasim.datasets.exchange.chosen import Chosen, flat, need_numbers
from metasim.datasets.exchange.options import Converted, ExportOptions
from metasim.datasets.reader import Dataset
from metasim.work import draft, remove_drafts

Array = Any


def export(data: Dataset, out: Path, options: ExportOptions) -> Converted:
    """Write the file ``out`` of one task's flat observations.

    Raises:
        DatasetError: If there are several tasks, or one that observes nothing but pictures.
    """
    chosen = Chosen(data, options.task)
    name, task = chosen.only_task("D4RL")
    need_numbers(name, task, "D4RL")
    with hdf5.writing(out):
        remove_drafts(out)
    with hdf5.writing(out), draft(out) as path, hdf5.created(path) as file:
        start = 0
        for demo, arrays in chosen.checked():
            rows = _rows(arrays, task)
            if not start:
                _make(file, rows, chosen.steps)
            for key, values in rows.items():
                file[key][start : start + len(demo)] = values  # type: ignore[index]
            start += len(demo)
        _describe(file, name, task)
    notes = [f"pictures are in infos/: {[p[0] for p in task.pictures]}"] if task.pictures else []
    return Converted(paths=(out,), episodes=len(chosen), steps=chosen.steps, notes=tuple(notes))


def _rows(arrays: dict[str, Array], task: TaskInfo) -> dict[str, Array]:
    before, after = flat(arrays, task)
    rows = {
        "observations": before,
        "next_observations": after,
        "actions": arrays["actions"],
        "rewards": arrays["rewards"],
        "terminals": arrays["terminated"],
        "timeouts": _ends(arrays),
        "infos/success": arrays["success"],
    }
    if arrays["states"].shape[1]:
        rows["infos/states"] = arrays["states"][:-1]
    return rows | {f"infos/{name}": arrays[f"obs/{name}"] for name, _, _ in task.pictures}


def _ends(arrays: dict[str, Array]) -> Array:
    """Tell where an episode ended without being terminated, in its last row only."""
    ends = np.zeros(len(arrays["actions"]), bool)
    ends[-1] = not arrays["terminated"][-1]
    return ends


def _make(file: h5py.File, rows: dict[str, Array], steps: int) -> None:
    for key, values in rows.items():
        shape, packed = (steps, *values.shape[1:]), values.ndim > 2
        chunks = {"chunks": (1, *values.shape[1:]), "compression": 4} if packed else {}
        file.create_dataset(key, shape, values.dtype, track_times=False, **chunks)


def _describe(file: h5py.File, name: str, task: TaskInfo) -> None:
    told = {
        "task": name,
        "instruction": task.instruction,
        "observation_layout": json.dumps(task.observation),
        "control_period_s": task.control_period_s,
    }
    for key, value in told.items():
        file.create_dataset(f"metadata/{key}", data=value, track_times=False)
