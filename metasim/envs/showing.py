"""Telling policies what observations hide: factors of the episode, such as a goal; and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from metasim.core.seeding import EpisodeSeed
from metasim.envs.episodes import Episodes

Array = Any


def show_factors(
    policy: Any,
    episodes: Episodes,
    rows: Array,
    seeds: Sequence[EpisodeSeed],
    overrides: Mapping[str, Array] | None = None,
) -> None:
    """Tell a policy that has names of factors in ``shown`` what they are in the episodes that begin; others nothing.

    Args:
        policy: The policy; ``show(rows, sample)`` is called if it wants to know.
        episodes: The worlds.
        rows: Those that begin an episode ``(n,)``.
        seeds: One per row.
        overrides: As the episodes begin with.
    """
    if getattr(policy, "shown", ()):
        policy.show(rows, episodes.draw(seeds, overrides))


def show_pictures(policy: Any, episodes: Episodes) -> None:
    """Show a policy that has ``cameras``, name to height and width, what they see now; others nothing.

    Args:
        policy: The policy; ``look(pictures)`` is called, camera to ``(N, H, W, 3)`` uint8, before each of its actions.
        episodes: The worlds.
    """
    cameras: Mapping[str, tuple[int, int]] = getattr(policy, "cameras", None) or {}
    if cameras:
        policy.look({name: episodes.pictures(name, *size).rgb for name, size in cameras.items()})
