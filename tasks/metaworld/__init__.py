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
    sliding,
    tools,
    turning,
)
from metasim.tasks.metaworld.experts import EXPERTS
from metasim.tasks.metaworld.family import MetaWorldTask

MT10 = tuple(
    f"metaworld/{name}-v3"
    for name in (
        "reach",
        "push",
        "pick-place",
        "door-open",
        "drawer-open",
        "drawer-close",
        "button-press-topdown",
        "peg-insert-side",
        "window-open",
        "window-close",
    )
)

__all__ = [
    "EXPERTS",
    "MT10",
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
    "sliding",
    "tools",
    "turning",
]
