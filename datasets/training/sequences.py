"""Windows as a dataset of torch, and the order in which they are drawn."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metasim.core.errors import InvalidConfig, MissingDependency
from metasim.datasets.training.samples import Sample
from metasim.datasets.training.windows import LIMIT_BYTES, Windows

try:
    import torch  # pyright: ignore[reportMissingImports]
    from torch.utils.data import (  # pyright: ignore[reportMissingImports]
        BatchSampler,
        DataLoader,
        Dataset,
        Sampler,
    )
except ModuleNotFoundError as error:
    raise MissingDependency(
        f'training needs {error.name!r}, which is not installed: pip install "metasim-robotics[learn]"'
    ) from error

Array = Any
SHARED = Path("/dev/shm")
"""Where memory that processes share is taken from."""


class Order(Sampler[int]):
    """Numbers of windows in a random order that a seed decides; each epoch has its own.

    Args:
        windows: How many windows there are.
        seed: Of all epochs.
        weights: ``(windows,)`` how likely each is drawn, with replacement; None for each of them once.
        draws: Numbers of an epoch; None for as many as there are windows.
        shuffle: False for 0, 1, 2, ...

    Attributes:
        epoch: The next one; a run that goes on sets it.
    """

    def __init__(
        self, windows: int, *, seed: int = 0, weights: Any = None, draws: int | None = None, shuffle: bool = True
    ) -> None:
        self._windows, self._seed, self._shuffle = windows, seed, shuffle
        self._draws = windows if draws is None else draws
        self._sums = None if weights is None else np.cumsum(np.asarray(weights, np.float64))
        if weights is None and self._draws > windows:
            raise InvalidConfig(f"without weights each of {windows} windows is drawn once, not {self._draws}")
        if self._sums is not None and (len(self._sums) != windows or not self._sums[-1] > 0):
            raise InvalidConfig(f"expected {windows} weights with a positive sum, got {len(self._sums)}")
        self.epoch = 0

    def __iter__(self) -> Iterator[int]:
        """Iterate over the numbers of the next epoch."""
        rng = np.random.default_rng([self._seed, self.epoch])
        self.epoch += 1
        if self._sums is not None:
            drawn = self._sums.searchsorted(rng.random(self._draws) * self._sums[-1], side="right")
        else:
            drawn = (rng.permutation(self._windows) if self._shuffle else np.arange(self._windows))[: self._draws]
        return iter(drawn.tolist())

    def __len__(self) -> int:
        """Return the numbers of an epoch."""
        return self._draws


class SequenceDataset(Dataset[Sample]):
    """Windows of consecutive steps as tensors; :class:`~metasim.datasets.training.Windows` says what they hold.

    Safe with any number of loader workers, forked or spawned: each opens the files for itself, and what is loaded into
    memory is shared between them.

    Args:
        paths: A dataset, or several.
        length: Steps of a window from its first one on.
        in_memory: Load everything that is asked for, once.
        limit_bytes: Most that may be loaded.
        settings: Anything else that ``Windows`` takes.

    Attributes:
        windows: The same as arrays.
    """

    def __init__(
        self,
        paths: str | Path | Sequence[str | Path],
        *,
        length: int,
        in_memory: bool = False,
        limit_bytes: int = LIMIT_BYTES,
        **settings: Any,
    ) -> None:
        self.windows = Windows(
            paths, length=length, in_memory=in_memory, limit_bytes=limit_bytes, allocate=_shared, **settings
        )
        self.tasks, self.episodes = self.windows.tasks, self.windows.episodes
        self.normaliser, self.nbytes = self.windows.normaliser, self.windows.nbytes

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.windows)

    def __getitem__(self, number: Any) -> Sample:
        """Return a window as tensors, or a batch for several numbers."""
        if isinstance(number, torch.Tensor):
            number = number.tolist()
        return _tensors(self.windows[number])

    def weights(
        self, *, tasks: Mapping[str, float] | str | None = None, quality: Mapping[str, float] | None = None
    ) -> torch.Tensor:
        """Return how likely each window is to be drawn, for ``WeightedRandomSampler``; as ``Windows.weights``."""
        return torch.from_numpy(self.windows.weights(tasks=tasks, quality=quality))

    def loader(
        self,
        batch_size: int,
        *,
        seed: int = 0,
        shuffle: bool = True,
        weights: Any = None,
        draws: int | None = None,
        drop_last: bool = False,
        workers: int = 0,
        **settings: Any,
    ) -> DataLoader[Sample]:
        """Return a loader of batches, each read as one; the order depends on the seed and on nothing else.

        Args:
            batch_size: Windows of a batch.
            seed: Of the order; ``loader.sampler.sampler.epoch`` is the epoch that comes next.
            shuffle: Draw in a random order.
            weights: How likely each window is drawn, with replacement; None for each of them once.
            draws: Windows of an epoch; None for as many as there are.
            drop_last: Leave out a last batch that is not full.
            workers: Processes that read ahead.
            settings: Anything else that ``DataLoader`` takes.
        """
        order = Order(len(self), seed=seed, weights=weights, draws=draws, shuffle=shuffle)
        batches: Any = BatchSampler(order, batch_size, drop_last)
        return DataLoader(self, sampler=batches, batch_size=None, num_workers=workers, **settings)


def _tensors(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _tensors(inner) for name, inner in value.items()}
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else torch.as_tensor(value)


def _shared(shape: tuple[int, ...], dtype: Any) -> torch.Tensor:
    """Return a tensor in memory that processes share, or in this process's own where there is too little of that."""
    block = torch.from_numpy(np.empty(shape, dtype))
    room = os.statvfs(SHARED) if SHARED.is_dir() else None
    if room is None or block.nbytes > room.f_bavail * room.f_frsize:
        return block
    return torch.empty(shape, dtype=block.dtype).share_memory_()
