"""Goals of a protocol: the same ones in evaluations, collections and verifications, instead of what a seed draws."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from metasim.core.protocol import PROTOCOLS, protocol_goals
from metasim.core.seeding import EpisodeSeed

Array = Any


def check_goals(protocol: str, tasks: tuple[str, ...], seed: int) -> None:
    """Refuse what cannot work; no protocol is always right.

    Raises:
        UnknownName: If there is no such protocol, or it has not all of the tasks.
        InvalidConfig: If the protocol needs to be told more than a task.
    """
    if protocol:
        protocol_goals(protocol, tasks, seed)


def goal_overrides(protocol: str, seeds: Sequence[EpisodeSeed]) -> dict[str, Array] | None:
    """Return factor to goals ``(n, K)`` of some episodes of one task and root seed; None without a protocol.

    Episode i has goal i modulo their number.
    """
    if not protocol or not seeds:
        return None
    factor, goals = _goals(protocol, seeds[0].task, seeds[0].root)
    return {factor: goals[[seed.episode % len(goals) for seed in seeds]]}


def goal_count(protocol: str, task: str, seed: int) -> int:
    """Return how many goals a task has in a protocol, for a root seed."""
    return len(_goals(protocol, task, seed)[1])


def same_start(protocol: str, seed: EpisodeSeed, drawn: dict[str, Array], recorded: dict[str, Array]) -> bool:
    """Tell whether an episode recorded what it must have: what its seed draws, and its protocol's goal.

    Of a protocol that is not installed, one factor may be anything: its goal.
    """
    if set(drawn) != set(recorded):
        return False
    if protocol and protocol not in PROTOCOLS:
        return sum(np.asarray(drawn[k]).tobytes() != np.asarray(recorded[k]).tobytes() for k in drawn) <= 1
    goal = {name: value[0] for name, value in (goal_overrides(protocol, [seed]) or {}).items()}
    expected = {**drawn, **goal}
    return all(np.asarray(expected[k]).tobytes() == np.asarray(recorded[k]).tobytes() for k in expected)


@lru_cache(maxsize=256)
def _goals(protocol: str, task: str, seed: int) -> tuple[str, Array]:
    known = PROTOCOLS[protocol]
    factor, goals = _benchmark(protocol, (task,) if known.choices or task not in known.tasks else known.tasks, seed)
    return factor, goals[task]


@lru_cache(maxsize=8)
def _benchmark(protocol: str, tasks: tuple[str, ...], seed: int) -> tuple[str, dict[str, Array]]:
    return protocol_goals(protocol, tasks, seed)
