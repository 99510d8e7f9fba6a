"""The sides of a comparison: whose episodes, and which of them belong together; what differs besides is refused.

Nothing that differs is passed over: it is refused with a sentence, or allowed by name and then said in the result.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from metasim.benchmarks.checking import thaw
from metasim.benchmarks.condition import Condition
from metasim.benchmarks.episode import EpisodeResult, described
from metasim.benchmarks.results import PROTOCOL_FIELDS, UNITED, Results
from metasim.core.errors import InvalidConfig, MetasimError, nearest

DESPITE: Mapping[str, str] = MappingProxyType(
    {
        "protocol": "another protocol, version of it, or digest",
        "versions": "another version of metasim, an engine or a library",
        "settings": "another split, horizon or other setting",
        "tasks": "tasks or conditions that only one side has, which are left out",
        "episodes": "episodes that only one side has, which are left out",
    }
)
"""What may be let differ, and what it means."""


class NotComparable(MetasimError, ValueError):
    """Results that would be compared although something else than the two sides differs between them."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What both sides did: a task, the engine where it is the same for both, and the condition."""

    task: str
    backend: str = ""
    condition: Condition = Condition()

    @property
    def order(self) -> tuple[Any, ...]:
        """What cells are sorted by."""
        return (self.task, self.backend, self.condition.order)


@dataclass(frozen=True, kw_only=True)
class Side:
    """The episodes of one policy, in one or more engines.

    Attributes:
        name: What the side is called, such as the file's name.
        results: Results that hold no other episodes.
    """

    name: str
    results: Results

    @property
    def backends(self) -> tuple[str, ...]:
        """Its engines."""
        return tuple(sorted({e.backend for e in self.results.episodes}))


@dataclass(frozen=True, kw_only=True)
class Matched:
    """Episodes of two sides, cell by cell.

    Attributes:
        cells: Each cell with the episodes of both; where they are paired, in the same order.
        paired: Whether episode i of both began in the same way.
        notes: What differs and was allowed to, in sentences.
    """

    cells: tuple[tuple[Cell, tuple[EpisodeResult, ...], tuple[EpisodeResult, ...]], ...]
    paired: bool
    notes: tuple[str, ...]


def sides(files: Sequence[tuple[str, Results]], *, policy: str = "", backend: str = "") -> tuple[Side, ...]:
    """Return the sides that results files make: one each; of a single file, its policies, or else its engines.

    Args:
        files: Name and results of each.
        policy: Take the episodes of this policy alone.
        backend: Take the episodes of this engine alone.

    Raises:
        NotComparable: There is nothing to compare with, or a file holds several policies and none is named.
        InvalidConfig: A file does not hold the policy or engine that was named.
    """
    named = [(name, _only(name, results, policy, backend)) for name, results in files]
    if len(named) == 1:
        return _within(*named[0])
    if len(named) < 2:
        raise NotComparable("name at least one results file, as `metasim eval --out` writes them")
    for name, results in named:
        found = sorted({e.policy for e in results.episodes})
        if len(found) != 1:
            raise NotComparable(f"{name} holds {len(found)} policies, {found}; choose one with --policy")
    return tuple(Side(name=name, results=results) for name, results in named)


def matched(first: Side, second: Side, *, unpaired: bool = False, despite: Collection[str] = ()) -> Matched:
    """Return the episodes of two sides that belong together.

    Args:
        first: One side.
        second: The other.
        unpaired: Take the episodes of both as independent samples, for example of other seeds.
        despite: Names of ``DESPITE``: what may differ, and is then said in the notes.

    Raises:
        NotComparable: Something differs that may not; the sentence says what, and what allows it.
        InvalidConfig: There is no such thing to allow.
    """
    for word in despite:
        if word not in DESPITE:
            raise InvalidConfig(f"nothing named {word!r} can be let differ; {nearest(word, DESPITE)}")
    notes: list[str] = []
    for kind, difference in _differences(first, second):
        _allow(kind, difference, despite, notes)
    ours, theirs = _by_cell(first, second, notes)
    cells = _common_cells(first, second, ours, theirs, despite, notes)
    if unpaired:
        notes.append("The episodes of the two are taken as independent samples.")
        return Matched(
            cells=tuple((cell, tuple(ours[cell].values()), tuple(theirs[cell].values())) for cell in cells),
            paired=False,
            notes=tuple(notes),
        )
    pairs = tuple(_paired(cell, first.name, second.name, ours[cell], theirs[cell], despite, notes) for cell in cells)
    return Matched(cells=pairs, paired=True, notes=tuple(dict.fromkeys(notes)))


def _only(name: str, results: Results, policy: str, backend: str) -> Results:
    for word, kind in ((policy, "policy"), (backend, "backend")):
        found = sorted({getattr(e, kind) for e in results.episodes})
        if word and word not in found:
            raise InvalidConfig(f"{name} holds no episode of {kind} {word!r}; {nearest(word, found)}")
    return results.only(policy=policy, backend=backend)


def _within(name: str, results: Results) -> tuple[Side, ...]:
    for kind in ("policy", "backend"):
        found = sorted({getattr(e, kind) for e in results.episodes})
        if len(found) > 1:
            return tuple(Side(name=word, results=results.only(**{kind: word})) for word in found)
    raise NotComparable(f"{name} holds one policy in one engine; name a second file to compare it with")


