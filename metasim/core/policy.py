"""What acts in an environment: batched, a pure function of observations and its own memory."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from metasim.core.errors import InvalidConfig
from metasim.core.policy_spec import SEPARATOR, Configured, canonical, configured
from metasim.core.registry import Registry

Array = Any


@runtime_checkable
class Policy(Protocol):
    """A policy over N worlds.

    ``reset`` is told which rows begin a new episode and the seeds of those episodes, so that a random policy draws from
    the episode's own stream; ``act`` maps observations ``(N, D)`` to actions ``(N, A)`` in [-1, 1], float32. One that
    comes to an end has ``finished() -> (N,)`` bool as well: after the last action that it has for a world, it is true.
    """

    def reset(self, rows: Array, seeds: Any) -> None:
        """Begin new episodes in ``rows`` ``(n,)``; ``seeds`` is one ``EpisodeSeed`` per row."""

    def act(self, observation: Array) -> Array:
        """Return actions ``(N, A)``."""


class Policies(Registry[Any]):
    """Policies by name, or by ``NAME:key=value,...`` for one with parameters; see ``metasim.core.policy_spec``."""

    def __getitem__(self, name: str) -> Any:
        """Return the factory.

        Raises:
            UnknownName: If nothing has that name.
            InvalidConfig: For parameters that the policy does not take.
        """
        base, colon, text = name.partition(SEPARATOR)
        if not colon or super().__contains__(name):
            return super().__getitem__(name)
        return configured(base, text, super().__getitem__(base))

    def __contains__(self, name: object) -> bool:
        """Tell whether a name is registered, whatever parameters follow it."""
        return super().__contains__(name) or (
            isinstance(name, str) and super().__contains__(name.partition(SEPARATOR)[0])
        )

    def canonical(self, name: str) -> str:
        """Return the spelling under which data and results know a policy; a name without parameters is its own.

        Raises:
            UnknownName: If nothing has that name, but parameters.
            InvalidConfig: For parameters that the policy does not take.
        """
        found = self[name] if SEPARATOR in name else None
        return canonical(name.partition(SEPARATOR)[0], found) if isinstance(found, Configured) else name

    def check_needs(self, name: str, **arguments: Any) -> None:
        """Refuse arguments under which a policy has nothing to do.

        Raises:
            InvalidConfig: If a policy that needs, say, one seed is to run with another.
        """
        for key, wanted in getattr(self[name], "needs", {}).items():
            if arguments[key] != wanted:
                raise InvalidConfig(f"policy {name} needs {key} {wanted!r}, got {arguments[key]!r}")


POLICIES = Policies("policy", group="metasim.policies")
"""Name to factory ``(task, num_worlds) -> Policy``.

A factory may say ``parameters``, which its names then take. One that can run some episodes only, as a replay, says
``episodes``, task to their indices in ascending order, and ``needs``, the seed, split and goals that they had.
"""
POLICIES.register("expert", "metasim.policies.scripted:Expert")
POLICIES.register("noisy-expert", "metasim.policies.noise:NoisyExpert")
POLICIES.register("random-walk", "metasim.policies.noise:RandomWalk")
POLICIES.register("action-repeat", "metasim.policies.noise:ActionRepeat")
POLICIES.register("random", "metasim.policies.scripted:Random")
POLICIES.register("zero", "metasim.policies.scripted:Zero")
NEED_EXPERT = ("expert", "noisy-expert", "random-walk", "action-repeat")
"""Those that only tasks with an expert can have."""
