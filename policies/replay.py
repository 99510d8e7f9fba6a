"""The actions of a dataset as a policy: each episode the way it was recorded, in another engine if need be.

An episode finds its recording by task, seed, split, variation and index. Its start is drawn from the seed as ever, and
must be the one that was recorded. Data and results call the policy by a digest of the file, never by its path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from metasim.core.errors import DatasetError, InvalidConfig
from metasim.core.policy import POLICIES
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import Task
from metasim.datasets import Dataset, EpisodeInfo, checking, hdf5
from metasim.datasets.goals import same_start
from metasim.datasets.schema import NO_ENGINE
from metasim.policies.saved import SavedName
from metasim.policies.scripted import action_size

Array = Any
_DIGITS = 12


class RecordedName(SavedName):
    """The name of a replay; whoever gets it, in whichever process, knows the recordings."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the file, to be opened again."""
        return _again, (self.path, str(self))


@dataclass(frozen=True)
class Recorded:
    """A factory of policies, as the registry has them; equal if the files' contents are.

    Attributes:
        name: ``replay-`` and the first digits of the file's SHA-256.
        path: The file.
        episodes: Task to the indices of its recordings, ascending.
        needs: What a collection or an evaluation must be told to meet them: seed, split and goals.
        demos: Each recording's number in the file.
    """

    name: str
    path: Path = field(compare=False)
    episodes: Mapping[str, tuple[int, ...]] = field(compare=False, repr=False)
    needs: Mapping[str, Any] = field(compare=False, repr=False)
    demos: Mapping[EpisodeSeed, int] = field(compare=False, repr=False)

    def __call__(self, task: Task | type[Task], num_worlds: int) -> Replayer:
        """Return the policy for a task.

        Raises:
            InvalidConfig: If the file has no episodes of it.
            DatasetError: If they have actions of another size than the task has now.
        """
        return Replayer(self, task, num_worlds)


class Replayer:
    """N worlds' recorded actions; where they end, the last one goes on.

    Args:
        recorded: The recordings.
        task: The task, or its class.
        num_worlds: N.
    """

    def __init__(self, recorded: Recorded, task: Task | type[Task], num_worlds: int) -> None:
        self._recorded, self._task = recorded, task() if isinstance(task, type) else task
        id, size, file = self._task.id, action_size(task), recorded.path
        if id not in recorded.episodes:
            raise InvalidConfig(f"{file} has no episodes of {id!r}; it has {list(recorded.episodes)}")
        self._data = Dataset(file)
        recorded_size = self._data.header.tasks[id].action_size
        if recorded_size != size:
            raise DatasetError(f"{file}: actions of {id} have {recorded_size} numbers, in the task now {size}")
        self._actions = np.zeros((num_worlds, 1, size), np.float32)
        self._all = np.arange(num_worlds)
        self._step, self._length = np.zeros(num_worlds, np.int64), np.zeros(num_worlds, np.int64)

    def reset(self, rows: Array, seeds: Sequence[EpisodeSeed]) -> None:
        """Begin episodes, each with its own recording.

        Raises:
            DatasetError: If one has none, or it began elsewhere than the seed says now.
        """
        for row, seed in zip(np.asarray(rows).tolist(), seeds, strict=True):
            actions = self._read(seed)
            self._make_room(len(actions))
            self._actions[row, : len(actions)] = actions
            self._step[row], self._length[row] = 0, len(actions)

    def act(self, observation: Array) -> Array:
        """Return actions ``(N, A)``."""
        place = np.minimum(self._step, np.maximum(self._length - 1, 0))
        self._step += 1
        return self._actions[self._all, place]

    def finished(self) -> Array:
        """Return ``(N,)`` bool: the recording has no further action."""
        return self._step >= self._length

    def _make_room(self, steps: int) -> None:
        n, room, size = self._actions.shape
        if steps > room:
            self._actions = np.concatenate([self._actions, np.zeros((n, steps - room, size), np.float32)], axis=1)

    def _read(self, seed: EpisodeSeed) -> Array:
        file, known = self._recorded.path, self._recorded.demos
        if seed not in known:
            needs, there = self._recorded.needs, self._recorded.episodes[seed.task]
            shown = ", ".join(map(str, there[:9])) + (", ..." if len(there) > 9 else "")
            raise DatasetError(
                f"{file} has no recording of episode {seed.episode} of {seed.task} with seed {seed.root}, split"
                f" {seed.split!r}; it has {shown} with seed {needs['seed']}, split {needs['split']!r}"
            )
        demo = self._data.episode(known[seed])
        with hdf5.reading(file):
            actions, recorded = demo.array("actions"), demo.sample
        if not same_start(demo.info.goals, seed, dict(self._task.sample(seed)), recorded):
            raise DatasetError(
                f"{file}: episode {seed.episode} of {seed.task} was recorded from another start than its seed has"
                " now; the task or a library that draws it has changed: collect the file again"
            )
        return actions


def recorded(path: str | Path) -> RecordedName:
    """Open a dataset and return the name by which collections, evaluations and videos take its actions.

    Raises:
        DatasetError: If the file is damaged, or holds several seeds, splits or goals, or an episode twice.
    """
    file = Path(path).resolve()
    with Dataset(path) as data:
        checking.check(data.file, data.path)
    return _register(file, f"replay-{_digest(file)}")


def _register(file: Path, name: str) -> RecordedName:
    with Dataset(file) as data:
        infos = data.infos()
    if any(info.backend == NO_ENGINE for info in infos):
        raise DatasetError(
            f"{file} was imported: its episodes have no seed that says how they began, so none can be run"
        )
    if any(info.varied for info in infos):
        raise DatasetError(
            f"{file} has episodes in which more varied than its seeds say, which a replay elsewhere would leave out;"
            " `metasim verify` repeats them as they were"
        )
    demos = dict[EpisodeSeed, int]()
    for number, info in enumerate(infos):
        twin = demos.setdefault(info.episode_seed, number)
        if twin != number:
            raise DatasetError(
                f"{file} has episode {info.episode} of {info.task} twice, demo_{twin} and demo_{number}"
                f" (policies {infos[twin].policy} and {info.policy}, engines {infos[twin].backend} and {info.backend});"
                " replay a file that has one of them"
            )
    indices = {
        task: tuple(sorted(seed.episode for seed in demos if seed.task == task))
        for task in dict.fromkeys(info.task for info in infos)
    }
    needs = {"seed": _only(file, infos, "seed"), "split": _only(file, infos, "split")}
    found = Recorded(name, file, indices, {**needs, "goals": _only(file, infos, "goals")}, demos)
    POLICIES.register(name, found)
    known = RecordedName(name)
    known.path = str(file)
    return known


def _only(file: Path, infos: Sequence[EpisodeInfo], attribute: str) -> Any:
    values = list(dict.fromkeys(getattr(info, attribute) for info in infos))
    if len(values) != 1:
        found = f"of {len(values)} values of {attribute} ({values[:4]})" if values else ""
        raise DatasetError(f"{file} has episodes {found or '(none)'}; a replay takes one file with one {attribute}")
    return values[0]


def _again(path: str, name: str) -> RecordedName:
    file = Path(path)
    digest = f"replay-{_digest(file)}" if file.is_file() else "gone"
    if digest != name:
        raise DatasetError(f"{path} was {name} when this run began, and is {digest} now; leave it alone meanwhile")
    return _register(file, name)


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:_DIGITS]
