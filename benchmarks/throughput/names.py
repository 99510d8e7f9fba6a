"""What the peers call our tasks: a row per suite."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from metasim.core.errors import InvalidConfig, UnknownName

_CLASSIC = {
    "cart-pole": "InvertedPendulum",
    "reacher": "Reacher",
    "half-cheetah": "HalfCheetah",
    "hopper": "Hopper",
    "walker2d": "Walker2d",
    "ant": "Ant",
    "humanoid": "Humanoid",
}


def _same(name: str) -> str:
    return name


def _metaworld_in_envpool(name: str) -> str:
    plain, _, version = name.rpartition("-")
    return f"MetaWorld/{''.join(part.capitalize() for part in plain.split('-'))}-{version}"


def _classic(name: str) -> str:
    plain = name.rpartition("-")[0]
    if plain not in _CLASSIC:
        raise UnknownName("classic task that a peer has", plain, _CLASSIC)
    return f"{_CLASSIC[plain]}-v5"


NAMES: Mapping[str, Mapping[str, Callable[[str], str]]] = {
    "envpool": {"metaworld": _metaworld_in_envpool, "classic": _classic},
    "gymnasium": {"classic": _classic},
    "metaworld": {"metaworld": _same},
}
"""Peer to suite to what turns a task's name, without the suite, into the peer's."""


def peer_name(peer: str, task: str) -> str:
    """Return a peer's name of a task, such as ``MetaWorld/PickPlace-v3`` for envpool's ``metaworld/pick-place-v3``.

    Raises:
        InvalidConfig: If the peer has no such suite.
        UnknownName: If its suite has no such task.
    """
    suites = NAMES[peer.partition("-")[0]]
    suite, _, name = task.partition("/")
    if suite not in suites:
        raise InvalidConfig(f"{peer} has tasks of {' and '.join(suites)}, not {task!r}; give {next(iter(suites))}/...")
    return suites[suite](name)
