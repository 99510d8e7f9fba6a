"""What a foreign demo says of rewards, success and its end, and what follows where it says nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from metasim.core.errors import DatasetError
from metasim.datasets.exchange.foreign import Foreign

Array = Any


@dataclass(frozen=True, kw_only=True)
class Labels:
    """One row for each action.

    Attributes:
        rewards: ``(n,)`` float64.
        terminated: ``(n,)`` bool.
        truncated: ``(n,)`` bool.
        success: ``(n,)`` bool, after each action.
    """

    rewards: Array
    terminated: Array
    truncated: Array
    success: Array

    def cut(self, rows: slice) -> Labels:
        """Return the labels of some rows; the last of them takes over what the rows after it had."""
        stop = rows.stop
        rewards, success = self.rewards[rows].copy(), self.success[rows].copy()
        terminated, truncated = self.terminated[rows].copy(), self.truncated[rows].copy()
        rewards[-1] += self.rewards[stop:].sum()
        for kept, whole in ((success, self.success), (terminated, self.terminated), (truncated, self.truncated)):
            kept[-1] |= bool(whole[stop:].any())
        return Labels(rewards=rewards, terminated=terminated, truncated=truncated, success=success)


def label(demo: Foreign, successful: bool, note: Callable[[str], None]) -> Labels:
    """Return the labels of a demo.

    Success: the array of that name; else, if ``successful`` or an attribute ``success`` says so, the last step; else,
    if the rewards are all 0 or 1, where they are 1; else no step. Rewards: those of the file; else 1 where it
    succeeded. The end: ``terminated`` and ``truncated``; else the recording ended, which is a truncation, since
    ``dones`` mean different things in different files.

    Raises:
        DatasetError: If the last row of ``terminated`` and ``truncated`` says that the episode goes on.
    """
    steps, rows = len(demo.actions), demo.rows
    success = _success(demo, successful, note)
    if "rewards" in rows:
        rewards = rows["rewards"].astype(np.float64)
    else:
        note("there are no rewards: 1 is given where a demo succeeded")
        rewards = success.astype(np.float64)
    if "terminated" in rows and "truncated" in rows:
        terminated, truncated = rows["terminated"].astype(bool), rows["truncated"].astype(bool)
        if not (terminated[-1] or truncated[-1]):
            raise DatasetError(f"{demo.where}: the last step is neither terminated nor truncated")
    else:
        terminated, truncated = np.zeros(steps, bool), np.arange(steps) == steps - 1
    return Labels(rewards=rewards, terminated=terminated, truncated=truncated, success=success)


def _success(demo: Foreign, successful: bool, note: Callable[[str], None]) -> Array:
    steps, rows = len(demo.actions), demo.rows
    last = np.arange(steps) == steps - 1
    if "success" in rows:
        return rows["success"].astype(bool)
    told = demo.attributes.get("success")
    if successful or isinstance(told, (bool, int)):
        return last & (successful or bool(told))
    if "rewards" in rows and np.isin(rows["rewards"], (0, 1)).all():
        return rows["rewards"] == 1
    note("nothing says whether a demo succeeded, so none is said to have; if all did, say so (--successful)")
    return np.zeros(steps, bool)