def _differences(first: Side, second: Side) -> Iterator[tuple[str, str]]:
    """Yield, of protocols and configurations, each kind of difference with a clause about it."""
    for name in ("protocol", *PROTOCOL_FIELDS):
        ours, theirs = getattr(first.results, name), getattr(second.results, name)
        if ours != theirs:
            yield "protocol", f"{name.replace('_', ' ')} is {ours!r} in {first.name} and {theirs!r} in {second.name}"
    ours, theirs = thaw(first.results.config), thaw(second.results.config)
    old, new = (tree.get("versions") if isinstance(tree.get("versions"), dict) else {} for tree in (ours, theirs))
    for name in sorted({*old} & {*new}):
        if old[name] != new[name]:
            yield "versions", f"{name} is {old[name]} in {first.name} and {new[name]} in {second.name}"
    for name in sorted({*ours, *theirs} - {*UNITED, "versions"}):
        a, b = ours.get(name), theirs.get(name)
        a, b = _shared(a, b)
        if json.dumps(a, sort_keys=True) != json.dumps(b, sort_keys=True):
            yield "settings", f"{name} is {a!r} in {first.name} and {b!r} in {second.name}"


def _shared(ours: Any, theirs: Any) -> tuple[Any, Any]:
    """Return of two trees what both speak of, such as the horizon, task by task."""
    if not (isinstance(ours, dict) and isinstance(theirs, dict)):
        return ours, theirs
    pairs = {key: _shared(ours[key], theirs[key]) for key in sorted({*ours} & {*theirs})}
    return {key: pair[0] for key, pair in pairs.items()}, {key: pair[1] for key, pair in pairs.items()}


def _allow(kind: str, difference: str, despite: Collection[str], notes: list[str]) -> None:
    if kind not in despite:
        raise NotComparable(f"not compared: {difference}. --despite {kind} compares all the same, and says so")
    notes.append(f"Compared although {difference}.")


Episodes = dict[Cell, dict[tuple[int, int], EpisodeResult]]


def _by_cell(first: Side, second: Side, notes: list[str]) -> tuple[Episodes, Episodes]:
    across = first.backends != second.backends
    if across and max(len(first.backends), len(second.backends)) > 1:
        raise NotComparable(
            f"not compared: {first.name} was run in {list(first.backends)} and {second.name} in"
            f" {list(second.backends)}; choose one engine with --backend"
        )
    if across:
        notes.append(f"{first.name} was run in {first.backends[0]}, {second.name} in {second.backends[0]}.")
    found: list[Episodes] = []
    for side in (first, second):
        cells: Episodes = defaultdict(dict)
        for e in side.results.episodes:
            cell = Cell(task=e.task, backend="" if across else e.backend, condition=e.condition)
            cells[cell][e.seed, e.episode] = e
        found.append(dict(cells))
    return found[0], found[1]


def _common_cells(
    first: Side, second: Side, ours: Episodes, theirs: Episodes, despite: Collection[str], notes: list[str]
) -> list[Cell]:
    for here, there, has, lacks in ((ours, theirs, first, second), (theirs, ours, second, first)):
        alone = sorted({*here} - {*there}, key=lambda cell: cell.order)
        if alone:
            named = ", ".join(
                f"{c.task} ({c.condition.label})" if c.condition != Condition() else c.task for c in alone
            )
            _allow("tasks", f"{has.name} has {named}, and {lacks.name} has not", despite, notes)
    common = sorted({*ours} & {*theirs}, key=lambda cell: cell.order)
    if not common:
        raise NotComparable(f"not compared: {first.name} and {second.name} have no task and condition in common")
    return common


def _paired(
    cell: Cell,
    name: str,
    other: str,
    ours: dict[tuple[int, int], EpisodeResult],
    theirs: dict[tuple[int, int], EpisodeResult],
    despite: Collection[str],
    notes: list[str],
) -> tuple[Cell, tuple[EpisodeResult, ...], tuple[EpisodeResult, ...]]:
    common = sorted({*ours} & {*theirs})
    seeds, others = (sorted({seed for seed, _ in found}) for found in (ours, theirs))
    advice = "--unpaired compares them as independent samples, and says so"
    if not common:
        what = f"seeds {seeds} in {name} and {others} in {other}" if seeds != others else "no episode in common"
        raise NotComparable(f"not compared: {cell.task} has {what}, so that no start is the same; {advice}")
    if len(common) < max(len(ours), len(theirs)):
        difference = f"{name} and {other} have {len(ours)} and {len(theirs)} episodes of {cell.task}"
        if "episodes" not in despite:
            raise NotComparable(
                f"not compared: {difference}, and only {len(common)} of them are the same. --despite episodes takes"
                f" those alone; {advice}"
            )
        notes.append(f"Compared on the {len(common)} episodes that both have, although {difference}.")
    for key in common:
        if ours[key].variation != theirs[key].variation:
            raise NotComparable(
                f"not compared: episode {described(ours[key])} has another variation in {name} than in {other}, so"
                f" that it is not the same episode; {advice}"
            )
    return cell, tuple(ours[key] for key in common), tuple(theirs[key] for key in common)
