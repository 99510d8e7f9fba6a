"""Worlds shared out among processes: Bullet holds the interpreter lock, so only processes run side by side.

Every worker has a contiguous slice of the worlds, the first of them in the caller's process. What changes in every step
lies in shared memory; everything else goes through a pipe.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from metasim.backends.pybullet.state import Rows, Shared
from metasim.backends.pybullet.worlds import Job, Worlds
from metasim.work.crew import Board, Crew

Array = Any
_Layout = dict[str, tuple[tuple[int, ...], type]]


class Pool:
    """All worlds, wherever they are.

    Args:
        job: What to build.
        layout: Shape and type of each shared array, worlds first.
        workers: Number of processes, the caller's included.

    Attributes:
        shared: The shared arrays.
        crew: The workers' :class:`Worlds`.
    """

    def __init__(self, job: Job, layout: _Layout, workers: int) -> None:
        count = layout["failed"][0][0]
        self._edges = np.linspace(0, count, min(workers, count) + 1).astype(int)
        slices = [(int(a), int(b)) for a, b in zip(self._edges[:-1], self._edges[1:], strict=True)]
        board = Board(layout, shared=len(slices) > 1)
        self.shared = Shared(**board.arrays())
        names = [f"pybullet worker {k} (worlds {a} to {b - 1})" for k, (a, b) in enumerate(slices)]
        self.crew = Crew(_worlds, [(job, board, part) for part in slices], names)

    def call(self, method: str, *args: Any) -> list[Any]:
        """Call a method of all workers' :class:`Worlds` side by side; return what each returned.

        Raises:
            EngineFailure: If a worker has died.
        """
        return self.crew.call(method, *args)

    def call_rows(self, method: str, rows: Array, *args: Any) -> list[Any]:
        """Call a method on some worlds, side by side; return what each worker that has any of them returned.

        Args:
            method: Of :class:`Worlds`; its first argument is the rows.
            rows: ``(n,)`` worlds.
            args: Of arrays ``(n, ...)`` and :class:`Rows` among these each worker gets its share.

        Raises:
            EngineFailure: If a worker has died.
        """
        calls: list[tuple[Any, ...] | None] = [None] * len(self.crew)
        bounds = np.searchsorted(rows, self._edges)
        for k in range(len(self.crew)):
            part = slice(int(bounds[k]), int(bounds[k + 1]))
            if part.start < part.stop:
                share = [_share(a, part, len(rows)) for a in args]
                calls[k] = (rows[part] - self._edges[k], *share)
        if all(call is None for call in calls):
            calls[0] = (rows, *args)
        answers = self.crew.call_each(method, calls)
        return [answer for answer, call in zip(answers, calls, strict=True) if call is not None]

    def close(self) -> None:
        """End the workers; may be called twice."""
        self.crew.close()


def _worlds(job: Job, board: Board, bounds: tuple[int, int]) -> Worlds:
    """Build a worker's worlds."""
    return Worlds(job, Shared(**board.arrays()).take(slice(*bounds)))


def _share(value: Any, part: slice, count: int) -> Any:
    if isinstance(value, Rows) or (isinstance(value, np.ndarray) and len(value) == count):
        return value.take(part) if isinstance(value, Rows) else value[part]
    return value
