"""Whether a policy fits a task: tried before the first episode, with both specifications in the refusal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from metasim.core.errors import EngineFailure, InvalidConfig, MetasimError, MissingDependency
from metasim.core.policy import POLICIES
from metasim.core.seeding import EpisodeSeed
from metasim.envs import Episodes

Array = Any


def check_fit(policy: str, task: str, backend: str, rows: int) -> bool:
    """Let a policy act once in a task; return whether it wants to be shown pictures.

    Args:
        policy: Its name.
        task: Task id.
        backend: Engine.
        rows: Worlds that it will see together.

    Raises:
        InvalidConfig: If it cannot, with what the task gives and takes, and what the policy said.
    """
    episodes = Episodes(task, backend, 1)
    try:
        seed = EpisodeSeed(root=0, task=task, episode=0)
        named = episodes.example(seed)
        observation = np.repeat(np.concatenate([*named.values()], axis=1), rows, axis=0)
        gives = specification(named, episodes.action_size, episodes.cameras)
        sample = {name: np.repeat(value, rows, axis=0) for name, value in episodes.draw([seed]).items()}
        try:
            made = POLICIES[policy](episodes.task, rows)
            try:
                return _tried(made, observation, sample, [seed] * rows, episodes)
            finally:
                close(made)
        except _Unfit as error:
            raise InvalidConfig(f"policy {policy} does not fit {task}: {error}. {gives}") from None
        except (EngineFailure, MissingDependency):
            raise
        except MetasimError as error:
            raise InvalidConfig(f"{str(error).removesuffix('.')}. {gives}") from error
        except Exception as error:  # whatever a stranger's policy says to an observation of another size
            raise InvalidConfig(
                f"policy {policy} does not fit {task}: given observations {observation.shape}, it said"
                f" {type(error).__name__}: {error}. {gives}"
            ) from error
    finally:
        episodes.close()


def specification(observation: Mapping[str, Array], action_size: int, cameras: tuple[str, ...]) -> str:
    """Return a sentence on what a task gives and takes."""
    parts = ", ".join(f"{name} {value.shape[1]}" for name, value in observation.items())
    size = sum(value.shape[1] for value in observation.values())
    seen = f", and pictures of {', '.join(cameras)}" if cameras else ""
    return f"The task gives observations (N, {size}): {parts}{seen}; it takes actions (N, {action_size}) in [-1, 1]"


def close(policy: Any) -> None:
    """Let go of what a policy holds, such as a connection, if it holds anything."""
    end = getattr(policy, "close", None)
    if callable(end):
        end()


class _Unfit(Exception):
    """Why a policy does not fit."""


def _tried(policy: Any, observation: Array, sample: Mapping[str, Array], seeds: Any, episodes: Episodes) -> bool:
    rows = len(observation)
    policy.reset(np.arange(rows), seeds)
    if getattr(policy, "shown", ()):
        policy.show(np.arange(rows), sample)
    cameras: Mapping[str, tuple[int, int]] = getattr(policy, "cameras", None) or {}
    strange = [name for name in cameras if name not in episodes.cameras]
    if strange:
        raise _Unfit(f"it is to be shown pictures of camera {strange[0]!r}")
    if cameras:
        policy.look({name: np.zeros((rows, *size, 3), np.uint8) for name, size in cameras.items()})
    action = np.asarray(policy.act(observation))
    if action.shape != (rows, episodes.action_size):
        raise _Unfit(f"its actions are {action.shape} instead of {(rows, episodes.action_size)}")
    return bool(cameras)
