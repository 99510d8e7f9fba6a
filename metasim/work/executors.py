"""Where shards run: an interface with two implementations, the local pool and Ray."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, TypeVar

from metasim.work.cluster import Ray
from metasim.work.local import run_shards
from metasim.work.outcome import Emit

S = TypeVar("S")
R = TypeVar("R")


class Executor(Protocol):
    """Runs shards; used as a context manager, which ends what it had to start."""

    @property
    def shares_files(self) -> bool:
        """Whether what a worker writes to disk is there for the caller."""
        ...

    def run(self, function: Callable[[S, Emit], R], shards: Sequence[S], on_event: Emit | None = None) -> list[R]:
        """Run ``function(shard, emit)`` on every shard and return the results in the shards' order."""
        ...

    def __enter__(self) -> Self:
        """Return itself."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what was started."""
        ...


@dataclass(frozen=True)
class Local:
    """Processes of this machine; see :func:`metasim.work.run_shards`.

    Args:
        workers: Most processes at a time.
    """

    workers: int = 1
    shares_files = True

    def run(self, function: Callable[[S, Emit], R], shards: Sequence[S], on_event: Emit | None = None) -> list[R]:
        """Run ``function(shard, emit)`` on every shard and return the results in the shards' order."""
        return run_shards(function, shards, self.workers, on_event)

    def __enter__(self) -> Local:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: each run ends its own processes."""


def executor(ray: str | None = None, workers: int = 1) -> Executor:
    """Return what runs shards on Ray at an address, or in processes of this machine if it is None.

    Raises:
        InvalidConfig: For an address that cannot be one.
        MissingDependency: If Ray is wanted and not installed.
    """
    return Local(workers) if ray is None else Ray(ray, workers)
