"""The digest of an episode: its arrays and attributes, however the file around them is laid out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from metasim.datasets.episode import Episode, EpisodeInfo
from metasim.datasets.states import packed

Array = Any
ROWS = ("actions", "rewards", "dones", "terminated", "truncated", "success")
"""The arrays of a row per step that every demo has beside its observations."""


def arrays_of(episode: Episode) -> dict[str, Array]:
    """Return an episode's arrays under their paths in a demo, in the order in which they are written."""
    return {
        **{f"obs/{name}": array for name, array in episode.obs.items()},
        **{f"final_obs/{name}": array for name, array in episode.final_obs.items()},
        **{name: getattr(episode, name) for name in ROWS},
        **packed(episode.states, failed=bool(episode.info.failure)),
        **{f"initial/sample/{name}": np.asarray(array) for name, array in episode.sample.items()},
        **{f"source/{name}": np.asarray(array) for name, array in episode.source.items()},
    }


def digest(info: EpisodeInfo, arrays: Mapping[str, Array]) -> str:
    """Return the SHA-256 of an episode in hexadecimal: attributes as JSON, then each array in the order of paths.

    Args:
        info: The attributes; ``sha256`` does not count.
        arrays: Path in the demo to array.
    """
    said = hashlib.sha256(json.dumps({**vars(info), "sha256": ""}, sort_keys=True).encode())
    for path in sorted(arrays):
        array = np.ascontiguousarray(arrays[path])
        said.update(f"\n{path} {array.dtype.str} {arrays[path].shape}\n".encode())
        said.update(array.data if array.size else b"")
    return said.hexdigest()
