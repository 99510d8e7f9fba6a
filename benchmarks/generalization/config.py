"""What of a protocol is run: which policy, in which engines, which cells; refused where it cannot be."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from metasim.benchmarks.generalization.frozen import Cell, Frozen, arm_json, digest, load
from metasim.benchmarks.generalization.table import GENERALIZATION_V1
from metasim.benchmarks.versions import training, versions
from metasim.core.backend import BACKENDS
from metasim.core.errors import InvalidConfig, UnsupportedFeature, nearest
from metasim.core.policy import POLICIES
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS
from metasim.randomize.axis import check

TILE = 10


@dataclass(frozen=True, kw_only=True)
class BenchConfig:
    """What to run.

    Args:
        policy: Name of the policy; with a team, what results call it.
        team: Task id to the name of the policy of that task, for policies that know one task each; only those tasks are
            run.
        protocol: Name of the protocol, or the path of its file.
        backends: Engines.
        tasks: Task ids or globs, with or without suite and version; empty for all.
        conditions: Labels of conditions or globs, such as ``L*`` or ``mass``; empty for all.
        episodes: The first so many of each cell; None for all.
        horizon: Steps until truncation; None for each task's own.
        worlds: Episodes run together, in tiles of so many rows, all of which a policy always sees. The results of
            policies that compute each row by itself do not depend on it.
        workers: Processes; the results do not depend on it.
        ray: Ray to run it on; see :class:`metasim.benchmarks.runner.EvaluateConfig`.
        out: Results file; what is finished is kept in ``OUT.parts`` until it is complete.

    Raises:
        UnknownName: For a protocol, engine or policy that there is not.
        InvalidConfig: For a number out of its range, or an engine that the protocol is not frozen for.
    """

    policy: str = "expert"
    team: Mapping[str, str] = field(default_factory=dict[str, str])
    protocol: str = GENERALIZATION_V1.name
    backends: tuple[str, ...] = ("mujoco",)
    tasks: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    episodes: int | None = None
    horizon: int | None = None
    worlds: int = TILE
    workers: int = 1
    ray: str | None = None
    out: Path | None = None

    def __post_init__(self) -> None:
        """Check names and numbers."""
        if not self.team:
            object.__setattr__(self, "policy", POLICIES.canonical(self.policy))
        for name in self.team.values() or (self.policy,):
            if getattr(POLICIES[name], "needs", None):
                raise InvalidConfig(f"policy {name} repeats recorded episodes, and has none of a protocol's")
        object.__setattr__(self, "backends", tuple(sorted(set(self.backends))))  # any order gives the same file
        for engine in self.backends:
            BACKENDS[engine]
            if engine not in self.frozen.engines:
                raise InvalidConfig(
                    f"{self.frozen.name} is frozen for {', '.join(self.frozen.engines)}, not for {engine!r}: nobody"
                    " has said which of its conditions apply there"
                )
        if not self.backends:
            raise InvalidConfig("backends must name at least one engine")
        for name in ("episodes", "horizon", "worlds", "workers"):
            value = getattr(self, name)
            if value is None and name in ("episodes", "horizon"):
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InvalidConfig(f"{name} must be an integer of 1 or more, got {value!r}")
        if self.episodes is not None and self.episodes > self.frozen.episodes:
            raise InvalidConfig(
                f"a cell of {self.frozen.name} has {self.frozen.episodes} episodes, not {self.episodes}"
            )
        if not self.cells:
            raise InvalidConfig("no cell has both one of these tasks and one of these conditions")

    @cached_property
    def frozen(self) -> Frozen:
        """The protocol."""
        return load(self.protocol)

    @property
    def count(self) -> int:
        """Episodes in a cell."""
        return self.episodes or self.frozen.episodes

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The cells that were asked for, those that do not apply included."""
        frozen = self.frozen
        tasks = _chosen("task", self.tasks, frozen.tasks, short=True)
        if self.team and self.tasks and not tasks <= set(self.team):
            raise InvalidConfig(f"{self.policy} has no policy for {sorted(tasks - set(self.team))[0]}")
        strange = sorted(set(self.team) - set(frozen.tasks))
        if strange:
            raise InvalidConfig(
                f"{self.team[strange[0]]} is for {strange[0]}, which {frozen.name} has not; leave it out"
            )
        tasks = tasks & set(self.team) if self.team else tasks
        labels = _chosen("condition", self.conditions, [arm.condition.label for arm in frozen.arms])
        return tuple(cell for cell in frozen.cells if cell.task in tasks and cell.label in labels)

    def policy_of(self, task: str) -> str:
        """Return the name of the policy that runs a task."""
        return self.team[task] if self.team else self.policy

    def steps(self, task: str) -> int:
        """Return how many steps an episode of a task has."""
        return self.horizon or self.frozen.horizon(task)

    def check(self) -> None:
        """Refuse cells that should apply and do not, and tasks that are not those of the protocol.

        Raises:
            UnsupportedFeature: For an axis that a task or an engine refuses although the protocol says otherwise, and
                if none of the cells applies.
            InvalidConfig: For a task with another horizon, or other factors, than the protocol's.
        """
        refused = [(cell, e) for cell in self.cells for e in self.backends if e in cell.refused]
        if len(refused) == len(self.cells) * len(self.backends):
            cell, engine = refused[0]
            raise UnsupportedFeature(
                f"no cell applies that was asked for; {cell.task}, {cell.label}, {engine}: {cell.refused[engine]}"
            )
        for task in dict.fromkeys(cell.task for cell in self.cells):
            self._check_factors(task)
        for cell in self.cells:
            kind = TASKS[cell.task]
            if kind.horizon != self.frozen.horizon(cell.task):
                raise InvalidConfig(
                    f"{cell.task} has {kind.horizon} steps here and {self.frozen.horizon(cell.task)} in"
                    f" {self.frozen.name}: it is not the task that the protocol was frozen with"
                )
            for engine in (engine for engine in self.backends if engine not in cell.refused):
                try:
                    check(cell.arm.axes, kind, engine)
                except UnsupportedFeature as error:
                    raise UnsupportedFeature(f"{error}; {self.frozen.name} says that it can") from error

    def _check_factors(self, task: str) -> None:
        held = set(self.frozen.factors(task))
        drawn = set(TASKS[task]().sample(EpisodeSeed(root=0, task=task, episode=0)))
        if held and drawn != held:
            raise InvalidConfig(
                f"{task} draws {sorted(drawn)} here and {sorted(held)} in {self.frozen.name}: it is not the task that"
                " the protocol was frozen with"
            )

    def resolved(self) -> dict[str, Any]:
        """Return what the results say about how they came about: versions, and nothing of the machine."""
        frozen, tasks = self.frozen, tuple(dict.fromkeys(cell.task for cell in self.cells))
        members = [self.policy_of(task) for task in tasks]
        refused: dict[str, dict[str, dict[str, str]]] = {engine: {} for engine in self.backends}
        for cell in self.cells:
            for engine in self.backends:
                if engine in cell.refused:
                    refused[engine].setdefault(cell.task, {})[cell.label] = cell.refused[engine]
        return {
            "tasks": list(tasks),
            "backends": list(self.backends),
            "policies": [self.policy],
            "seeds": [frozen.seed],
            "episodes": [f"0-{self.count - 1}"],
            "conditions": {cell.label: arm_json(cell.arm) for cell in self.cells},
            "horizon": {task: self.steps(task) for task in tasks},
            "goals": {task: frozen.goals(task) for task in tasks if frozen.goals(task)},
            "not_applicable": refused,
            "tile": self.worlds,
            "trained": _trained(self),
            "versions": {k: v for engine in self.backends for k, v in versions(engine, tasks, members).items()},
        }


