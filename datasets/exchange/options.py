"""What may be said about a conversion, and what comes of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from metasim.core.errors import InvalidConfig

OBSERVATIONS = ("flat", "named")
SEEN = ("before", "after")
_ID = re.compile(r"[\w.-]+(/[\w.-]+)*")


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """How a dataset of ours is written for another project; not every format takes every option.

    Args:
        task: Task whose episodes are written; None for all.
        name: What the result is called: Minari's dataset, LeRobot's repository.
        observations: ``"flat"``: one vector; ``"named"``: one entry for each name. None: flat if there are no pictures.
        state: Names of the observations that are the robot's own, joined to ``observation.state``; none for the
            first.
        fps: Steps per second, where the control rate is unknown or no whole number.
        python: An interpreter that has what the format needs.

    Raises:
        InvalidConfig: For a value that cannot work.
    """

    task: str | None = None
    name: str | None = None
    observations: str | None = None
    state: tuple[str, ...] = ()
    fps: int | None = None
    python: Path | None = None

    def __post_init__(self) -> None:
        """Check each value."""
        _one_of("observations", self.observations, OBSERVATIONS)
        if self.fps is not None and self.fps < 1:
            raise InvalidConfig(f"fps must be at least 1, got {self.fps}")
        if self.name is not None and not _ID.fullmatch(self.name):
            raise InvalidConfig(f"name must be of letters, digits, '-', '_', '.' and '/', got {self.name!r}")


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """How a dataset of another project is read.

    Args:
        task: Task id of the episodes; None for the layout's name and what the file calls its environment.
        instruction: What to do, in words; None for what the file says.
        policy: Label of who acted, which tells recordings of one task apart when they are merged.
        scale_actions: Divide each column of the actions by its largest magnitude in the file, if that exceeds 1.
        successful: Every demo succeeded at its last step, though the file does not say so.
        seen: Whether row t of the observations was seen ``"before"`` or ``"after"`` action t; None for what is known
            of the layout.
        control_hz: Actions per second; None for what the file says.
        leave_out: Observations, or other entries of the demos, that are not to be taken.

    Raises:
        InvalidConfig: For a value that cannot work.
    """

    task: str | None = None
    instruction: str | None = None
    policy: str = "unknown"
    scale_actions: bool = False
    successful: bool = False
    seen: str | None = None
    control_hz: float | None = None
    leave_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check each value."""
        _one_of("seen", self.seen, SEEN)
        if self.control_hz is not None and not 0 < self.control_hz < float("inf"):
            raise InvalidConfig(f"control_hz must be a positive number, got {self.control_hz}")
        if self.task is not None and (not _ID.fullmatch(self.task) or ".." in self.task):
            raise InvalidConfig(f"task must be an id such as 'suite/name', got {self.task!r}")


@dataclass(frozen=True, kw_only=True)
class Converted:
    """What came of a conversion.

    Attributes:
        paths: What was written.
        episodes: Number of episodes.
        steps: Their steps.
        notes: What was decided on the way, a sentence each.
    """

    paths: tuple[Path, ...]
    episodes: int
    steps: int
    notes: tuple[str, ...] = ()


def given(options: ExportOptions | ImportOptions) -> dict[str, Any]:
    """Return the options that differ from what they are by default."""
    return {f.name: getattr(options, f.name) for f in fields(options) if getattr(options, f.name) != f.default}


def _one_of(name: str, value: str | None, valid: tuple[str, ...]) -> None:
    if value is not None and value not in valid:
        raise InvalidConfig(f"{name} must be one of {list(valid)}, got {value!r}")
