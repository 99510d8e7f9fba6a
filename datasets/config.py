"""What to collect: the arguments that decide a dataset's bytes, and those that do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from metasim.core.errors import InvalidConfig
from metasim.core.policy import POLICIES

KEEP = ("successes", "all")
SPLITS = ("train", "test")
FAILURES_PER_EPISODE = 10
"""With ``keep="successes"`` a task is given up after so many failures per episode asked for."""


@dataclass(frozen=True, kw_only=True)
class CollectConfig:
    """A collection of demonstrations; ``workers``, ``worlds``, ``ray`` and ``out`` do not change what is in the file.

    Args:
        tasks: Task ids; the file holds them in this order.
        backend: Engine.
        policy: Name of the policy, with parameters if it takes any: ``NAME[:key=value,...]``.
        episodes: Episodes per task.
        seed: Root seed.
        split: ``"train"`` or ``"test"`` ranges of the factors.
        keep: ``"successes"``: the successful episodes with the lowest indices; ``"all"``: the first ones,
            labelled.
        tail: Steps kept after the first success; None runs every episode to its horizon.
        horizon: Most steps of an episode; None for each task's own.
        vary: Axis of variation to ``"train"`` or ``"test"``, drawn for every episode; none that needs a scene of its
            own.
        goals: A protocol; episode i then has goal i (modulo their number) of its benchmark for ``seed``. Empty for
            goals that each episode draws itself.
        workers: Processes.
        worlds: Worlds per process.
        ray: Ray to run it on: ``"local"`` for one that is started here, ``"auto"`` or ``HOST:PORT``; None for
            processes of this machine.
        out: The finished file.

    Raises:
        InvalidConfig: For a value that cannot work.
        UnknownName: For parameters of a policy that there is not.
    """

    tasks: tuple[str, ...]
    out: Path
    backend: str = "mujoco"
    policy: str = "expert"
    episodes: int = 10
    seed: int = 0
    split: str = "train"
    keep: str = "successes"
    tail: int | None = 10
    horizon: int | None = None
    vary: Mapping[str, str] = field(default_factory=dict[str, str])
    goals: str = ""
    workers: int = 1
    worlds: int = 16
    ray: str | None = None

    def __post_init__(self) -> None:
        """Check each value."""
        tasks = (self.tasks,) if isinstance(self.tasks, str) else tuple(self.tasks)
        object.__setattr__(self, "tasks", tasks)
        object.__setattr__(self, "out", Path(self.out))
        object.__setattr__(self, "policy", POLICIES.canonical(self.policy))
        if not self.out.name:
            raise InvalidConfig(f"out must be the name of a file, got {str(self.out)!r}, which is a folder")
        if not tasks or len(set(tasks)) != len(tasks):
            raise InvalidConfig(f"tasks must name at least one task, each once, got {tasks}")
        for name, valid in (("split", SPLITS), ("keep", KEEP)):
            if getattr(self, name) not in valid:
                raise InvalidConfig(f"{name} must be one of {list(valid)}, got {getattr(self, name)!r}")
        for name, low in (("episodes", 1), ("workers", 1), ("worlds", 1), ("seed", 0)):
            _whole(name, getattr(self, name), low)
        for name, low in (("tail", 0), ("horizon", 1)):
            if getattr(self, name) is not None:
                _whole(name, getattr(self, name), low)

    def arguments(self) -> dict[str, Any]:
        """Return what decides the bytes of the file, as plain JSON values."""
        names = ("backend", "policy", "episodes", "seed", "split", "keep", "tail", "horizon")
        more = {"goals": self.goals} if self.goals else {}
        more |= {"vary": dict(sorted(self.vary.items()))} if self.vary else {}
        plain = {"tasks": list(self.tasks), **{name: getattr(self, name) for name in names}, **more}
        return {**plain, "policy": str(self.policy)}  # which may be a name that knows its file

    def replace(self, **changes: Any) -> CollectConfig:
        """Return a copy with some values changed."""
        return replace(self, **changes)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a task is.

    Attributes:
        task: Its id.
        done: Episodes that will be in the file, or are verified; of a replay, those replayed.
        wanted: Episodes asked for; of a replay, those recorded.
        successes: Successful ones of those attempted.
        attempts: Episodes finished.
        steps: Their steps.
        elapsed_s: Time since the call.
        found: Episodes that were finished before the call, as those of an interrupted one.
    """

    task: str
    done: int
    wanted: int
    successes: int
    attempts: int
    steps: int
    elapsed_s: float
    found: int = 0


def _whole(name: str, value: object, low: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value < 2**63:
        raise InvalidConfig(f"{name} must be a whole number of at least {low}, got {value!r}")
