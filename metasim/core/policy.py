"""What acts in an environment: batched, a pure function of observations and its own memory."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from metasim.core.registry import Registry

Array = Any


@runtime_checkable
class Policy(Protocol):
    """A policy over N worlds.

    ``reset`` is told which rows begin a new episode and the seeds of those episodes, so that a random policy draws from
    the episode's own stream; ``act`` maps observations ``(N, D)`` to actions ``(N, A)`` in [-1, 1], float32.
    """

    def reset(self, rows: Array, seeds: Any) -> None:
        """Begin new episodes in ``rows`` ``(n,)``; ``seeds`` is one ``EpisodeSeed`` per row."""

    def act(self, observation: Array) -> Array:
        """Return actions ``(N, A)``."""


POLICIES: Registry[Any] = Registry("policy", group="metasim.policies")
"""Name to factory ``(task, num_worlds) -> Policy``."""
POLICIES.register("expert", "metasim.policies.scripted:Expert")
POLICIES.register("noisy-expert", "metasim.policies.scripted:NoisyExpert")
POLICIES.register("random", "metasim.policies.scripted:Random")
POLICIES.register("zero", "metasim.policies.scripted:Zero")
