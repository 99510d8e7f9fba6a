"""Windows of consecutive steps, by number, as arrays: what a training samples from."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metasim.core.errors import InvalidConfig
from metasim.datasets.episode import EpisodeInfo, TaskInfo
from metasim.datasets.training import index
from metasim.datasets.training.fields import FINAL, SAMPLE, wanted_fields
from metasim.datasets.training.normalisation import Normaliser, Spread, normaliser, spread
from metasim.datasets.training.rows import Allocate, FileRows, MemoryRows, Rows
from metasim.datasets.training.samples import Cutter, Sample, Span, masks
from metasim.datasets.training.weighting import window_weights

Array = Any
LIMIT_BYTES = 4 << 30


class Windows:
    """Windows of consecutive steps of the episodes of one or several datasets, by number.

    ``windows[i]`` is a window, ``windows[[i, j, ...]]`` a batch of them with one more axis in front. Episode by
    episode, windows begin at step 0, ``stride``, 2 ``stride``, ... A window has R = ``history`` + ``length`` rows;
    those before the first step of the episode repeat its first row, those behind the last one its last, and ``mask``
    is False there. Only the rows of the window are read.

    A sample has ``"obs"`` ``(R, D)`` (or, for ``obs=("a", "b")``, a dict of ``(R, ...)``), what is included, ``"mask"``
    ``(R,)``, and ``"task"``, ``"episode"`` and ``"start"``: numbers of the task, the episode and the first step.

    Args:
        paths: A dataset, or several.
        length: Steps of a window from its first one on.
        stride: Steps from the beginning of one window to that of the next.
        history: Steps before them, for policies that look back.
        pad: Whether windows may reach beyond the end of the episode.
        obs: Names of observations and pictures, ``"flat"`` among them; None for the flat observation alone.
        include: ``actions``, ``rewards``, ``dones``, ``terminated``, ``truncated``, ``success``, ``states``;
            ``next_obs`` (after each action), ``final_obs`` (after the last one of the episode; one row),
            ``returns_to_go``, ``timesteps``, ``sample/<factor>`` (what the episode had drawn, such as its goal).
        discount: Of the returns to go, in (0, 1].
        normalise: ``"standard"``, ``"range"`` or ``"none"`` for observations; or a mapping of ``"obs"``, ``"actions"``
            and ``"rewards"`` to one of them. The statistics are those in the files, of all their episodes, joined.
        dtype: Of real numbers, ``"float32"`` or ``"float64"``.
        mask: Read only the episodes of this mask, such as ``"train"``; each file must have it.
        tasks: Read only these tasks.
        where: Read only episodes of which this is true, for example ``"success and length < 80"``.
        in_memory: Load everything that is asked for, once.
        limit_bytes: Most that may be loaded.
        allocate: Makes the blocks in memory.

    Attributes:
        tasks: The tasks in the order of their numbers, with what their episodes share.
        episodes: Attributes of the episodes in the order of their numbers.
        normaliser: The scaling, for a policy to use when it acts.
        nbytes: Bytes that ``in_memory`` takes.

    Raises:
        InvalidConfig: For settings that cannot be, or more bytes to load than the limit.
        UnknownName: For a task, observation or array that there is not.
        DatasetError: If a file cannot be read, or contradicts another.
    """

    def __init__(
        self,
        paths: str | Path | Sequence[str | Path],
        *,
        length: int,
        stride: int = 1,
        history: int = 0,
        pad: bool = True,
        obs: Sequence[str] | None = None,
        include: Sequence[str] = ("actions",),
        discount: float = 1.0,
        normalise: str | Mapping[str, str] = "none",
        dtype: str = "float32",
        mask: str | None = None,
        tasks: Sequence[str] | None = None,
        where: str = "",
        in_memory: bool = False,
        limit_bytes: int = LIMIT_BYTES,
        allocate: Allocate = np.empty,
    ) -> None:
        _check(length=length, stride=stride, history=history, discount=discount, dtype=dtype)
        files = [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
        kinds = {"obs": normalise} if isinstance(normalise, str) else dict(normalise)
        scaled = any(kind != "none" for kind in kinds.values())
        self._chosen = chosen = index.choose(files, mask=mask, tasks=tasks, where=where, statistics=scaled)
        self.tasks: dict[str, TaskInfo] = chosen.tasks
        self.episodes: tuple[EpisodeInfo, ...] = chosen.infos
        self._length, self._stride, self._history = length, stride, history
        self._steps = chosen.length.tolist()
        starts = chosen.length if pad else np.maximum(chosen.length - length + 1, 0)
        self._counts = (starts + stride - 1) // stride
        self._ends = np.cumsum(self._counts)
        if not len(self):
            raise InvalidConfig(f"no episode has {length} steps, the longest has {max(self._steps)}; or take pad=True")
        fields = wanted_fields(self.tasks, obs, include, {(info.task, info.backend) for info in self.episodes})
        self.nbytes = sum(int(about.count(chosen.length).sum() * about.row_bytes) for about in fields)
        self.normaliser: Normaliser = self._scaling(fields, kinds)
        factors = [name.removeprefix(SAMPLE) for name in include if name.startswith(SAMPLE)]
        rows: Rows = FileRows(chosen, fields, index.locate(chosen, fields))
        if in_memory:
            _check_room(self.nbytes, limit_bytes)
            rows = MemoryRows(chosen, fields, rows, allocate)
        self._cutter = Cutter(
            fields=fields,
            rows=rows,
            window=history + length,
            include=tuple(include),
            dtype=np.dtype(dtype),
            discount=discount,
            normaliser=self.normaliser,
            factors={name: _real(index.factor_values(chosen, name), dtype) for name in factors},
        )

    def __len__(self) -> int:
        """Return the number of windows."""
        return int(self._ends[-1])

    def __getitem__(self, number: Any) -> Sample:
        """Return a window, or a batch for several numbers.

        Raises:
            IndexError: If there is no such window.
            DatasetError: If a file cannot be read any more, or has been replaced.
        """
        if isinstance(number, Sequence | np.ndarray):
            return self._batch([operator.index(i) for i in number])
        sample = self._batch([operator.index(number)])
        return {name: _first(value) for name, value in sample.items()}

    def weights(
        self, *, tasks: Mapping[str, float] | str | None = None, quality: Mapping[str, float] | None = None
    ) -> Array:
        """Return how likely each window is to be drawn, ``(windows,)``, 1 in sum.

        Args:
            tasks: Share of each task; ``"equal"`` for equal ones; None for as many as there are windows.
            quality: Share of each quality within every task that has it. A quality is the name of a policy or of a
                mask, ``"success"`` or ``"failure"``, or ``"*"`` for the rest; an episode belongs to the first that
                fits, one of none is never drawn.

        Raises:
            UnknownName: For a task or quality that no episode has.
            InvalidConfig: For a share that is no share, or if nothing is left to be drawn.
        """
        return np.repeat(window_weights(self._chosen, self._counts, tasks=tasks, quality=quality), self._counts)

    def _batch(self, numbers: Sequence[int]) -> Sample:
        last = len(self)
        if any(not -last <= i < last for i in numbers):
            raise IndexError(f"there are {last} windows")
        wanted = np.array(numbers, np.int64) % last
        episodes = self._ends.searchsorted(wanted, side="right")
        starts = (wanted - (self._ends - self._counts)[episodes]) * self._stride
        spans = [self._span(e, start) for e, start in zip(episodes.tolist(), starts.tolist(), strict=True)]
        return {
            **self._cutter.cut(spans),
            "mask": masks(self._history + self._length, spans),
            "task": self._chosen.task[episodes],
            "episode": episodes,
            "start": starts,
        }

    def _span(self, episode: int, start: int) -> Span:
        begin, end = max(0, start - self._history), min(self._steps[episode], start + self._length)
        low = begin - start + self._history
        return Span(episode, begin, low, low + end - begin, self._steps[episode])

    def _scaling(self, fields: Sequence[index.Field], kinds: Mapping[str, str]) -> Normaliser:
        known = {"obs", "actions", "rewards"}
        if not set(kinds) <= known:
            raise InvalidConfig(f"normalise may name {sorted(known)}, got {sorted(set(kinds) - known)}")
        by_key, spreads = dict[str, str](), dict[str, Spread]()
        for about in fields:
            kind = kinds.get(about.key.partition("/")[0], "none")
            if about.dtype.kind != "f" or about.key.startswith(FINAL):
                continue
            by_key[about.key] = kind
            if kind != "none":
                spreads[about.key] = spread(self._chosen, about)
        return normaliser(by_key, spreads)


def _first(value: Any) -> Any:
    """Return the one sample of a batch of one."""
    if isinstance(value, dict):
        return {name: _first(inner) for name, inner in value.items()}
    return value[0] if value.ndim > 1 else value[0].item() if value.ndim == 1 and value.dtype.kind == "i" else value[0]


def _real(values: Array, dtype: str) -> Array:
    return values.astype(dtype) if values.dtype.kind == "f" else values


def _check(*, length: int, stride: int, history: int, discount: float, dtype: str) -> None:
    for name, value, least in (("length", length, 1), ("stride", stride, 1), ("history", history, 0)):
        if operator.index(value) < least:
            raise InvalidConfig(f"{name} must be at least {least}, got {value!r}")
    if not 0.0 < discount <= 1.0:
        raise InvalidConfig(f"discount must be in (0, 1], got {discount!r}")
    if dtype not in ("float32", "float64"):
        raise InvalidConfig(f"dtype must be 'float32' or 'float64', got {dtype!r}")


def _check_room(nbytes: int, limit: int) -> None:
    if nbytes > limit:
        raise InvalidConfig(
            f"loading takes {nbytes:,} bytes, limit_bytes is {limit:,}: raise it, ask for fewer arrays or episodes, "
            f"or leave in_memory out"
        )
