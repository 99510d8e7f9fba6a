"""What becomes of a shard, and how a worker says it: shared by all executors."""

from __future__ import annotations

import os
import pickle
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from metasim.core.errors import EngineFailure
from metasim.core.task import TASKS
from metasim.core.task_files import VARIABLE

Emit = Callable[[Any], None]
"""Hands a picklable object to the caller's ``on_event``."""

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
"""Environment variables that say with how many threads a process computes."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a shard: a result, or the error it ended with."""

    result: Any = None
    error: Exception | None = None

    @classmethod
    def told(cls, kind: str, value: Any) -> Outcome:
        """Return what a worker's last message says: ``("result", result)`` or ``("error", (error, traceback))``."""
        if kind == "result":
            return cls(result=value)
        error, text = value
        if text:
            error.add_note(f"in the worker:\n{text.rstrip()}")
        return cls(error=error)


def attempt(function: Callable[[Any, Emit], Any], shard: Any, emit: Emit) -> Outcome:
    """Run a function on a shard; an error is an outcome."""
    try:
        return Outcome(result=function(shard, emit))
    except Exception as error:
        return Outcome(error=error)
    except SystemExit as end:
        return Outcome(error=EngineFailure(f"the worker ended itself with {end!r}"))


def obey(order: bytes, emit: Emit) -> Any:
    """Run an order, a pickled function and shard; a user's own files come first, for they may bring what it names."""
    if os.environ.get(VARIABLE):
        TASKS.discover()
    function, shard = pickle.loads(order)
    return function(shard, emit)


def message(outcome: Outcome) -> bytes:
    """Return the outcome as bytes; what does not survive pickling becomes an EngineFailure that quotes it."""
    if outcome.error is None:
        try:
            return pickle.dumps(("result", outcome.result))
        except Exception as error:
            outcome = Outcome(error=error)
    error = outcome.error
    assert error is not None
    text = "".join(traceback.format_exception(error))
    try:
        data = pickle.dumps(("error", (error, text)))
        if type(pickle.loads(data)[1][0]) is type(error):
            return data
    except Exception:
        text += "(the error itself cannot be pickled)"
    return pickle.dumps(("error", (EngineFailure(f"a worker failed: {text.rstrip()}"), "")))


def results(outcomes: Sequence[Outcome]) -> list[Any]:
    """Return the results in order.

    Raises:
        Exception: The first error, with notes that name its shard and the others that failed.
    """
    failed = [i for i, outcome in enumerate(outcomes) if outcome.error is not None]
    if failed:
        error = outcomes[failed[0]].error
        assert error is not None
        if len(outcomes) > 1:
            error.add_note(f"in shard {failed[0]} of {len(outcomes)}")
        if failed[1:]:
            error.add_note(f"shards {failed[1:]} failed too; the first of them: {outcomes[failed[1]].error}")
        raise error
    return [outcome.result for outcome in outcomes]


def ignore(event: Any) -> None:
    """Do nothing with an event."""
