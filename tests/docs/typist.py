"""Runs ``metasim`` commands one by one, each in a process of its own that finds other libraries imported already.

Started by ``test_blocks.Room``. Each line of standard input is a command in JSON; each line of standard output is the
exit code it ended with, as shells count. Nothing of metasim itself is imported before a command begins.
"""

import importlib
import json
import os
import signal
import sys
from contextlib import suppress

LIBRARIES = "gymnasium.vector h5py mujoco.batch pybullet rich.progress rich.table scipy.stats tyro stable_baselines3"


def main() -> None:
    """Run commands until there are no more."""
    replies = os.fdopen(os.dup(1), "w")
    for name in LIBRARIES.split():
        with suppress(ImportError):
            importlib.import_module(name)
    assert not any(name.partition(".")[0] == "metasim" for name in sys.modules)
    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if pid == 0:
            run(**job)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        replies.write(f"{code if code >= 0 else 128 - code}\n")
        replies.flush()


def run(words: list[str], folder: str, environment: dict[str, str], output: str, limit_s: float) -> None:
    """Become the command and end with it."""
    signal.alarm(int(limit_s))
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:] = [path for path in environment["PYTHONPATH"].split(os.pathsep) if path] + sys.path[1:]
    importlib.invalidate_caches()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND), 1)
    os.dup2(1, 2)
    sys.argv = ["metasim", *words]
    from metasim.cli import main as metasim

    sys.exit(metasim())


if __name__ == "__main__":
    main()
