"""A frozen protocol: every start and every variation of every episode, in one file with a digest of each cell.

Runs take starts and variations from here and never from a library's random numbers, which may change between its
versions; what they draw while they run is the noise of actions, whose strength is from here.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import lzma
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metasim.benchmarks.condition import Condition
from metasim.benchmarks.generalization.table import TABLES, Arm
from metasim.core.errors import InvalidConfig, MetasimError, UnknownName

Array = Any
Json = Any
SCHEMA = "metasim.protocol/1"
SUFFIX = ".json.xz"
DIGITS = 9


class InvalidProtocol(MetasimError, ValueError):
    """A file that is no frozen protocol, or is damaged."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One task under one condition.

    Attributes:
        task: Task id.
        arm: The condition.
        sha256: Digest of everything that its episodes are drawn to be.
        refused: Engine to the reason why it does not apply there.
    """

    task: str
    arm: Arm
    sha256: str
    refused: Mapping[str, str]

    @property
    def label(self) -> str:
        """The condition in a word."""
        return self.arm.condition.label


class Frozen:
    """A frozen protocol in memory.

    Args:
        tree: What its file holds.

    Attributes:
        name: Its name.
        version: Its version.
        seed: Root seed of its episodes.
        episodes: Episodes in a cell.
        engines: For which it says what applies.
        sha256: Digest of all of it.
        cells: Task by task, conditions in order.

    Raises:
        InvalidProtocol: If a digest is not that of what stands there.
    """

    def __init__(self, tree: Mapping[str, Any]) -> None:
        try:
            self.name, self.version = str(tree["protocol"]), str(tree["version"])
            self.seed, self.episodes = int(tree["seed"]), int(tree["episodes"])
            self.engines, self.sha256 = tuple(tree["engines"]), str(tree["sha256"])
            self.drawn_with: Mapping[str, str] = tree["drawn_with"]
            self._tasks: Mapping[str, Any] = tree["tasks"]
            arms = {arm.condition.label: arm for arm in map(_arm, tree["conditions"])}
            self.arms = tuple(arms.values())
            self.cells = tuple(
                Cell(task=c["task"], arm=arms[c["condition"]], sha256=c["sha256"], refused=c["refused"])
                for c in tree["cells"]
            )
            for cell in self.cells:
                if cell.sha256 != self.digest(cell.task, cell.arm):
                    raise InvalidProtocol(f"the cell {cell.task}, {cell.label} is not what its digest says")
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, InvalidProtocol):
                raise
            raise InvalidProtocol(f"not a frozen protocol: {type(error).__name__}: {error}") from error
        if self.sha256 != digest({key: value for key, value in tree.items() if key != "sha256"}):
            raise InvalidProtocol("the protocol is not what its digest says")

    @property
    def tasks(self) -> tuple[str, ...]:
        """Task ids, in order."""
        return tuple(dict.fromkeys(cell.task for cell in self.cells))

    def horizon(self, task: str) -> int:
        """Return how many steps an episode of a task has."""
        return int(self._tasks[task]["horizon"])

    def goals(self, task: str) -> str:
        """Return the protocol whose goals the task's episodes have; empty for none."""
        return str(self._tasks[task]["goals"])

    def factors(self, task: str) -> tuple[str, ...]:
        """Return the names of what a task draws for an episode."""
        return tuple(next(iter(self._tasks[task]["samples"].values()), ()))

    def samples(self, task: str, split: str, indices: Sequence[int]) -> dict[str, Array]:
        """Return what the task's factors are in some episodes: name to ``(n, K)``."""
        found = self._tasks[task]["samples"][split]
        return {name: np.array([values[i] for i in indices], float) for name, values in found.items()}

    def variation(self, cell: Cell, index: int) -> dict[str, Json]:
        """Return what the axes of a cell are in an episode: name to value."""
        values = self._tasks[cell.task]["values"][cell.arm.split]
        return {axis: values[axis][index] for axis in cell.arm.axes}

    def digest(self, task: str, arm: Arm) -> str:
        """Return the digest of a cell: of its names, starts and variations; axes that no engine takes have none."""
        held = self._tasks[task]
        values = held["values"].get(arm.split, {})
        return digest(
            {
                "protocol": [self.name, self.version, self.seed, self.episodes],
                "task": [task, held["horizon"], held["goals"]],
                "condition": arm_json(arm),
                "samples": held["samples"].get(arm.split),
                "values": {axis: values.get(axis) for axis in arm.axes},
            }
        )


def load(name: str | Path) -> Frozen:
    """Return a protocol by the name it comes with, or by the path of a file.

    Raises:
        UnknownName: If there is none of that name.
        InvalidProtocol: If the file is damaged, or something else.
    """
    if str(name) in TABLES:
        inside = importlib.resources.files("metasim.benchmarks.generalization").joinpath(f"{name}{SUFFIX}")
        return parse(inside.read_bytes(), str(name))
    path = Path(name)
    if not path.is_file():
        raise UnknownName("protocol", str(name), TABLES, hint="(or the path of a file that `freeze` wrote)")
    return parse(path.read_bytes(), str(path))


def parse(data: bytes, where: str = "protocol") -> Frozen:
    """Read a protocol from a file's bytes; ``where`` begins every error message."""
    try:
        tree = json.loads(lzma.decompress(data, format=lzma.FORMAT_XZ))
        if not isinstance(tree, dict) or tree.get("schema") != SCHEMA:
            raise InvalidProtocol(f"expected the schema {SCHEMA!r}")
        return Frozen(tree)
    except (lzma.LZMAError, EOFError, ValueError) as error:
        raise InvalidProtocol(f"{where}: {error}; install metasim again, or freeze it again") from error


def pack(tree: Mapping[str, Any]) -> bytes:
    """Return the file of a protocol, whose digest is added; equal protocols, equal bytes."""
    whole = {**tree, "sha256": digest(tree)}
    return lzma.compress(
        canonical(whole), format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC64, preset=9 | lzma.PRESET_EXTREME
    )


def canonical(value: Json) -> bytes:
    """Return JSON with sorted keys and without spaces."""
    return json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":")).encode("ascii")


def digest(value: Json) -> str:
    """Return the SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical(value)).hexdigest()


def rounded(value: Any) -> Json:
    """Return plain JSON with floats of nine significant digits; arrays and tuples become lists.

    Raises:
        InvalidConfig: For what JSON cannot hold.
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") + 0.0
    if isinstance(value, Mapping):
        return {str(key): rounded(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(inner) for inner in value]
    raise InvalidConfig(f"a drawn value must be plain JSON data, got {type(value).__name__} {value!r}")


def arm_json(arm: Arm) -> dict[str, Json]:
    """Return a condition as JSON."""
    c = arm.condition
    return {"level": c.level, "factor": c.factor, "split": arm.split, "axes": list(arm.axes)}


def _arm(tree: Mapping[str, Any]) -> Arm:
    condition = Condition(level=tree["level"], factor=tree["factor"])
    return Arm(condition=condition, split=tree["split"], axes=tuple(tree["axes"]))
