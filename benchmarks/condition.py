"""Under which condition an episode was run: a level of a protocol, or one value of one varied factor."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

CONTROL = "control"
"""The level at which nothing is varied: the same seeds as everywhere else, and what others are compared with."""
PLAIN = "all episodes"


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What the episodes of a cell have in common besides task, engine and policy.

    Args:
        level: Level of the protocol, such as ``"L1"`` or ``"control"``; empty where there are none.
        factor: The one factor that is varied, such as ``"mass"``; empty for none.
        value: What it is set to: a number, a word, true or false, or ``None`` where it is sampled.
    """

    level: str = ""
    factor: str = ""
    value: float | int | bool | str | None = None

    @property
    def label(self) -> str:
        """A short name: ``"control"``, ``"L1"``, ``"mass = 1.5"``; ``"all episodes"`` where nothing is said."""
        value = "" if self.value is None else f" = {self.word}"
        return " ".join(part for part in (self.level, f"{self.factor}{value}") if part) or PLAIN

    @property
    def word(self) -> str:
        """The value in as few characters as it takes."""
        return f"{self.value:g}" if isinstance(self.value, float) else str(self.value)

    @property
    def text(self) -> str:
        """The value as JSON, which tells 1 from true and "1"."""
        return json.dumps(self.value)

    @property
    def order(self) -> tuple[Any, ...]:
        """What conditions are sorted by: the control first, then levels, then factors with their values ascending."""
        number = isinstance(self.value, (int, float)) and not isinstance(self.value, bool)
        return (
            bool(self.factor),
            self.level != CONTROL,
            self.factor,
            _natural(self.level),
            not number,
            self.value if number else 0.0,
            self.text,
        )


def _natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key under which L2 comes before L10."""
    parts = re.split(r"(\d+)", text)
    return tuple((1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts if part)
