"""Telling policies what observations hide: the episode's own factors, such as a goal or the body's masses."""

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
