"""Views of a dataset in which most episodes lack labels: nothing is copied, and what is hidden cannot be read.

Semi-supervised offline RL (arXiv:2210.06518) learns from episodes without actions and a few with them, and draws those
few from the worse half on purpose: :func:`action_free` does so by default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from metasim.core.errors import DatasetError, InvalidConfig
from metasim.datasets.episode import Episode, EpisodeInfo
from metasim.datasets.goals import goal_count
from metasim.datasets.reader import Dataset, Demo
from metasim.datasets.states import FIRST, MOVING, STATES

Array = Any
WITHOUT_ACTIONS = ("actions", STATES, FIRST, MOVING)
"""Engine states go with the actions: they hold the control inputs."""
WITHOUT_REWARDS = ("rewards", "success")


class Hidden(Demo):
    """An episode of which some arrays are hidden; reading them raises DatasetError.

    Args:
        demo: The episode.
        hidden: Names of the arrays.
    """

    def __init__(self, demo: Demo, hidden: tuple[str, ...]) -> None:
        super().__init__(demo.group, demo.info, demo.task)
        self.hidden = hidden
        self.group = _Veiled(demo.group, hidden)  # type: ignore[assignment]

    def array(self, name: str) -> Array:
        """Return a whole array by its path; DatasetError for a hidden one."""
        _refuse(name, self.hidden, self.group.name)
        return super().array(name)

    def load(self) -> Episode:
        """Refuse: an episode in memory has all arrays."""
        raise DatasetError(f"{self.hidden[0]!r} of this episode is hidden; read its arrays one by one")


def _refuse(name: str, hidden: tuple[str, ...], where: object) -> None:
    if name.startswith("/") or {".", ".."} & set(name.split("/")):
        raise DatasetError(f"{name!r} is not the path of an array below {where}")
    path = "/".join(filter(None, name.split("/")))
    if any(path == one or path.startswith(f"{one}/") for one in hidden):
        raise DatasetError(f"{name!r} of {where} is hidden: this episode has no such label")


class _Veiled(Mapping[str, Any]):
    """A group without some of its arrays."""

    def __init__(self, group: h5py.Group, hidden: tuple[str, ...]) -> None:
        self._group, self._hidden = group, hidden
        self.attrs, self.name, self.file = group.attrs, group.name, group.file

    def __getitem__(self, name: str) -> Any:
        _refuse(str(name), self._hidden, self.name)
        start = f"{str(name).rstrip('/')}/"
        below = tuple(one.removeprefix(start) for one in self._hidden if one.startswith(start))
        found: Any = self._group[name]
        return _Veiled(found, below) if below else found

    def __iter__(self) -> Iterator[str]:
        return (str(name) for name in self._group if name not in self._hidden)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """A dataset, some of whose episodes are :class:`Hidden`; read like a dataset, and open as long as that is.

    Attributes:
        data: The dataset.
        hidden: Names of the hidden arrays.
        labelled: ``(n,)`` bool: episodes of which nothing is hidden.
    """

    data: Dataset
    hidden: tuple[str, ...]
    labelled: Array

    @property
    def path(self) -> Any:
        """The dataset's file."""
        return self.data.path

    @property
    def header(self) -> Any:
        """Attributes of the dataset's ``/data``."""
        return self.data.header

    def __len__(self) -> int:
        """Return the number of episodes."""
        return len(self.data)

    def __iter__(self) -> Iterator[Demo]:
        """Iterate over the episodes in file order."""
        return (self.episode(i) for i in range(len(self)))

    def episode(self, index: int) -> Demo:
        """Return episode ``index``; errors as for a dataset."""
        demo = self.data.episode(index)
        return demo if self.labelled[index] else Hidden(demo, self.hidden)

    def infos(self) -> list[EpisodeInfo]:
        """Return the attributes of all episodes; their labels of success are not hidden."""
        return self.data.infos()


def action_free(data: Dataset, share: float = 0.1, *, seed: int = 0, worst_half: bool = True) -> View:
    """Return a view in which only a share of the episodes of each goal keep their actions.

    Args:
        data: An open dataset.
        share: Of the episodes of each task and goal, at least one of each unless 0.
        seed: Of the draw; the same seed draws the same episodes.
        worst_half: Draw from the half with the lowest returns.

    Raises:
        InvalidConfig: For a share that cannot be drawn.
    """
    return View(data=data, hidden=WITHOUT_ACTIONS, labelled=_drawn(data, share, seed, worst_half))


def reward_free(data: Dataset, share: float = 0.0, *, seed: int = 0, worst_half: bool = False) -> View:
    """Return a view in which only a share of the episodes of each goal keep rewards and successes.

    Arguments as for :func:`action_free`.
    """
    return View(data=data, hidden=WITHOUT_REWARDS, labelled=_drawn(data, share, seed, worst_half))


def _drawn(data: Dataset, share: float, seed: int, worst_half: bool) -> Array:
    if not 0.0 <= share <= (0.5 if worst_half else 1.0):
        most = "0.5 with worst_half" if worst_half else "1"
        raise InvalidConfig(f"the share of labelled episodes must be from 0 to {most}, got {share!r}")
    groups: dict[tuple[str, int], list[int]] = {}
    demos = list(data)
    for i, info in enumerate(demo.info for demo in demos):
        number = info.episode % goal_count(info.goals, info.task, info.seed) if info.goals else -1
        groups.setdefault((info.task, number), []).append(i)
    labelled, rng = np.zeros(len(data), bool), np.random.default_rng(seed)
    for members in groups.values():
        pool = members
        if worst_half:
            returns = [float(demos[i].array("rewards").sum()) for i in members]
            pool = [members[k] for k in np.argsort(returns, kind="stable")[: -(-len(members) // 2)]]
        count = min(len(pool), max(round(share * len(members)), 1 if share else 0))
        labelled[rng.choice(np.array(pool), count, replace=False)] = True
    return labelled
