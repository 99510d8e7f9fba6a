"""A short collection that several tests look at, and a policy that fails every third episode."""

import resource
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metasim.core.policy import POLICIES
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import Task
from metasim.datasets import CollectConfig, collect

REACH = "metaworld/reach-v3"


class EveryThirdFails:
    """The expert, idle in episodes 0, 3, 6, ..."""

    def __init__(self, task: Task | type[Task], num_worlds: int) -> None:
        self._expert: Any = POLICIES["expert"](task, num_worlds)
        self._idle = np.zeros((num_worlds, 1), bool)

    def reset(self, rows: Any, seeds: Sequence[EpisodeSeed]) -> None:
        self._idle[rows, 0] = [seed.episode % 3 == 0 for seed in seeds]

    def act(self, observation: Any) -> Any:
        return np.where(self._idle, np.float32(0), self._expert.act(observation))


if "every-third-fails" not in POLICIES:
    POLICIES.register("every-third-fails", EveryThirdFails)


@pytest.fixture(scope="session")
def collected(tmp_path_factory: pytest.TempPathFactory) -> CollectConfig:
    """The settings of a finished dataset of three short episodes of reach, labelled, in one world."""
    out = tmp_path_factory.mktemp("collected") / "reach.h5"
    config = CollectConfig(tasks=(REACH,), out=out, episodes=3, horizon=50, tail=2, keep="all", worlds=1)
    collect(config)
    return config


@pytest.fixture
def copy(collected: CollectConfig, tmp_path: Path) -> Iterator[Path]:
    """A copy of that dataset, to be spoilt."""
    yield Path(shutil.copy(collected.out, tmp_path / "copy.h5"))


@pytest.fixture
def largest_file() -> Callable[[int], AbstractContextManager[None]]:
    """Lets no file grow beyond so many bytes, as a full disk would."""

    @contextmanager
    def limited(limit: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)

    return limited
