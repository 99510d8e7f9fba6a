"""The verb ``list``: what is there."""

from __future__ import annotations

import importlib.metadata
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal

import tyro

from metasim.cli import plugins
from metasim.cli.options import TaskModules
from metasim.cli.output import as_json, note, stdout_kept, table
from metasim.core.registry import Registry

What = Literal["tasks", "backends", "robots", "policies", "protocols", "axes", "plugins"]


@dataclass(frozen=True, kw_only=True)
class List:
    """List tasks, backends, robots, policies, protocols, axes of variation or plug-ins.

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
            rows = LISTS[self.what]()
            failed = _failed(self.what)
        if self.json:
            as_json(rows)
        elif rows:
            columns = [name for name in rows[0] if name not in ("capabilities", "camera")]
            table("", columns, [[_cell(row[name]) for name in columns] for row in rows])
        elif self.what == "plugins":
            note("no other package brings anything")
        for plugin, reason in failed.items():
            note(f"plug-in {plugin} was not loaded: {reason}", "yellow")
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
        for id, cls in TASKS.sound()
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
            version = BACKENDS.plugins[name].version if name in BACKENDS.plugins else ""
        try:
            capabilities, missing = sorted(BACKENDS[name].capabilities), BACKENDS[name].missing()
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
    for name, entry in ROBOTS.sound():
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


def policies() -> list[dict[str, Any]]:
    """Return every registered policy that needs no file."""
    from metasim.core.policy import POLICIES

    return [
        {
            "policy": name,
            "parameters": [str(parameter) for parameter in getattr(item, "parameters", ())],
            "about": (inspect.getdoc(item) or "").partition("\n")[0],
            "from": _origin(POLICIES, name),
        }
        for name, item in POLICIES.sound()
    ]


def protocols() -> list[dict[str, Any]]:
    """Return what environments can be made of by id, and how results are measured."""
    from metasim.benchmarks import metalearning, multitask
    from metasim.benchmarks.runner import PROTOCOLS as MEASURED
    from metasim.core.protocol import PROTOCOLS

    made = [{"protocol": id, "tasks": len(p.tasks) or "yours", "about": p.summary} for id, p in PROTOCOLS.items()]
    about = {**MEASURED, multitask.PROTOCOL: multitask.SUMMARY, metalearning.PROTOCOL: metalearning.SUMMARY}
    return [*made, *({"protocol": name, "tasks": "any", "about": text} for name, text in about.items())]


def axes() -> list[dict[str, Any]]:
    """Return the axes along which episodes can vary, and where each takes effect."""
    from metasim.randomize import AXES, LooksAxis, SceneAxis, StartAxis, StepAxis

    kinds = {SceneAxis: "scene", StartAxis: "start", StepAxis: "every step", LooksAxis: "pictures"}
    return [
        {
            "axis": name,
            "takes effect in": next((word for kind, word in kinds.items() if isinstance(axis, kind)), ""),
            "varies": axis.summary,
            "from": _origin(AXES, name),
        }
        for name, axis in AXES.sound()
    ]


LISTS: Mapping[What, Callable[[], list[dict[str, Any]]]] = MappingProxyType(
    {
        "tasks": tasks,
        "backends": backends,
        "robots": robots,
        "policies": policies,
        "protocols": protocols,
        "axes": axes,
        "plugins": plugins.rows,
    }
)


def _failed(what: What) -> Mapping[str, str]:
    """Return the plug-ins of what is listed that could not be loaded, and why; `plugins` shows them in its rows."""
    kinds = {_several(registry.kind): registry for registry in plugins.registries()}
    return plugins.problems(kinds[what]) if what in kinds else {}


def _several(kind: str) -> str:
    return {"policy": "policies", "axis": "axes"}.get(kind, f"{kind}s")


def _origin(registry: Registry[Any], name: str) -> str:
    return registry.plugins[name].label if name in registry.plugins else "metasim"


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
