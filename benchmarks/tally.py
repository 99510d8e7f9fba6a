"""Counts the episodes of a protocol's environment as they end, world by world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from metasim.core.errors import InvalidConfig
from metasim.core.seeding import EpisodeSeed
from metasim.envs.protocol import ProtocolEnv

Array = Any


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one episode of one world went.

    Attributes:
        world: The world.
        success_any: Whether it was solved at any step.
        success_last: Whether it was solved at the last step.
        first_success_step: Steps taken when it was first solved, None for never.
        episode_return: Sum of all rewards.
        return_to_success: Sum of rewards up to the first success, of all if there was none.
        length: Steps.
        error: What the engine reported when it gave the episode up.
    """

    world: int
    success_any: bool
    success_last: bool
    first_success_step: int | None
    episode_return: float
    return_to_success: float
    length: int
    error: str | None


class Tally:
    """Adds up the steps of N worlds; their first episodes begin when it is made.

    Args:
        env: The environment; its rewards may be normalised, which is undone here.
    """

    def __init__(self, env: ProtocolEnv) -> None:
        n = env.num_envs
        self._length, self._first = np.zeros(n, np.int64), np.full(n, -1)
        self._return, self._to_success = np.zeros(n), np.zeros(n)

    def add(
        self, reward: Array, terminated: Array, truncated: Array, info: dict[str, Any]
    ) -> tuple[list[Outcome], Array]:
        """Enter a step; return the episodes that ended with it, and where success was ``(N,)``."""
        success, reward = step_success(info), np.asarray(info.get("raw_reward", reward), float)
        self._length += 1
        self._return += reward
        self._to_success += np.where(self._first < 0, reward, 0.0)
        self._first = np.where(success & (self._first < 0), self._length, self._first)
        ended = np.flatnonzero(np.logical_or(terminated, truncated))
        outcomes = [self._outcome(int(world), bool(success[world]), info) for world in ended]
        for totals in (self._length, self._return, self._to_success):
            totals[ended] = 0
        self._first[ended] = -1
        return outcomes, success

    def _outcome(self, world: int, success: bool, info: dict[str, Any]) -> Outcome:
        failed = bool(info["_failure"][world]) if "failure" in info else False
        first = int(self._first[world])
        return Outcome(
            world=world,
            success_any=first >= 0,
            success_last=success and not failed,
            first_success_step=first if first >= 0 else None,
            episode_return=float(self._return[world]),
            return_to_success=float(self._to_success[world]),
            length=int(self._length[world]),
            error=str(info["failure"][world]) if failed else None,
        )


def step_success(info: dict[str, Any]) -> Array:
    """Return where the step just taken succeeded ``(N,)``, final steps included."""
    success = np.array(info["success"], bool)
    if "final_info" in info:
        final = info["final_info"]
        success |= np.asarray(final["success"], bool) & final["_success"]
    return success


def checked(env: ProtocolEnv) -> None:
    """Refuse an environment that finished episodes cannot be counted in.

    Raises:
        InvalidConfig: If finished worlds do not begin again in the same step.
    """
    if not isinstance(env, ProtocolEnv) or env.metadata["autoreset_mode"] is not AutoresetMode.SAME_STEP:
        raise InvalidConfig(
            "evaluation needs the environment of a protocol, as metasim.make_vec('metaworld/MT10') makes it, with"
            f" autoreset_mode='same_step'; got {env}"
        )


class Numbering:
    """Gives the episodes of each task numbers from 0; world j of a task's m worlds has j, j + m, j + 2 m, ...

    Args:
        env: The environment.
        root: Root seed of the episodes.
    """

    def __init__(self, env: ProtocolEnv, root: int) -> None:
        self._tasks, self._root = env.tasks, root
        self._next = np.array([env.tasks[:i].count(task) for i, task in enumerate(env.tasks)])
        self._stride = np.array([env.tasks.count(task) for task in env.tasks])

    def begin(self, rows: Array) -> list[EpisodeSeed]:
        """Return the next episode's seed of each world in ``rows``."""
        numbers = self._next[rows]
        self._next[rows] += self._stride[rows]
        return [
            EpisodeSeed(root=self._root, task=self._tasks[row], episode=int(number))
            for row, number in zip(rows, numbers, strict=True)
        ]
