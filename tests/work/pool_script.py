"""What test_local.py runs in a process of its own: pools of workers that succeed, fail, die or hang."""

import json
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

from metasim.core.errors import UnknownName
from metasim.work import Emit, run_shards


def report(shard: int, emit: Emit) -> dict[str, object]:
    emit(("began", shard))
    time.sleep(0.2 * (2 - shard))  # the last shard is the first to be done
    emit(("ended", shard))
    return {"shard": shard, "threads": os.environ["OMP_NUM_THREADS"], "pid": os.getpid()}


def fail(folder: Path, shard: int, emit: Emit) -> None:
    if shard == 1:
        raise UnknownName("joint", "whel", ["wheel"])
    (folder / f"{shard}.done").touch()


def fail_oddly(shard: int, emit: Emit) -> None:
    class Odd(Exception):
        """An error that cannot be pickled."""

    if shard == 0:
        raise Odd("the very words")


def answer_oddly(shard: int, emit: Emit) -> object:
    return lambda: shard


def die(folder: Path, shard: int, emit: Emit) -> None:
    if shard == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    (folder / f"{shard}.done").touch()


def hang(folder: Path, shard: int, emit: Emit) -> None:
    (folder / f"{os.getpid()}.pid").touch()
    time.sleep(60)


def main() -> None:
    what, folder = sys.argv[1], Path(sys.argv[2])
    with_folder = {"fail": fail, "die": die, "hang": hang}
    plain = {"report": report, "fail_oddly": fail_oddly, "answer_oddly": answer_oddly}
    function = partial(with_folder[what], folder) if what in with_folder else plain[what]
    events: list[object] = []
    try:
        said = {"results": run_shards(function, [0, 1, 2], 2, events.append)}
    except Exception as error:
        said = {"error": type(error).__name__, "text": str(error), "notes": getattr(error, "__notes__", [])}
    threads = os.environ.get("OMP_NUM_THREADS")
    sys.stdout.write(json.dumps({**said, "events": events, "pid": os.getpid(), "threads": threads}))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
    main()
