"""``python -m metasim.benchmarks.metaworld NAME``: measure, or write the page; exit code 2 for bad input."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import tyro

from metasim.benchmarks.metaworld.commands import COMMANDS, Command
from metasim.core.errors import MetasimError

OK, USAGE = 0, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code; ``argv`` is without the program's name."""
    prog = "python -m metasim.benchmarks.metaworld"
    chosen: Command = tyro.extras.subcommand_cli_from_dict(
        COMMANDS, prog=prog, args=argv, config=(tyro.conf.FlagCreatePairsOff,)
    )
    try:
        written = chosen.run()
    except MetasimError as error:
        sys.stderr.write(f"error: {error}\n")
        return USAGE
    for path in written:
        sys.stderr.write(f"{path}\n")
    return OK


def command() -> int:
    """Run as a program: nothing that an engine prints goes to standard output."""
    if not {"-h", "--help"} & set(sys.argv[1:]):
        os.dup2(2, 1)
    return main()


if __name__ == "__main__":
    sys.exit(command())
