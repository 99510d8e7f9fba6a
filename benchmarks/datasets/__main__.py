"""``python -m metasim.benchmarks.datasets NAME``: run a benchmark; a table on standard output.

Exit codes: 0 measured, 1 a promise broken or (with ``--check``) a goal missed, 2 bad usage or input.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TextIO

import tyro

from metasim.benchmarks.datasets import save
from metasim.benchmarks.datasets.commands import BENCHMARKS, Benchmark, Page
from metasim.core.errors import MetasimError

OK, MISSED, USAGE = 0, 1, 2


def main(argv: Sequence[str] | None = None, out: TextIO = sys.stdout) -> int:
    """Run a benchmark, write its report, and return the exit code; ``argv`` is without the program's name."""
    prog = "python -m metasim.benchmarks.datasets"
    chosen: Benchmark | Page = tyro.extras.subcommand_cli_from_dict(
        BENCHMARKS, prog=prog, args=argv, config=(tyro.conf.FlagCreatePairsOff,)
    )
    try:
        report = chosen.run()
        if report is None or isinstance(chosen, Page):
            return OK
        if chosen.out is not None:
            save(report, chosen.out)
    except MetasimError as error:
        sys.stderr.write(f"error: {error}\n")
        return USAGE
    report.show(out, False)
    missed = [goal for goal in report.goals if not goal.reached(report.summary[goal.key])]
    return MISSED if missed and (chosen.check or chosen.promised) else OK


def command() -> int:
    """Run as a program: only the report goes to standard output, what engines print to standard error."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        return main()
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)
        return main(out=out)


if __name__ == "__main__":
    sys.exit(command())
