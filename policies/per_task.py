"""Worlds of several tasks, each with the policy of its own task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metasim.core.errors import InvalidConfig
from metasim.core.policy import POLICIES, Policy
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS

Array = Any


class PerTask:
    """One registered policy for every task of an environment.

    Args:
        name: Name of the policy, for example ``"expert"``.
        tasks: Each world's task id, as ``env.tasks`` says.
        columns: How many leading numbers of an observation the policies look at; None for all. Experts want the task's
            own observation, without what a wrapper appended.

    Raises:
        UnknownName: For an unknown policy or task.
        InvalidConfig: If the policy cannot run a task.
    """

    def __init__(self, name: str, tasks: Sequence[str], columns: int | None = None) -> None:
        if not tasks:
            raise InvalidConfig("tasks must name each world's task, got none")
        ids = np.array(tasks)
        self._columns = slice(columns)
        self._worlds: list[tuple[Policy, Array]] = []
        for task in dict.fromkeys(tasks):
            rows = np.flatnonzero(ids == task)
            self._worlds.append((POLICIES[name](TASKS[task], len(rows)), rows))

    def reset(self, rows: Array, seeds: Sequence[EpisodeSeed]) -> None:
        """Begin episodes in worlds ``rows`` ``(n,)``."""
        rows = np.asarray(rows)
        for policy, mine in self._worlds:
            picked = np.flatnonzero(np.isin(rows, mine)).tolist()
            if picked:
                policy.reset(np.searchsorted(mine, rows[picked]), [seeds[i] for i in picked])

    def act(self, observation: Array) -> Array:
        """Return actions ``(N, A)``."""
        seen = observation[:, self._columns]
        parts = [(mine, policy.act(seen[mine])) for policy, mine in self._worlds]
        action = np.zeros((len(observation), parts[0][1].shape[1]), np.float32)
        for mine, part in parts:
            action[mine] = part
        return action
