"""``python -m metasim.benchmarks.cameras``: frames per second of pictures, as Markdown or JSON on standard output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TextIO

import tyro

from metasim.benchmarks.cameras.measure import TASKS, measure, page
from metasim.core.errors import MetasimError

OK, USAGE = 0, 2


@dataclass(frozen=True, kw_only=True)
class Cameras:
    """Measure how many pictures each renderer draws per second.

    Args:
        tasks: Task ids.
        num_worlds: Worlds that are drawn in turn.
        size: Height and width in pixels.
        rounds: How often everything is measured.
        json: Print JSON instead of Markdown.
    """

    tasks: tuple[str, ...] = TASKS
    num_worlds: int = 16
    size: int = 128
    rounds: int = 3
    json: bool = False


def main(argv: Sequence[str] | None = None, out: TextIO = sys.stdout) -> int:
    """Measure, write the result, and return the exit code; ``argv`` is without the program's name."""
    asked = tyro.cli(Cameras, args=argv, prog="python -m metasim.benchmarks.cameras")
    try:
        speeds = measure(asked.tasks, asked.num_worlds, asked.size, asked.rounds)
    except MetasimError as error:
        sys.stderr.write(f"error: {error}\n")
        return USAGE
    if asked.json:
        out.write(json.dumps({"asked": asdict(asked), "speeds": [asdict(s) for s in speeds]}, indent=1) + "\n")
    else:
        out.write(page(speeds, asked.num_worlds, asked.size, asked.rounds))
    return OK


def command() -> int:
    """Run as a program: only the result goes to standard output, what engines print to standard error."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        return main()
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)
        return main(out=out)


if __name__ == "__main__":
    sys.exit(command())
