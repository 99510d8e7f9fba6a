"""robomimic's HDF5: what its SequenceDataset reads, ``next_obs`` included, which it would else fill with zeros."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from metasim.datasets import hdf5
from metasim.datasets.exchange.chosen import Chosen
from metasim.datasets.exchange.options import Converted, ExportOptions
from metasim.datasets.reader import Dataset
from metasim.datasets.schema import GYM_TYPE, QUATERNIONS
from metasim.work import draft, remove_drafts

Array = Any
_NUMBERS = len("demo_")
_AS_THEY_ARE = ("actions", "rewards", "dones", "terminated", "truncated", "success")


def export(data: Dataset, out: Path, options: ExportOptions) -> Converted:
    """Write the file ``out``: everything of ours but statistics and digests, with ``next_obs`` besides.

    ``states`` has T rows there, one before each action; the last one is ``final_states``.
    """
    chosen = Chosen(data, options.task)
    with hdf5.writing(out):
        remove_drafts(out)
    with hdf5.writing(out), draft(out) as path, hdf5.created(path) as file:
        group = hdf5.put_group(file.id, "data")
        for number, (demo, arrays) in enumerate(chosen.checked()):
            inside = hdf5.put_group(group, f"demo_{number}")
            hdf5.put_attributes(inside, {k: v for k, v in asdict(demo.info).items() if k != "sha256"})
            _put_tree(inside, _arrays(arrays))
        hdf5.put_attributes(group, _attributes(chosen))
        _put_masks(file, chosen)
    notes = ["train on one task's demos by its filter key (/mask)"] if len(chosen.tasks) > 1 else []
    return Converted(paths=(out,), episodes=len(chosen), steps=chosen.steps, notes=tuple(notes))


def _arrays(arrays: Mapping[str, Array]) -> dict[str, Array]:
    found = {name: arrays[name] for name in _AS_THEY_ARE}
    if arrays["states"].shape[1]:
        found |= {"states": arrays["states"][:-1], "final_states": arrays["states"][-1:]}
    for name in (path.removeprefix("obs/") for path in arrays if path.startswith("obs/")):
        before, last = arrays[f"obs/{name}"], arrays[f"final_obs/{name}"]
        found |= {f"obs/{name}": before, f"next_obs/{name}": np.concatenate([before[1:], last])}
    return found | {path: array for path, array in arrays.items() if path.startswith("initial/")}


def _put_tree(demo: h5py.h5g.GroupID, arrays: Mapping[str, Array]) -> None:
    groups = {"": demo}
    for path, array in arrays.items():
        folder, _, name = path.rpartition("/")
        parts = folder.split("/") if folder else []
        for i in range(len(parts)):
            whole = "/".join(parts[: i + 1])
            if whole not in groups:
                groups[whole] = hdf5.put_group(groups["/".join(parts[:i])], parts[i])
        hdf5.put_array(groups[folder], name, array)


def _attributes(chosen: Chosen) -> dict[str, str | int]:
    def joined(name: str) -> str:
        return ",".join(dict.fromkeys(str(getattr(info, name)) for info in chosen.infos))

    periods = {task.control_period_s for task in chosen.tasks.values()}
    period = periods.pop() if len(periods) == 1 else 0.0
    kwargs: dict[str, Any] = {"backend": joined("backend"), "split": joined("split")}
    if period:
        kwargs["control_freq"] = 1.0 / period
    return {
        "total": chosen.steps,
        "env_args": json.dumps({"env_name": joined("task"), "type": GYM_TYPE, "env_kwargs": kwargs}),
        "quaternion_order": QUATERNIONS,
        "versions": json.dumps(dict(chosen.data.header.versions), sort_keys=True),
    }


def _put_masks(file: h5py.File, chosen: Chosen) -> None:
    renumbered = {old: new for new, old in enumerate(chosen.numbers)}
    masks: Any = chosen.data.file.get("mask", {})
    group = hdf5.put_group(file.id, "mask")
    for name, mask in masks.items():
        members = [int(member[_NUMBERS:]) for member in mask[()].tolist()]
        kept = [f"demo_{renumbered[i]}".encode() for i in members if i in renumbered]
        if kept:
            hdf5.put_array(group, name, np.array(kept, dtype=np.bytes_))
