"""Scripted experts for Meta-World: pure, batched functions of the observation alone, by task name."""

from collections.abc import Mapping
from types import MappingProxyType

from metasim.tasks.metaworld.experts import (
    assembly,
    blocks,
    buttons,
    coffee,
    containers,
    doors,
    furniture,
    handles,
    placing,
    plates,
    sliding,
    tools,
    turning,
)
from metasim.tasks.metaworld.experts.plan import LISTED, Expert

EXPERTS: Mapping[str, Expert] = MappingProxyType(LISTED)

__all__ = [
    "EXPERTS",
    "Expert",
    "assembly",
    "blocks",
    "buttons",
    "coffee",
    "containers",
    "doors",
    "furniture",
    "handles",
    "placing",
    "plates",
    "sliding",
    "tools",
    "turning",
]
