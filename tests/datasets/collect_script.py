"""What test_interruption.py runs, kills and runs again: a collection in a process of its own.

Arguments: the file, workers, worlds, episodes; with a fifth, the worker that records that episode kills itself, once.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from metasim.core.policy import POLICIES
from metasim.datasets import CollectConfig, Progress, collect

TASKS = ("metaworld/reach-v3", "metaworld/push-v3")


class Deadly:
    """The expert, until it meets the episode that kills it; a file remembers that it has."""

    def __init__(self, task: Any, num_worlds: int) -> None:
        self._expert: Any = POLICIES["expert"](task, num_worlds)

    def reset(self, rows: Any, seeds: Any) -> None:
        mark = Path(os.environ["DEADLY_MARK"])
        if not mark.exists() and any(str(seed.episode) == os.environ["DEADLY_EPISODE"] for seed in seeds):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def act(self, observation: Any) -> Any:
        return self._expert.act(observation)


def tell(progress: Progress) -> None:
    """Say how far it is, for who wants to kill it."""
    sys.stdout.write(f"{progress.task} {progress.done}\n")
    sys.stdout.flush()


POLICIES.register("deadly", Deadly)


def main() -> None:
    out, workers, worlds, episodes, *deadly = sys.argv[1:]
    config = CollectConfig(
        tasks=TASKS,
        out=Path(out),
        episodes=int(episodes),
        policy="deadly" if deadly else "expert",
        horizon=60,
        tail=5,
        keep="all",
        workers=int(workers),
        worlds=int(worlds),
    )
    if deadly:
        os.environ["DEADLY_EPISODE"], os.environ["DEADLY_MARK"] = deadly[0], f"{out}.mark"
    collect(config, tell)


if __name__ == "__main__":
    main()
