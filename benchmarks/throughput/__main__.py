"""``python -m metasim.benchmarks.throughput NAME``: run a benchmark; a table, or JSON, on standard output."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from metasim.benchmarks.measuring import command, run
from metasim.benchmarks.throughput.commands import BENCHMARKS


def main(argv: Sequence[str] | None = None, out: TextIO = sys.stdout) -> int:
    """Run a benchmark, write its report, and return the exit code; ``argv`` is without the program's name."""
    return run("python -m metasim.benchmarks.throughput", BENCHMARKS, argv, out)


if __name__ == "__main__":
    sys.exit(command(main))