def make_team(policies: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Return a name for several policies that know one task each, and the name of each by its task.

    Raises:
        InvalidConfig: If one does not say which task it knows, or two know the same.
    """
    team = dict[str, str]()
    for name in policies:
        task = learned(name).get("task", "")
        if not task:
            raise InvalidConfig(f"policy {name} does not say which one task it is for, so it cannot be one of several")
        if task in team:
            raise InvalidConfig(f"policies {team[task]} and {name} are both for {task}; give one of them")
        team[task] = name
    kinds = sorted({learned(name)["algorithm"] for name in policies})
    return f"{'+'.join(kinds)}-{digest(sorted(map(str, policies)))[:12]}", team


def learned(policy: str) -> dict[str, str]:
    """Return what a policy says of its training: algorithm, engine, task; empty for one that says nothing."""
    info = training(policy)
    said = {name: getattr(info, name, "") for name in ("algorithm", "backend", "task")}
    return {name: str(value) for name, value in said.items() if value}


def _trained(c: BenchConfig) -> dict[str, Any]:
    if not c.team:
        said = {**learned(c.policy), **_trained_with([c.policy])}
        return {str(c.policy): said} if said else {}
    members = {task: str(name) for task, name in sorted(c.team.items())}
    said = [learned(name) for name in c.team.values()]
    common = {
        key: values[0] for key in ("algorithm", "backend") if len(values := list({s.get(key, "") for s in said})) == 1
    }
    return {c.policy: {**common, **_trained_with(members.values()), "members": members}}


def _trained_with(policies: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the versions of the packages that policies were trained with, torch among them, if they say so."""
    found: dict[str, set[str]] = {}
    for name in policies:
        for package, version in (getattr(training(name), "versions", None) or {}).items():
            found.setdefault(str(package), set()).add(str(version))
    return {"versions": {name: ", ".join(sorted(found[name])) for name in sorted(found)}} if found else {}


def _chosen(kind: str, words: Sequence[str], names: Sequence[str], *, short: bool = False) -> set[str]:
    if not words:
        return set(names)
    found = set[str]()
    for word in words:
        spelt = {name: {name, *({name.partition("/")[2], _bare(name)} if short else ())} for name in names}
        matched = {name for name, forms in spelt.items() if any(fnmatch.fnmatchcase(form, word) for form in forms)}
        if not matched:
            raise InvalidConfig(f"the protocol has no {kind} {word!r}; {nearest(word, names)}")
        found |= matched
    return found


def _bare(task: str) -> str:
    return task.partition("/")[2].rpartition("-v")[0]
