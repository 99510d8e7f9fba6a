"""What a live session runs, and where its policies come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from metasim.core.errors import InvalidConfig
from metasim.core.policy import NEED_EXPERT, POLICIES, Policy
from metasim.core.task import Task

MakePolicy = Callable[[str, Task, int], Policy]


@dataclass(frozen=True, kw_only=True)
class LiveConfig:
    """What is run.

    Attributes:
        task: Task id.
        backend: Engine.
        policy: Name of the policy, or what ``make_policy`` takes for one.
        seed: Root seed.
        episode: Index of the first episode.
        split: ``"train"`` or ``"test"`` ranges of the factors.
        num_worlds: N.
        horizon: Steps until truncation; None for the task's.
        go_on: Whether the next episode begins when one is over; else time stops when all are.
    """

    task: str
    backend: str = "mujoco"
    policy: str = "expert"
    seed: int = 0
    episode: int = 0
    split: str = "train"
    num_worlds: int = 1
    horizon: int | None = None
    go_on: bool = True

    def __post_init__(self) -> None:
        """Check."""
        if self.split not in ("train", "test"):
            raise InvalidConfig(f"split must be 'train' or 'test', got {self.split!r}")
        if self.num_worlds < 1:
            raise InvalidConfig(f"the number of worlds must be at least 1, got {self.num_worlds!r}")
        if self.episode < 0:
            raise InvalidConfig(f"episodes are counted from 0, got {self.episode!r}")


def registered_policy(name: str, task: Task, num_worlds: int) -> Policy:
    """Return a policy by its registered name."""
    return POLICIES[name](task, num_worlds)


def runnable_policies(task: Task) -> tuple[str, ...]:
    """Return the registered policies that can run a task: without an expert, only those that need none."""
    return tuple(name for name in POLICIES if task.expert is not None or name not in NEED_EXPERT)
