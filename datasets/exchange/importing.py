"""Reads a foreign file into a dataset of ours: episode by episode, so that a killed import goes on where it was."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from metasim.core.errors import DatasetError
from metasim.datasets import hdf5, schema, writer
from metasim.datasets.episode import TaskInfo
from metasim.datasets.exchange import foreign
from metasim.datasets.exchange.layouts import Facts, control_hz, find, instruction
from metasim.datasets.exchange.options import Converted, ImportOptions, given
from metasim.datasets.exchange.shaping import Shape, shaped
from metasim.datasets.parts import Parts, difference
from metasim.datasets.schema import NO_ENGINE
from metasim.datasets.versions import package_versions
from metasim.work import remove_drafts

Array = Any


def load(path: Path, out: Path, layout: str | None, options: ImportOptions, force: bool) -> Converted:
    """Write what a foreign file holds into ``out``; a finished import of the same file is left untouched.

    Raises:
        DatasetError: If the file is damaged, of another layout, or holds what cannot be an episode of ours, with
            file, demo and reason; or if ``out`` is something else already.
    """
    with hdf5.open_file(path) as file:
        source = _Source(file, path, layout, options)
        arguments = source.arguments()
        parts = Parts.of(out)
        if _finished(out, arguments, force):
            parts.remove()  # what a process killed at the very end has left
            return source.converted(out, f"{out} is there already, made of this file with these settings")
        versions, masks = package_versions([NO_ENGINE]), source.masks()
        with parts.held(arguments, versions):
            remove_drafts(out)
            tasks = _save(source, parts)
            sources = [
                writer.Source(path=parts.path(task, number), group=writer.PART) for number, task in source.tasks.items()
            ]
            writer.write_dataset(out, sources, tasks, versions, [arguments], masks)
            parts.remove()
        return source.converted(out)


def _save(source: _Source, parts: Parts) -> dict[str, TaskInfo]:
    """Save the episodes that are not saved yet, and return what those of each task share."""
    known = parts.scan(tuple(dict.fromkeys(source.tasks.values())))
    tasks = dict[str, TaskInfo]()
    for number, task in source.tasks.items():
        if number in known[task]:
            tasks.setdefault(task, writer.read_part(parts.path(task, number))[1])
            continue
        try:
            episode, info = source.episode(number)
            _same(tasks, task, info, source.where(number))
        except DatasetError:
            parts.remove()  # they are of no use: the same arguments will be refused again
            raise
        parts.save(episode, tasks[task])
    return tasks


class _Source:
    """A foreign file, and how it is read."""

    def __init__(self, file: h5py.File, path: Path, layout: str | None, options: ImportOptions) -> None:
        self._file, self._path, self._options = file, path, options
        self._notes = dict[str, None]()
        self._steps = 0
        with foreign.reading(str(path)):
            names = foreign.demo_names(file, path)
            data: Any = file["data"]
            if str(data.attrs.get("schema", "")).startswith("metasim.dataset/"):
                raise DatasetError(f"{path} is a dataset of ours already; to write it for others, say --to")
            self._demos: Mapping[int, h5py.Group] = {number: data[name] for number, name in names.items()}
            first = next(iter(self._demos.values()))
            attributes = foreign.plain_attributes(data)
            self.facts = Facts(path=path, attributes=attributes, members=frozenset([*first, *first.attrs]))
        self.layout = find(self.facts, layout)
        self._check_left_out(first)
        self.tasks = {number: self._task(demo) for number, demo in self._demos.items()}
        self._after = self._seen_after() if options.seen is None else options.seen == "after"
        self._scale = self._find_scale() if options.scale_actions else None

    def arguments(self) -> dict[str, Any]:
        """Return what decides the bytes of our file."""
        with self._path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        told = given(self._options)
        return {
            "imported": self.layout.name,
            "file": self._path.name,
            "sha256": sha256,
            "attributes": dict(self.facts.attributes),
            **{name: list(value) if isinstance(value, tuple) else value for name, value in told.items()},
        }

    def where(self, number: int) -> str:
        """Return how messages call a demo."""
        return f"{self._path}: demo_{number}"

    def episode(self, number: int) -> tuple[Any, TaskInfo]:
        """Return a demo as an episode of ours, and what it says of its task."""
        options, group = self._options, self._demos[number]
        demo = foreign.read(group, self.where(number), options.leave_out)
        demo = self.layout.complete(demo)
        hz = options.control_hz or control_hz(self.facts)
        words = instruction(self.facts, group) if options.instruction is None else options.instruction
        shape = Shape(
            task=self.tasks[number],
            instruction=words,
            policy=options.policy,
            period_s=1.0 / hz if hz else 0.0,
            scale=self._scale,
            after=self._after,
            successful=options.successful,
        )
        return shaped(demo, number, shape, self._note)

    def masks(self) -> dict[str, list[int]]:
        """Return the file's filter keys, with our numbers of demos."""
        found, index = foreign.masks(self._file, self._path), {number: i for i, number in enumerate(self.tasks)}
        counts = Counter(self.tasks.values())
        for name, members in found.items():
            missing = sorted(set(members) - set(index))
            if missing:
                raise DatasetError(f"{self._path}: mask {name!r} lists demo_{missing[0]}, which is not there")
            for task in counts:
                own = [number for number, of in self.tasks.items() if of == task]
                if name == task.replace("/", ".") and sorted(members) != own:
                    raise DatasetError(f"{self._path}: mask {name!r} is called like the task; give another --task")
        return {name: [index[number] for number in members] for name, members in found.items()}

    def converted(self, out: Path, *notes: str) -> Converted:
        """Return what came of it."""
        with hdf5.opened(out) as file:
            steps = schema.read_header(file, out).total
        return Converted(paths=(out,), episodes=len(self.tasks), steps=steps, notes=(*notes, *self._notes))

    def _note(self, sentence: str) -> None:
        self._notes[sentence] = None

    def _task(self, demo: h5py.Group) -> str:
        if self._options.task:
            return self._options.task
        own: Any = demo.attrs.get("task")
        name = own if isinstance(own, str) and own else self.layout.names(self.facts) or self.facts.stem
        parts = [re.sub(r"[^\w.-]", "_", part).strip(".") for part in f"{self.layout.name}/{name}".split("/")]
        return "/".join(part for part in parts if part)

    def _seen_after(self) -> bool:
        """Tell when the observations were seen, by the first demo that can tell."""
        for number, demo in self._demos.items():
            with foreign.reading(self.where(number)):
                found = self.layout.after(demo)
            if found is not None:
                return found
        self._note(
            f"that observations were seen after the action of their row is taken from {self.layout.name}'s script"
        )
        return True

    def _find_scale(self) -> Array | None:
        """Return the largest magnitude in each column of all actions; None if all lie in [-1, 1]."""
        most: Any = 1.0
        for number, demo in self._demos.items():
            with foreign.reading(self.where(number)):
                actions: Any = demo["actions"][()]  # type: ignore[index]
                if actions.ndim != 2 or not np.isfinite(actions).all():
                    raise DatasetError(f"{self.where(number)}: actions must be (steps, size) finite numbers")
                most = np.maximum(most, np.abs(actions.astype(np.float64)).max(axis=0))
        if np.all(most == 1):
            return None
        self._note(f"actions were divided by {np.round(most, 6).tolist()}, see source/action_scale")
        return most

    def _check_left_out(self, first: h5py.Group) -> None:
        paths = list[str]()
        with foreign.reading(str(self._path)):
            first.visit(paths.append)
        for name in self._options.leave_out:
            if not any(foreign.left_out(path, (name,)) for path in paths):
                raise DatasetError(
                    f"{self._path}: nothing is called {name!r} in its first demo, which has {paths[:20]}"
                )


def _same(tasks: dict[str, TaskInfo], name: str, found: TaskInfo, where: str) -> None:
    """Hold a demo against the first one of its task."""
    first = tasks.setdefault(name, found)
    for what in ("action_size", "observation", "pictures"):
        if getattr(first, what) != getattr(found, what):
            raise DatasetError(
                f"{where}: {what} is {getattr(found, what)}, in the first demo of {name} it is {getattr(first, what)}; "
                f"they cannot be one task"
            )


def _finished(out: Path, arguments: Mapping[str, Any], force: bool) -> bool:
    """Tell whether our file is there; raises DatasetError if it is another one."""
    if not out.exists() or (force and out.is_file()):
        return False
    if out.is_dir():
        raise DatasetError(f"{out} is a folder; give the name of a file")
    with hdf5.opened(out) as file:
        there = list(schema.read_header(file, out).collections)
    if there == [arguments]:
        return True
    differs = difference(there[0], arguments) if len(there) == 1 else "it was merged from several"
    raise DatasetError(f"{out} exists and is something else: {differs}. Use another file, delete it, or --force")
