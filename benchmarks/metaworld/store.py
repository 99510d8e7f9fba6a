"""Rows of measurements by task in one JSON file, written whole after every task, so that a run can be gone on with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metasim.benchmarks.checking import InvalidResults
from metasim.core.task import TASKS
from metasim.work import write_atomically

SUITE = "metaworld/"
Row = Mapping[str, Any]


def chosen_tasks(names: Sequence[str]) -> tuple[str, ...]:
    """Return task ids; names may lack the suite and the version, and none at all means the whole suite.

    Raises:
        UnknownName: For a task that is not there.
    """
    if not names:
        return tuple(id for id in TASKS if id.startswith(SUITE))
    ids = tuple(dict.fromkeys(n if "/" in n or n in TASKS else f"{SUITE}{n.removesuffix('-v3')}-v3" for n in names))
    for id in ids:
        TASKS[id]
    return ids


def short(task: str) -> str:
    """Return a task's name without suite and version."""
    return task.removeprefix(SUITE).rpartition("-v")[0]


@dataclass
class Rows:
    """A file of rows.

    Attributes:
        kind: What was measured, with the version of the rows' form.
        settings: How; plain JSON.
        tasks: Task id to its rows.
    """

    kind: str
    settings: Mapping[str, Any]
    tasks: dict[str, list[Row]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Rows:
        """Read a file.

        Raises:
            InvalidResults: If it cannot be read or holds something else.
        """
        try:
            tree = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise InvalidResults(f"{path}: cannot be read as JSON ({error})") from error
        if not isinstance(tree, dict) or set(tree) != {"kind", "settings", "tasks"}:
            raise InvalidResults(f"{path}: expected an object with kind, settings and tasks")
        return cls(tree["kind"], tree["settings"], tree["tasks"])

    @classmethod
    def open(cls, path: Path, kind: str, settings: Mapping[str, Any]) -> Rows:
        """Return the rows of a file, or none if it is not there.

        Raises:
            InvalidResults: If it was made with other settings; the message says which.
        """
        if not path.exists():
            return cls(kind, settings)
        rows = cls.load(path)
        wanted = {"kind": kind, **settings}
        there = {"kind": rows.kind, **rows.settings}
        for key in sorted({*wanted, *there}):
            if wanted.get(key) != there.get(key):
                raise InvalidResults(
                    f"{path} holds results with another {key}: {there.get(key)!r} instead of {wanted.get(key)!r};"
                    " give another --out, or delete it"
                )
        return rows

    def save(self, path: Path) -> None:
        """Write the file, one row a line."""
        tasks = ",\n".join(
            f"  {json.dumps(task)}: [\n   {_lines(self.tasks[task])}\n  ]" for task in sorted(self.tasks)
        )
        head = f' "kind": {json.dumps(self.kind)},\n "settings": {json.dumps(self.settings, sort_keys=True)},\n'
        write_atomically(path, f'{{\n{head} "tasks": {{\n{tasks}\n }}\n}}\n'.encode())


def _lines(rows: Iterable[Row]) -> str:
    return ",\n   ".join(json.dumps(row, sort_keys=True) for row in rows)
