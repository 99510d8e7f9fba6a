"""Meta-World: the original's scenes, observations, actions, rewards and success rules, on every engine."""

from metasim.tasks.metaworld import (
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
    protocols,
    sliding,
    tools,
    turning,
)
from metasim.tasks.metaworld.experts import EXPERTS
from metasim.tasks.metaworld.family import MetaWorldTask
from metasim.tasks.metaworld.protocols.lists import MT10, MT25, MT50

__all__ = [
    "EXPERTS",
    "MT10",
    "MT25",
    "MT50",
    "MetaWorldTask",
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
    "protocols",
    "sliding",
    "tools",
    "turning",
]
