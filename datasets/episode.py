"""One episode in memory, and the attributes that identify and label it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metasim.core.seeding import EpisodeSeed

Array = Any
Picture = tuple[str, tuple[int, ...], str]
"""Name, shape of one picture such as (height, width, 3), and dtype such as ``"uint8"``."""
Key = tuple[str, int, str, str, int, str, str, str]
"""Task, root seed, split, variation, episode index, goals, backend, policy."""


@dataclass(frozen=True, kw_only=True)
class EpisodeInfo:
    """What stands in the attributes of a demo.

    Attributes:
        num_samples: Steps, T.
        task: Task id.
        instruction: What to do, in words.
        backend: Engine that it was recorded in.
        policy: Name of the policy.
        seed: Root seed.
        split: Ranges of the factors.
        variation: Name of the variation, or what varied, axis to value, as JSON; ``"none"`` for nothing.
        episode: Index of the episode under that seed.
        horizon: Most steps it could have had.
        success: Whether the task was solved at any step.
        success_last: Whether it was solved at the last step.
        first_success_step: Steps taken when it was first solved; -1 for never.
        failure: What the engine reported when it gave the episode up; empty for none.
        model_digest: Hash of the compiled scene.
        goals: Protocol whose goals for the seed the episodes have: episode i has goal i modulo their number. Empty if
            the seed draws the goal.
        sha256: Digest of the episode's arrays and of all other attributes; filled in when it is written.
    """

    num_samples: int
    task: str
    instruction: str
    backend: str
    policy: str
    seed: int
    split: str
    variation: str
    episode: int
    horizon: int
    success: bool
    success_last: bool
    first_success_step: int
    failure: str = ""
    model_digest: str = ""
    goals: str = ""
    sha256: str = ""

    @property
    def key(self) -> Key:
        """What no two episodes of a dataset share."""
        return (
            self.task,
            self.seed,
            self.split,
            self.variation,
            self.episode,
            self.goals,
            self.backend,
            self.policy,
        )

    @property
    def episode_seed(self) -> EpisodeSeed:
        """The seed that its random streams were derived from."""
        return EpisodeSeed(
            root=self.seed,
            task=self.task,
            episode=self.episode,
            split=self.split,
            variation="none" if self.varied else self.variation,
        )

    @property
    def varied(self) -> dict[str, Any] | None:
        """What varied besides the task's factors, axis to value; None for nothing."""
        return json.loads(self.variation) if self.variation.startswith("{") else None


@dataclass(frozen=True, kw_only=True)
class TaskInfo:
    """What all episodes of a task in a dataset share.

    Attributes:
        instruction: What to do, in words.
        action_size: A.
        observation: Name and size of each named observation, in the order of the flat one.
        state_size: Engine to size of its state rows, K.
        control_period_s: Time per action.
        model_digest: Hash of the compiled scene.
        pictures: Pictures in the observation, after the named numbers.
        assets: Mesh or height field of the scene to the hash of its content.
    """

    instruction: str
    action_size: int
    observation: tuple[tuple[str, int], ...]
    state_size: Mapping[str, int]
    control_period_s: float
    model_digest: str
    pictures: tuple[Picture, ...] = ()
    assets: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True, eq=False)
class Episode:
    """T steps of one episode; float64 unless said otherwise.

    Attributes:
        info: Attributes.
        obs: Name to ``(T, D)``: what the policy saw before each action; then pictures ``(T, H, W, ...)``, if any.
        final_obs: Name to ``(1, D)``: what it would have seen next; then pictures ``(1, H, W, ...)``.
        actions: ``(T, A)`` float32 in [-1, 1].
        rewards: ``(T,)``.
        terminated: ``(T,)`` bool: the decision process ended, or the engine failed.
        truncated: ``(T,)`` bool: the horizon, or the end of the recording.
        success: ``(T,)`` bool, after each action.
        states: ``(T + 1, K)`` engine state before each action, and the final one.
        sample: Factor name to the value drawn for this episode.
        source: What an imported file had besides: path to array.
    """

    info: EpisodeInfo
    obs: Mapping[str, Array]
    final_obs: Mapping[str, Array]
    actions: Array
    rewards: Array
    terminated: Array
    truncated: Array
    success: Array
    states: Array
    sample: Mapping[str, Array]
    source: Mapping[str, Array] = field(default_factory=dict[str, Array])

    def __len__(self) -> int:
        """Return the number of steps."""
        return len(self.actions)

    @property
    def dones(self) -> Array:
        """``(T,)`` uint8, 1 in the last row only."""
        dones = np.zeros(len(self.actions), np.uint8)
        dones[-1] = 1
        return dones

    @property
    def observation(self) -> Array:
        """The flat observation ``(T, D)``, without pictures."""
        return flat(self.obs, len(self.actions))

    @property
    def final_observation(self) -> Array:
        """The flat observation after the last action ``(1, D)``."""
        return flat(self.final_obs, 1)


def flat(named: Mapping[str, Array], rows: int) -> Array:
    """Return named numbers ``(rows, D)`` side by side, without pictures; no columns if there is nothing else."""
    return np.concatenate([np.zeros((rows, 0)), *(value for value in named.values() if value.ndim == 2)], axis=1)


def split_columns(flat: Array, layout: tuple[tuple[str, int], ...]) -> dict[str, Array]:
    """Return views of the named columns of a flat observation ``(T, D)``."""
    named, start = {}, 0
    for name, size in layout:
        named[name] = flat[:, start : start + size]
        start += size
    return named
