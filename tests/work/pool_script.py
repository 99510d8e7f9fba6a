"""What test_local.py and test_ray.py run in a process of its own: workers that succeed, fail, die or hang.

Arguments: what they do, a folder, and an address of Ray if that is to run them.
"""

import json
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

from metasim.core.errors import UnknownName
from metasim.work import Emit, executor


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


def meet(folder: Path, shard: int, emit: Emit) -> str:
    """Wait for another shard, and say which node this is."""
    import ray

    (folder / f"{shard}.here").touch()
    limit = time.monotonic() + 60
    while len(list(folder.iterdir())) < 2 and time.monotonic() < limit:
        time.sleep(0.05)
    return ray.get_runtime_context().get_node_id()


def chatter(shard: int, emit: Emit) -> dict[str, float]:
    """Say much, or for shard 0, nothing for a while."""
    began = time.monotonic()
    for _ in range(400 if shard else 0):
        emit("word " * 500)
    took = time.monotonic() - began
    time.sleep(0.0 if shard else 3.0)
    return {"slept_s": took if shard else time.monotonic() - began}


def deaf(shard: int, emit: Emit) -> None:
    for _ in range(50):
        time.sleep(0.05)
        emit(shard)


def refuse(events: list[object], event: object) -> None:
    events.append(event)
    raise ValueError("no more of this")


def hang(folder: Path, shard: int, emit: Emit) -> None:
    (folder / f"{os.getpid()}.pid").touch()
    time.sleep(60)


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with Ctrl-C ignored
    what, folder, ray = sys.argv[1], Path(sys.argv[2]), sys.argv[3] if sys.argv[3:] else None
    with_folder = {"fail": fail, "die": die, "meet": meet, "hang": hang}
    plain = {f.__name__: f for f in (report, fail_oddly, answer_oddly, chatter, deaf)}
    function = partial(with_folder[what], folder) if what in with_folder else plain[what]
    events: list[object] = []
    try:
        with executor(ray, 2) as pool:
            hear = partial(refuse, events) if what == "deaf" else events.append
            said = {"results": pool.run(function, [0, 1, 2], hear)}
    except Exception as error:
        said = {"error": type(error).__name__, "text": str(error), "notes": getattr(error, "__notes__", [])}
    threads = os.environ.get("OMP_NUM_THREADS")
    sys.stdout.write(json.dumps({**said, "events": events, "pid": os.getpid(), "threads": threads}))


if __name__ == "__main__":
    main()
