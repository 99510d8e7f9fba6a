"""``python -m metasim.benchmarks.throughput NAME``: run a benchmark; a table, or JSON, on standard output.

Exit codes: 0 measured, 1 measured and a goal missed (with ``--check``), 2 bad usage or input.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TextIO

import tyro

from metasim.benchmarks.throughput.commands import BENCHMARKS, Output, Page
from metasim.core.errors import MetasimError

OK, MISSED, USAGE = 0, 1, 2


def main(argv: Sequence[str] | None = None, out: TextIO = sys.stdout) -> int:
    """Run a benchmark, write its report, and return the exit code; ``argv`` is without the program's name."""
    prog = "python -m metasim.benchmarks.throughput"
    chosen: Output | Page = tyro.extras.subcommand_cli_from_dict(
        BENCHMARKS, prog=prog, args=argv, config=(tyro.conf.FlagCreatePairsOff,)
    )
    try:
        report = chosen.run()
    except MetasimError as error:
        sys.stderr.write(f"error: {error}\n")
        return USAGE
    if report is None or isinstance(chosen, Page):
        return OK
    report.show(out, chosen.json)
    missed = [goal for goal in report.goals if not goal.reached(report.summary[goal.key])]
    return MISSED if chosen.check and missed else OK


def command() -> int:
    """Run as a program: only the report goes to standard output, what engines print to standard error.

    PyBullet greets whoever imports it, and its greeting waits in a buffer until the process ends.
    """
    if {"-h", "--help"} & set(sys.argv[1:]):
        return main()
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)
        return main(out=out)


if __name__ == "__main__":
    sys.exit(command())
