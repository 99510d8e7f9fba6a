"""What test_interruption.py runs, kills and runs again: a collection in a process of its own.

Its argument is the configuration as JSON. The policy "deadly" kills its process when it meets the episode that the
environment variable DEADLY_EPISODE names, once; a process that writes the file whose draft begins with DEADLY_WRITE is
killed when half of it is written, once.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from metasim.core.policy import POLICIES
from metasim.datasets import CollectConfig, Progress, collect
from metasim.work import files


class Deadly:
    """The expert, until it meets the episode that kills it; a file remembers that it has."""

    def __init__(self, task: Any, num_worlds: int) -> None:
        self._expert: Any = POLICIES["expert"](task, num_worlds)

    def reset(self, rows: Any, seeds: Any) -> None:
        mark = Path(os.environ["DEADLY_MARK"])
        if not mark.exists() and any(f"{s.task} {s.episode}" == os.environ["DEADLY_EPISODE"] for s in seeds):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def act(self, observation: Any) -> Any:
        return self._expert.act(observation)


def killed_while_writing(path: Path, target: Path, rename: Any = files._rename) -> None:
    """Cut the draft in half and kill the process that writes it; rename all others."""
    mark = Path(os.environ["DEADLY_MARK"])
    if path.name.startswith(os.environ["DEADLY_WRITE"]) and not mark.exists():
        mark.touch()
        os.truncate(path, path.stat().st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    rename(path, target)


def tell(progress: Progress) -> None:
    """Say how far it is, for who wants to kill it."""
    sys.stdout.write(f"{progress.task} {progress.done}\n")
    sys.stdout.flush()


POLICIES.register("deadly", Deadly)
if "DEADLY_WRITE" in os.environ:
    files._rename = killed_while_writing  # in workers too, which import this file

if __name__ == "__main__":
    collect(CollectConfig(**json.loads(sys.argv[1])), tell)
