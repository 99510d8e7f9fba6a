"""One evaluated episode: what was run, under which condition, and how it went."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from metasim.benchmarks.checking import InvalidResults, check_fields, freeze, is_count, is_number, is_text, thaw
from metasim.benchmarks.condition import Condition

Key = tuple[str, str, str, str, str, str, int, int]  # task, backend, policy, level, factor, value, seed, episode
_TEXT = (is_text, "a non-empty string")
_COUNT = (is_count, "an integer of 0 or more")
_BOOL = (lambda v: isinstance(v, bool), "true or false")
_WORD = (lambda v: isinstance(v, str), "a string")
EPISODE_FIELDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "task": _TEXT,
    "backend": _TEXT,
    "policy": _TEXT,
    "seed": _COUNT,
    "episode": _COUNT,
    "success_any": _BOOL,
    "success_last": _BOOL,
    "first_success_step": (lambda v: v is None or is_count(v), "an integer of 0 or more, or null"),
    "episode_return": (is_number, "a finite number"),
    "length": _COUNT,
    "error": (lambda v: v is None or is_text(v), "a non-empty string, or null"),
}
CELL_FIELDS: Mapping[str, tuple[Callable[[object], bool], str]] = {  # since schema 2; left out where they say nothing
    "level": _WORD,
    "factor": _WORD,
    "value": (
        lambda v: v is None or isinstance(v, bool) or is_text(v) or is_number(v),
        "a number, string, true, false or null",
    ),
    "variation": (lambda v: isinstance(v, Mapping), "an object"),
}


@dataclass(frozen=True, kw_only=True)
class EpisodeResult:
    """One evaluated episode.

    Args:
        task: Task id, for example ``"metaworld/reach-v3"``.
        backend: Engine name.
        policy: Policy name.
        seed: Root seed of the episode.
        episode: Index of the episode under that seed.
        success_any: Whether the task was solved at any step.
        success_last: Whether it was solved at the last step.
        first_success_step: Steps taken when it was first solved (0: at reset), or ``None``.
        episode_return: Sum of rewards.
        length: Steps taken.
        error: What the engine reported when it gave the episode up; such an episode is not solved at the last
            step.
        level: Level of the protocol, such as ``"L1"``; ``"control"`` where nothing is varied; empty without levels.
        factor: The one factor that is varied; empty for none.
        value: What that factor is set to: a number, a word, true or false; ``None`` where it is sampled.
        variation: All that was sampled for the episode, as plain JSON values.

    Raises:
        InvalidResults: A field has the wrong type, or two fields contradict each other.
    """

    task: str
    backend: str
    policy: str
    seed: int
    episode: int
    success_any: bool
    success_last: bool
    first_success_step: int | None
    episode_return: float
    length: int
    error: str | None = None
    level: str = ""
    factor: str = ""
    value: float | int | bool | str | None = None
    variation: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        known = {**EPISODE_FIELDS, **CELL_FIELDS}
        check_fields({name: getattr(self, name) for name in known}, known, "EpisodeResult")
        object.__setattr__(self, "episode_return", float(self.episode_return) + 0.0)  # -0.0 becomes 0.0
        object.__setattr__(self, "variation", freeze(self.variation, "EpisodeResult.variation"))
        problem = _contradiction(self)
        if problem:
            raise InvalidResults(f"EpisodeResult: {problem}")

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by content: a read-only mapping does not pickle."""
        return (partial(EpisodeResult, **row_of(self)), ())

    @property
    def condition(self) -> Condition:
        """Level, factor and value."""
        return Condition(level=self.level, factor=self.factor, value=self.value)

    @property
    def key(self) -> Key:
        """What names the episode: (task, backend, policy, level, factor, value as JSON, seed, episode)."""
        value = "" if self.value is None else json.dumps(self.value)
        return (self.task, self.backend, self.policy, self.level, self.factor, value, self.seed, self.episode)


def _contradiction(e: EpisodeResult) -> str:
    if e.success_last and not e.success_any:
        return "success_last is true while success_any is false; the last step is a step too"
    if e.success_any != (e.first_success_step is not None):
        return f"success_any is {e.success_any} while first_success_step is {e.first_success_step}"
    if e.first_success_step is not None and e.first_success_step > e.length:
        return f"first_success_step {e.first_success_step} lies beyond length {e.length}"
    if e.error is not None and e.success_last:
        return f"success_last is true while error is {e.error!r}; a broken-off episode has no last step to judge"
    if e.value is not None and not e.factor:
        return f"value is {e.value!r} while factor is empty; say which factor has that value"
    return ""


def row_of(e: EpisodeResult) -> dict[str, Any]:
    """Return an episode as plain JSON data, without cell fields that say nothing."""
    cell = {n: getattr(e, n) for n in ("level", "factor", "value") if getattr(e, n) not in ("", None)}
    variation = {"variation": thaw(e.variation)} if e.variation else {}
    return {**{n: getattr(e, n) for n in EPISODE_FIELDS}, **cell, **variation}


def described(e: EpisodeResult) -> str:
    """Return what names an episode, in words."""
    where = "" if e.condition == Condition() else f"{e.condition.label} / "
    return f"{e.task} / {e.backend} / {e.policy} / {where}seed {e.seed} / episode {e.episode}"
