"""The verb ``list``: what is there."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tyro

from metasim.cli.options import TaskModules
from metasim.cli.output import as_json, note, stdout_kept, table

What = Literal["tasks", "backends", "robots", "protocols"]


@dataclass(frozen=True, kw_only=True)
class List:
    """List tasks, backends, robots or protocols.

    Args:
        what: What to list.
        task_module: A file that registers tasks; may be given several times.
        json: Print JSON.
    """

    what: Annotated[What, tyro.conf.Positional] = "tasks"
    task_module: TaskModules = ()
    json: bool = False

    def run(self) -> int:
        """Print the list."""
        with stdout_kept():
            rows = {"tasks": tasks, "backends": backends, "robots": robots, "protocols": protocols}[self.what]()
        if self.json:
            as_json(rows)
        elif rows:
            columns = [name for name in rows[0] if name not in ("capabilities", "camera")]
            table("", columns, [[_cell(row[name]) for name in columns] for row in rows])
        if self.what == "tasks":
            from metasim.core.task import TASKS

            for plugin, reason in TASKS.failures.items():
                note(f"plug-in {plugin!r} was not loaded: {reason}", "yellow")
        return 0


def tasks() -> list[dict[str, Any]]:
    """Return every registered task."""
    from metasim.core.task import TASKS

    return [
        {
            "task": id,
            "instruction": cls.instruction,
            "horizon": cls.horizon,
            "expert": cls.expert is not None,
            "varies": [factor.name for factor in cls.factors],
            "camera": cls.camera,
        }
        for id, cls in TASKS.items()
    ]


def backends() -> list[dict[str, Any]]:
    """Return every registered engine, installed or not."""
    from metasim.core.backend import BACKENDS
    from metasim.core.errors import MetasimError

    rows = []
    for name in BACKENDS:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            version = ""
        try:
            capabilities, missing = sorted(BACKENDS[name].capabilities), ""
        except (MetasimError, ImportError) as error:
            capabilities, missing = [], str(error)
        rows.append({"backend": name, "version": version, "missing": missing, "capabilities": capabilities})
    return rows


def robots() -> list[dict[str, Any]]:
    """Return every robot of the table."""
    from metasim.core.errors import MissingDependency
    from metasim.model.assets import locate
    from metasim.model.robots import ROBOTS

    rows = []
    for name, entry in ROBOTS.items():
        try:
            locate(entry.file)
            installed = True
        except MissingDependency:
            installed = False
        rows.append(
            {
                "robot": name,
                "maker": entry.maker,
                "base": "free" if entry.floating else "fixed",
                "joints": len(entry.home),
                "source": entry.source,
                "installed": installed,
                "licence": entry.licence,
            }
        )
    return rows


def protocols() -> list[dict[str, Any]]:
    """Return what environments can be made of by id, and how results are measured."""
    from metasim.benchmarks import metalearning, multitask
    from metasim.benchmarks.runner import PROTOCOLS as MEASURED
    from metasim.core.protocol import PROTOCOLS

    made = [{"protocol": id, "tasks": len(p.tasks) or "yours", "about": p.summary} for id, p in PROTOCOLS.items()]
    about = {**MEASURED, multitask.PROTOCOL: multitask.SUMMARY, metalearning.PROTOCOL: metalearning.SUMMARY}
    return [*made, *({"protocol": name, "tasks": "any", "about": text} for name, text in about.items())]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
