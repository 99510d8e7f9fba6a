"""Joins datasets into one: checked, renumbered, counted anew."""

from __future__ import annotations

import filecmp
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metasim.core.errors import DatasetError
from metasim.datasets import checking, hdf5, writer
from metasim.datasets.episode import TaskInfo
from metasim.work import remove_drafts


def merge(paths: Sequence[str | Path], out: str | Path) -> Path:
    """Join datasets into ``out`` in the given order and return it.

    Files of different tasks, engines, policies or splits may be joined: each episode says what it is. An
    ``out`` that has the very bytes of the merge is left untouched.

    Raises:
        DatasetError: If a file fails its check, two hold the same episode, a task's scene, observation or
            control rate differs between files, they were made with different versions, or ``out`` is
            something else already.
    """
    target, files = Path(out), [Path(path) for path in paths]
    if not files:
        raise DatasetError("nothing to merge: give at least one dataset")
    if target.resolve() in {path.resolve() for path in files}:
        raise DatasetError(f"{target} is one of the files to merge; give the merged file another name")
    remove_drafts(target)
    plan = _Plan()
    for path in files:
        plan.add(path)
    if not target.exists():
        plan.write(target)
        return target
    twin = target.with_name(f".{target.name}.merge")
    try:
        plan.write(twin)
        if not filecmp.cmp(twin, target, shallow=False):
            raise DatasetError(f"{target} exists and is not this merge; delete it or choose another name")
    finally:
        twin.unlink(missing_ok=True)
    return target


class _Plan:
    """What goes into the merged file."""

    def __init__(self) -> None:
        self.sources: list[writer.Source] = []
        self.tasks: dict[str, tuple[TaskInfo, Path]] = {}
        self.versions: dict[str, tuple[str, Path]] = {}
        self.collections: list[Mapping[str, Any]] = []
        self.masks: dict[str, list[int]] = {}

    def add(self, path: Path) -> None:
        """Add a file's episodes, which are checked when they are copied."""
        with hdf5.opened(path) as file:
            header, demos, masks = checking.check_outline(file, path)
        for name, version in header.versions.items():
            seen = self.versions.setdefault(name, (version, path))
            if seen[0] != version:
                raise DatasetError(
                    f"{path} was made with {name} {version}, {seen[1]} with {seen[0]}; collect one of them again"
                )
        for name, task in header.tasks.items():
            self._add_task(name, task, path)
        first = len(self.sources)
        self.sources += [writer.Source(path=path, group=f"data/demo_{i}") for i in range(demos)]
        for name, members in masks.items():
            self.masks.setdefault(name, []).extend(first + m for m in members)
        self.collections += [c for c in header.collections if c not in self.collections]

    def write(self, target: Path) -> None:
        """Write the merged file."""
        tasks = {name: task for name, (task, _) in self.tasks.items()}
        versions = {name: version for name, (version, _) in self.versions.items()}
        writer.write_dataset(target, self.sources, tasks, versions, self.collections, self.masks)

    def _add_task(self, name: str, task: TaskInfo, path: Path) -> None:
        seen, origin = self.tasks.setdefault(name, (task, path))
        for field in (
            *("action_size", "observation", "pictures", "control_period_s", "model_digest", "assets", "instruction"),
        ):
            if getattr(seen, field) != getattr(task, field):
                raise DatasetError(
                    f"{path}: {name} has {field} {json.dumps(getattr(task, field))}, "
                    f"in {origin} it is {json.dumps(getattr(seen, field))}; they cannot be one dataset"
                )
        for backend, size in task.state_size.items():
            if seen.state_size.get(backend, size) != size:
                raise DatasetError(f"{path}: states of {name} in {backend} have {size} columns, in {origin} others")
        both = {**seen.state_size, **task.state_size}
        merged = TaskInfo(**{**vars(seen), "state_size": dict(sorted(both.items()))})
        self.tasks[name] = (merged, origin)
