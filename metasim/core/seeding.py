"""Random streams: an episode is a function of its names and numbers, never of who runs it or in which order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class EpisodeSeed:
    """What identifies an episode; every random stream of the episode is derived from it.

    Args:
        root: The seed the user gave.
        task: The task's id.
        episode: Index of the episode, from 0.
        split: ``"train"`` or ``"test"`` ranges of the factors.
        variation: Name of the variation (``"none"`` unless a benchmark varies something).
    """

    root: int
    task: str
    episode: int
    split: str = "train"
    variation: str = "none"

    def rng(self, stream: str) -> np.random.Generator:
        """Return the generator of one named stream; other streams are unaffected by how much it draws."""
        text = f"{self.root}|{self.task}|{self.split}|{self.variation}|{self.episode}|{stream}"
        entropy = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")
        return np.random.Generator(np.random.PCG64(entropy))
