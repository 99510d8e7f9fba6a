"""The benchmark of generalization as a table: which tasks, under which conditions, with which seed."""

from __future__ import annotations

from dataclasses import dataclass

from metasim.benchmarks.condition import CONTROL, Condition


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Tasks that get their starts in the same way.

    Attributes:
        tasks: Task ids.
        goals: A protocol whose goals the episodes have, one after another; empty where factors draw everything.
    """

    tasks: tuple[str, ...]
    goals: str = ""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One condition: what the episodes of a cell have in common besides the task.

    Attributes:
        condition: What results call it.
        split: Whose ranges the task's own factors are drawn from.
        axes: What is varied besides, each from its test split.
    """

    condition: Condition
    split: str = "train"
    axes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Table:
    """A protocol before anything is drawn.

    Attributes:
        name: What the command line calls it.
        version: Its version; with another one, results cannot be compared.
        seed: Root seed of every episode.
        episodes: Episodes in a cell.
        engines: For which it is said what can be varied.
        suites: The tasks.
        arms: The conditions, the control first.
    """

    name: str
    version: str
    seed: int
    episodes: int
    engines: tuple[str, ...]
    suites: tuple[Suite, ...]
    arms: tuple[Arm, ...]


def level(name: str, *axes: str) -> Arm:
    """Return a level: the task's factors from their test split, and axes on top."""
    return Arm(condition=Condition(level=name), split="test", axes=axes)


def alone(axis: str) -> Arm:
    """Return one axis on top of the control."""
    return Arm(condition=Condition(factor=axis), axes=(axis,))


BODIES = ("size", "mass", "friction", "distractors")
LOOKS = ("materials", "camera", "light", "reflection")
ROBOT = ("robot-state", "action-noise", "action-delay", "pushes", "gains")
ARMS = (
    Arm(condition=Condition(level=CONTROL)),
    level("L0"),
    level("L1", "materials"),
    level("L2", "materials", "camera"),
    level("L3", *LOOKS),
    *(alone(axis) for axis in (*BODIES, *LOOKS, *ROBOT, "renderer")),
)
TABLETOP = (
    "pick-cube",
    "push-cube",
    "stack-cube",
    "open-drawer",
    "close-box",
    "move-slider",
    "peg-in-hole",
    "place-mug",
)
HELD_OUT = ("bin-picking", "box-close", "hand-insert", "door-lock", "door-unlock")

GENERALIZATION_V1 = Table(
    name="generalization-v1",
    version="1",
    seed=20_250_601,
    episodes=50,
    engines=("mujoco", "pybullet"),
    suites=(
        Suite(tasks=tuple(f"tabletop/{name}-v0" for name in TABLETOP)),
        Suite(tasks=tuple(f"metaworld/{name}-v3" for name in HELD_OUT), goals="metaworld/ML45-test"),
    ),
    arms=ARMS,
)
TABLES = {GENERALIZATION_V1.name: GENERALIZATION_V1}
