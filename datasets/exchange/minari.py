"""Minari's folder: a view of our file, which lies in it, so that no array is copied and the folder can be moved.

::

    OUT/<dataset id>/data/metadata.json
                          main_data.hdf5   /episode_<i>: observations (T + 1) are virtual, the rest links
                          episodes.h5      our file: the same one under a second name, or a copy on another disk
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from metasim.core.errors import DatasetError, InvalidConfig
from metasim.datasets import hdf5
from metasim.datasets.episode import EpisodeInfo, TaskInfo
from metasim.datasets.exchange.chosen import Chosen
from metasim.datasets.exchange.options import Converted, ExportOptions
from metasim.datasets.exchange.rooms import room
from metasim.datasets.exchange.spaces import box, env_spec, named
from metasim.datasets.reader import Dataset, Demo
from metasim.datasets.schema import NO_ENGINE
from metasim.datasets.states import STATES

Array = Any
OURS, MAIN, METADATA = "episodes.h5", "main_data.hdf5", "metadata.json"
VERSIONS = {"numbers": "0.5.3", "pictures": "0.5.4"}
"""The version whose format is written; earlier ones take every picture for a JPEG."""
_LINKED = {
    "actions": "actions",
    "rewards": "rewards",
    "terminations": "terminated",
    "truncations": "truncated",
}


def export(data: Dataset, out: Path, options: ExportOptions) -> Converted:
    """Write a Minari dataset for each task, in the folder of datasets ``out``.

    Raises:
        DatasetError: If one of them is there already.
        InvalidConfig: If one name is given for several tasks.
    """
    chosen = Chosen(data, options.task)
    views = [_View(chosen, name, task, options) for name, task in chosen.tasks.items()]
    folders = [out / view.id / "data" for view in views]
    if len(set(folders)) < len(folders):
        raise InvalidConfig(f"{options.name!r} names one dataset, {data.path} has the tasks {list(chosen.tasks)}")
    for folder in folders:
        if folder.exists():
            raise DatasetError(f"{folder} is there already; delete it, or give the dataset another name (--name)")
    for _ in chosen.checked(values=False):
        pass
    for folder, view in zip(folders, views, strict=True):
        with hdf5.writing(folder):
            view.write(folder)
    notes = [f"minari.load_dataset({view.id!r}) opens it if MINARI_DATASETS_PATH is {out.resolve()}" for view in views]
    return Converted(
        paths=tuple(folder.parent for folder in folders),
        episodes=len(chosen),
        steps=chosen.steps,
        notes=(*notes, *(note for view in views for note in view.notes)),
    )


class _View:
    """One task of a file as a Minari dataset."""

    def __init__(self, chosen: Chosen, name: str, task: TaskInfo, options: ExportOptions) -> None:
        self._source, self._name, self._task = chosen.data.path, name, task
        pairs = zip(chosen.numbers, chosen.demos, strict=True)
        self._demos = {number: demo for number, demo in pairs if demo.info.task == name}
        self._infos = [demo.info for demo in self._demos.values()]
        self._flat = options.observations == "flat" or (options.observations is None and not task.pictures)
        if self._flat and not task.observation:
            raise DatasetError(f"{name} observes nothing but pictures; use --observations named")
        self.id = dataset_id(name, self._infos, options.name)
        self.notes = list[str]()
        if self._flat and task.pictures:
            self.notes.append(f"{name}: pictures are left out of flat observations")

    def write(self, folder: Path) -> None:
        """Write the dataset, whole or not at all."""
        with room(folder) as draft:
            _put_beside(self._source, draft / OURS)
            with h5py.File(draft / MAIN, "x", libver=("earliest", "v110"), track_order=True) as file:
                for i, (number, demo) in enumerate(self._demos.items()):
                    self._episode(file.create_group(f"episode_{i}", track_order=True), i, number, demo)
            size_mb = round(sum(file.stat().st_size for file in draft.iterdir()) / 1e6, 1)
            (draft / METADATA).write_text(json.dumps({**self._metadata(), "dataset_size": size_mb}))
            os.rename(draft, folder)

    def _episode(self, group: h5py.Group, i: int, number: int, demo: Demo) -> None:
        info, inside = demo.info, f"data/demo_{number}"
        group.attrs.update({"id": i, "total_steps": len(demo)})
        if info.backend != NO_ENGINE and not info.goals:  # then reset(seed=..., options=...) begins this very episode
            group.attrs.update({"seed": info.seed, "options/episode": info.episode})
        for theirs, ours in _LINKED.items():
            group[theirs] = h5py.ExternalLink(OURS, f"{inside}/{ours}")
        if self._flat:
            _put_flat(group, inside, len(demo), self._task)
        else:
            _put_named(group.create_group("observations", track_order=True), inside, len(demo), self._task)
        infos = group.create_group("infos", track_order=True)
        success = h5py.VirtualLayout((len(demo) + 1,), np.bool_)
        success[1:] = h5py.VirtualSource(OURS, f"{inside}/success", (len(demo),), np.bool_)
        infos.create_virtual_dataset("success", success, fillvalue=False)
        if self._task.state_size.get(info.backend):
            infos["states"] = h5py.ExternalLink(OURS, f"{inside}/{STATES}")  # of it, the columns that move

    def _metadata(self) -> dict[str, Any]:
        task, infos = self._task, self._infos
        space = box((sum(size for _, size in task.observation),)) if self._flat else named(task)
        told = {
            "total_episodes": len(infos),
            "total_steps": sum(info.num_samples for info in infos),
            "data_format": "hdf5",
            "jpeg_encoding": False,
            "observation_space": json.dumps(space),
            "action_space": json.dumps(box((task.action_size,), "float32", -1.0, 1.0)),
            "dataset_id": self.id,
            "minari_version": VERSIONS["pictures" if task.pictures and not self._flat else "numbers"],
            "algorithm_name": _shared(infos, "policy", "several"),
            "description": task.instruction,
            "requirements": [f"metasim-robotics=={importlib.metadata.version('metasim-robotics')}"],
            "observation_layout": task.observation,
        }
        spec = env_spec(self._name, infos, "state" if self._flat else "dict", bool(task.pictures) and not self._flat)
        if spec is None:
            self.notes.append(f"{self._name}: no environment is named in the dataset, since none gives these episodes")
        return told if spec is None else {**told, "env_spec": spec}


def dataset_id(task: str, infos: list[EpisodeInfo], name: str | None) -> str:
    """Return ``<task>/<name>-v<n>``, with the policy for a name that is not given; a name with "/" is the whole id.

    Minari's ids are of letters, digits, "-", "_" and "/"; "_" stands for whatever else there is.
    """
    last = name or _shared(infos, "policy", "mixed").replace("/", "_")
    versioned = last if re.search(r"-v\d+$", last) else f"{last}-v0"
    return re.sub(r"[^-\w/]", "_", versioned if "/" in versioned else f"{task}/{versioned}")


def _shared(infos: list[EpisodeInfo], field: str, several: str) -> str:
    values = {getattr(info, field) for info in infos}
    return values.pop() if len(values) == 1 else several


def _put_flat(group: h5py.Group, inside: str, steps: int, task: TaskInfo) -> None:
    layout, start = h5py.VirtualLayout((steps + 1, sum(size for _, size in task.observation)), np.float64), 0
    for name, size in task.observation:
        columns = slice(start, start + size)
        layout[:steps, columns] = h5py.VirtualSource(OURS, f"{inside}/obs/{name}", (steps, size), np.float64)
        layout[steps:, columns] = h5py.VirtualSource(OURS, f"{inside}/final_obs/{name}", (1, size), np.float64)
        start += size
    group.create_virtual_dataset("observations", layout, fillvalue=np.nan)


def _put_named(group: h5py.Group, inside: str, steps: int, task: TaskInfo) -> None:
    numbers = [(name, (size,), "float64") for name, size in task.observation]
    for name, shape, kind in (*numbers, *task.pictures):
        layout = h5py.VirtualLayout((steps + 1, *shape), kind)
        layout[:steps] = h5py.VirtualSource(OURS, f"{inside}/obs/{name}", (steps, *shape), kind)
        layout[steps:] = h5py.VirtualSource(OURS, f"{inside}/final_obs/{name}", (1, *shape), kind)
        group.create_virtual_dataset(name, layout)


def _put_beside(source: Path, target: Path) -> None:
    """Give a file a second name; where that cannot be, copy it."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
