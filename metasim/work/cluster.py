"""Ray: the same shards on the processors of one machine or of many, with the promises of the local pool.

A shard is a Ray task of one CPU that yields its events. It goes on when the caller has taken an event, so that what
was handed over survives whatever happens to the worker. Ray starts no dashboard, reports no usage, retries nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any

from metasim.core.errors import EngineFailure, InvalidConfig, MissingDependency
from metasim.work.outcome import Emit, ignore, results
from metasim.work.reaching import check_address, check_reachable
from metasim.work.rounds import Round
from metasim.work.scratch import scratch_folder

LOCAL = "local"
_SETTLE_S = 10.0


class Ray:
    """Runs shards on Ray; a context manager, which takes down what it has set up.

    It connects when the first shards come. Where the program is connected to Ray already, that connection is used,
    and left as it is.

    Args:
        address: ``"local"`` for a cluster that is started here and ends with the run, ``"auto"`` for the one that
            runs on this machine, or ``HOST:PORT`` of a cluster that this machine is part of.
        workers: Most shards at a time; the CPUs of a cluster that is started here.

    Raises:
        InvalidConfig: For an address of another form, or fewer than 1 worker.
        MissingDependency: If Ray is not installed.
    """

    shares_files = False

    def __init__(self, address: str = LOCAL, workers: int = 1) -> None:
        if workers < 1:
            raise InvalidConfig(f"workers must be at least 1, got {workers!r}")
        if address != LOCAL:
            check_address(address)
        if importlib.util.find_spec("ray") is None:
            raise MissingDependency(
                "running on Ray needs the package ray: pip install 'metasim-robotics[ray]'; "
                "without it, workers are processes of this machine"
            )
        self.address, self.workers = address, workers
        self._ray: Any = None
        self._ending = ExitStack()

    def __enter__(self) -> Ray:
        """Return itself; nothing is started yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave Ray, and end what was started."""
        self.close()

    def run(self, function: Callable[[Any, Emit], Any], shards: Sequence[Any], on_event: Emit | None = None) -> list:
        """Run ``function(shard, emit)`` on every shard and return the results in the shards' order.

        As with the local pool, ``function``, shards, events and results must pickle, a worker computes with one
        thread, and a shard that fails does not stop the others. Nothing that a worker writes to disk can be counted
        on to be here.

        Raises:
            EngineFailure: If there is no Ray at the address, its packages differ, or a worker or its machine was
                lost, naming the shard.
            Exception: Whatever the function raised, with a note that names the shard.
        """
        if not shards:
            return []
        self._connect()
        return results(Round(self._ray, function, shards, self.workers, on_event or ignore).run())

    def close(self) -> None:
        """Leave Ray, and end what was started; may be called twice."""
        self._ray = None
        self._ending.close()

    def _connect(self) -> None:
        if self._ray is not None:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray: Any = importlib.import_module("ray")
            if not ray.is_initialized():
                self._start(ray)
        limit = time.monotonic() + _SETTLE_S
        while ray.cluster_resources().get("CPU", 0) < 1:
            if time.monotonic() > limit:
                raise EngineFailure(f"the Ray cluster ({self.address}) has no CPU to run anything on")
            time.sleep(0.1)
        self._ray = ray

    def _start(self, ray: Any) -> None:
        settings: dict[str, Any] = {"address": self.address, "log_to_driver": False, "logging_level": logging.ERROR}
        if self.address == LOCAL:
            settings |= {
                "num_cpus": self.workers,
                "include_dashboard": False,
                "_temp_dir": self._ending.enter_context(scratch_folder("metasim-ray-")),
            }
        else:
            check_reachable(self.address)
        self._ending.enter_context(_sigterm_kept())
        self._ending.callback(_leave, ray)  # a half-started one, too
        try:
            with _set("RAY_USAGE_STATS_ENABLED", "0"):
                ray.init(**settings)
        except (Exception, SystemExit) as error:  # Ray raises either, of many kinds
            self.close()
            raise EngineFailure(f"cannot use Ray ({self.address}): {str(error) or type(error).__name__}") from error


def _leave(ray: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.shutdown()


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Put the handler of SIGTERM back, which Ray replaces."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread() and before is not None:
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _set(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
