"""What test_interruption.py runs, kills and runs again: a collection in a process of its own.

Its argument is the configuration as JSON. The policy "deadly" kills who begins the episode that DEADLY_EPISODE names,
once; where that variable is not set, the first spawned worker that begins any. Who writes the file whose draft begins
with DEADLY_WRITE is killed when half of it is written, once; of several workers, one that was spawned. DEADLY_MARK
names a file that is made then. Without a DEADLY_EPISODE the first process waits for it, so that it does not do all
the work before another has begun.
"""

import json
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from metasim.core.policy import POLICIES
from metasim.datasets import CollectConfig, Progress, collect
from metasim.work import files

MERGED = ".demos.h5."


class Deadly:
    """The expert, but for the worker that it kills; a file remembers that it has."""

    def __init__(self, task: Any, num_worlds: int) -> None:
        self._expert: Any = POLICIES["expert"](task, num_worlds)

    def reset(self, rows: Any, seeds: Any) -> None:
        mark, victim = Path(os.environ["DEADLY_MARK"]), os.environ.get("DEADLY_EPISODE")
        begun = spawned() if victim is None else any(f"{seed.task} {seed.episode}" == victim for seed in seeds)
        if begun and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if victim is None:
            wait_for(mark)

    def act(self, observation: Any) -> Any:
        return self._expert.act(observation)


def killed_while_writing(path: Path, target: Path, rename: Any = files._rename) -> None:
    """Cut the draft in half and kill the process that writes it; rename all others."""
    mark, victim = Path(os.environ["DEADLY_MARK"]), os.environ["DEADLY_WRITE"]
    if path.name.startswith(victim):
        if (spawned() or victim == MERGED) and not mark.exists():
            os.truncate(path, path.stat().st_size // 2)
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        wait_for(mark)
    rename(path, target)


def spawned() -> bool:
    return multiprocessing.parent_process() is not None


def wait_for(mark: Path) -> None:
    limit = time.monotonic() + 60
    while not mark.exists() and time.monotonic() < limit:
        time.sleep(0.02)


def tell(progress: Progress) -> None:
    """Say how far it is, for who wants to kill it."""
    sys.stdout.write(f"{progress.task} {progress.done}\n")
    sys.stdout.flush()


POLICIES.register("deadly", Deadly)
if "DEADLY_WRITE" in os.environ:
    files._rename = killed_while_writing  # in workers too, which import this file

if __name__ == "__main__":
    collect(CollectConfig(**json.loads(sys.argv[1])), tell)
