"""Hyperparameters: one class per algorithm, one table per algorithm with a row for each suite of tasks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

from metasim.core.errors import InvalidConfig, UnknownName

_ACTIVATIONS = ("tanh", "relu")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What both algorithms have.

    Args:
        num_envs: Worlds, unless the run says otherwise.
        learning_rate: Of Adam, for all networks.
        batch_size: Samples per gradient step.
        gamma: Discount.
        hidden: Units of the hidden layers of actor and critics.
        activation: Between them, ``"tanh"`` or ``"relu"``.
        normalize_observation: Whether observations are divided by their running deviation.
        normalize_reward: Whether rewards are divided by the running deviation of the return.

    Raises:
        InvalidConfig: For a value that cannot work.
    """

    num_envs: int = 16
    learning_rate: float = 3e-4
    batch_size: int = 256
    gamma: float = 0.99
    hidden: tuple[int, ...] = (64, 64)
    activation: str = "tanh"
    normalize_observation: bool = False
    normalize_reward: bool = False

    def __post_init__(self) -> None:
        """Check values by their type: counts, shares and positive numbers."""
        object.__setattr__(self, "hidden", tuple(self.hidden))
        for field in fields(self):
            value, kind = getattr(self, field.name), str(field.type)
            if kind == "int":
                good, wanted = _is_count(value), "a whole number of 1 or more"
            elif kind == "float":
                good, wanted = _is_number(value) and value >= 0, "a number of 0 or more"
            elif kind == "bool":
                good, wanted = isinstance(value, bool), "true or false"
            elif kind == "str":
                good, wanted = value in _ACTIVATIONS, f"one of {list(_ACTIVATIONS)}"
            else:
                good, wanted = bool(value) and all(map(_is_count, value)), "whole numbers of 1 or more"
            if not good:
                raise InvalidConfig(f"{field.name} must be {wanted}, got {value!r}")
        for name in ("gamma", "gae_lambda", "tau"):
            if getattr(self, name, 0) > 1:
                raise InvalidConfig(f"{name} must be at most 1, got {getattr(self, name)!r}")


@dataclass(frozen=True, kw_only=True)
class PPOSettings(Settings):
    """Proximal policy optimisation.

    Args:
        rollout: Environment steps, all worlds together, between updates; a multiple of worlds and of ``batch_size``.
        epochs: Passes over a rollout.
        gae_lambda: Trade-off of the advantage estimate.
        clip_range: Largest change of an action's probability ratio.
        entropy: Weight of the entropy bonus.
        value: Weight of the value loss.
        max_grad_norm: Largest norm of a gradient.
    """

    rollout: int = 2048
    epochs: int = 10
    gae_lambda: float = 0.95
    clip_range: float = 0.2
    entropy: float = 0.0
    value: float = 0.5
    max_grad_norm: float = 0.5
    normalize_observation: bool = True
    normalize_reward: bool = True

    def check_worlds(self, num_envs: int) -> None:
        """Refuse a number of worlds that a rollout cannot be shared out among."""
        for name, divisor in (("num_envs", num_envs), ("batch_size", self.batch_size)):
            if self.rollout % divisor:
                near = max(1, round(self.rollout / divisor)) * divisor
                raise InvalidConfig(
                    f"rollout {self.rollout} must be a multiple of {name} {divisor}; for example rollout={near}"
                )


@dataclass(frozen=True, kw_only=True)
class SACSettings(Settings):
    """Soft actor-critic, with the temperature learned.

    Args:
        buffer: Steps that are remembered.
        warmup: Steps of random actions before learning begins.
        tau: Share of the critics that their targets take over in an update.
        updates: Gradient steps per environment step of all worlds together, about; 1 is the usual.
    """

    num_envs: int = 4
    hidden: tuple[int, ...] = (256, 256)
    activation: str = "relu"
    buffer: int = 1_000_000
    warmup: int = 1000
    tau: float = 0.005
    updates: float = 1.0

    def check_worlds(self, num_envs: int) -> None:
        """Accept any number of worlds."""


FAMILIES = SACSettings(num_envs=32, hidden=(128, 128), updates=0.5, warmup=5000, normalize_observation=True)
"""For families of tasks: small networks, few updates; one run has half an hour of a CPU for all tasks of a family."""
FAST = ("num_envs", "hidden", "updates", "warmup", "batch_size", "normalize_observation")
"""What makes these fast, for families whose task has another suite's row."""
DEFAULT = ""
"""The row of suites that have none of their own."""
TABLES: Mapping[str, Mapping[str, Settings]] = MappingProxyType(
    {
        "ppo": {
            DEFAULT: PPOSettings(),
            "classic": PPOSettings(),
            "meta_rl": PPOSettings(),
            "metaworld": PPOSettings(rollout=8192, batch_size=512, hidden=(256, 256)),
        },
        "sac": {
            DEFAULT: SACSettings(),
            "classic": SACSettings(),
            "meta_rl": FAMILIES,
            "meta_rl/point-robot-v0": replace(FAMILIES, hidden=(64, 64), gamma=0.9, learning_rate=1e-3),
            "metaworld": SACSettings(batch_size=512, hidden=(400, 400, 400), warmup=5000),
        },
    }
)


def settings_of(algorithm: str, task: str, changes: Mapping[str, Any] | None = None) -> Settings:
    """Return the hyperparameters of an algorithm for a task, else its suite, with some changed.

    Raises:
        UnknownName: For an unknown algorithm or hyperparameter.
        InvalidConfig: For a value that cannot work.
    """
    if algorithm not in TABLES:
        raise UnknownName("algorithm", algorithm, TABLES)
    table = TABLES[algorithm]
    row = table.get(task, table.get(task.partition("/")[0], table[DEFAULT]))
    valid = [field.name for field in fields(row)]
    for name in changes or {}:
        if name not in valid:
            raise UnknownName(f"hyperparameter of {algorithm}", name, valid)
    return replace(row, **dict(changes or {}))


def parse_changes(words: Iterable[str]) -> dict[str, Any]:
    """Return ``NAME=VALUE`` words as a mapping; values are JSON, and text where they are none.

    Raises:
        InvalidConfig: For a word without ``=``.
    """
    changes: dict[str, Any] = {}
    for word in words:
        name, sign, text = word.partition("=")
        if not (name and sign):
            raise InvalidConfig(f"a hyperparameter is given as NAME=VALUE, for example gamma=0.98; got {word!r}")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        changes[name] = tuple(value) if isinstance(value, list) else value
    return changes
