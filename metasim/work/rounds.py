"""Shards as Ray tasks: started, listened to, and told from those that were lost."""

from __future__ import annotations

import multiprocessing.spawn
import os
import pickle
import platform
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from metasim.core.errors import EngineFailure
from metasim.work.outcome import THREADS, Emit, Outcome
from metasim.work.shift import Circumstances, serve, source, versions

_PASSED_ON = ("PYTHONPATH", "MUJOCO_GL", "PYOPENGL_PLATFORM")
_OURS = "METASIM_"


class Round:
    """One call's shards: starts a task for each, hands events on, notices the lost.

    Args:
        ray: The module, connected.
        function: What to do with one shard.
        shards: The work.
        workers: Most tasks at a time.
        receive: Gets what a shard emits.
    """

    def __init__(
        self, ray: Any, function: Callable[[Any, Emit], Any], shards: Sequence[Any], workers: int, receive: Emit
    ) -> None:
        self._ray, self._receive, self._workers = ray, receive, workers
        self._function, self._shards = function, shards
        self._running: dict[Any, int] = {}
        self._where: dict[int, str] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._task = ray.remote(serve).options(
            num_cpus=1,
            max_retries=0,
            num_returns="streaming",
            _generator_backpressure_num_objects=1,  # a worker waits until its event is taken
            scheduling_strategy="SPREAD",
            runtime_env={"env_vars": _environment()},
        )
        self._circumstances = Circumstances(
            host=platform.node(), cwd=os.getcwd(), main=_main(), versions=versions(), source=source()
        )

    def run(self) -> list[Outcome]:
        """Return what became of each shard, once all have ended; whatever interrupts it ends them."""
        pending = list(range(len(self._shards)))
        try:
            while pending or self._running:
                while pending and len(self._running) < self._workers:
                    index = pending.pop(0)
                    order = pickle.dumps((self._function, self._shards[index]))
                    self._running[self._task.remote(order, self._circumstances)] = index
                for generator in self._ray.wait(list(self._running), num_returns=1)[0]:
                    self._listen(generator)
        finally:
            self._stop()
        return [self._outcomes[i] for i in range(len(self._shards))]

    def _listen(self, generator: Any) -> None:
        index = self._running[generator] = self._running.pop(generator)  # to the end of the queue
        try:
            kind, value = pickle.loads(self._ray.get(next(generator)))  # from a worker of our own
        except StopIteration:
            del self._running[generator]
            self._outcomes.setdefault(index, Outcome(error=self._lost(index, "it ended without a result.")))
            return
        except self._ray.exceptions.RayError as error:
            self._outcomes.setdefault(index, Outcome(error=self._lost(index, _said(error))))
            return
        if kind == "event":
            self._receive(value)
        elif kind == "began":
            self._where[index] = value
        else:
            self._outcomes.setdefault(index, Outcome.told(kind, value))

    def _lost(self, index: int, reason: str) -> EngineFailure:
        where = f" ({self._where[index]})" if index in self._where else ""
        return EngineFailure(
            f"the worker of shard {index} of {len(self._shards)}{where} was lost: {reason} The other shards were "
            f"finished. Run it again, with fewer workers if memory is short"
        )

    def _stop(self) -> None:
        for generator in self._running:
            with suppress(Exception):  # whatever has ended by itself
                self._ray.cancel(generator, force=True)
        self._running.clear()


def _said(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return f"{type(error).__name__}."
    if "Traceback" in str(error) or "ray::" in lines[0]:
        return f"{lines[-1]}."
    return f"{lines[0].partition('. ')[0].removesuffix('.')}."


def _environment() -> dict[str, str]:
    """Return what a worker is told by its environment, files of tasks among it."""
    passed_on = {name: value for name, value in os.environ.items() if name in _PASSED_ON or name.startswith(_OURS)}
    return {**dict.fromkeys(THREADS, "1"), **passed_on}


def _main() -> dict[str, str]:
    """Return how a worker finds the main script, which may have registered things, as spawned processes do."""
    data = multiprocessing.spawn.get_preparation_data("metasim")
    return {name: data[name] for name in ("init_main_from_name", "init_main_from_path") if name in data}
