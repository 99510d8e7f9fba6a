"""What the programs that measure have in common: ``python -m metasim.benchmarks.throughput``, ``... .datasets``.

Exit codes: 0 measured, 1 a promise broken or (with ``--check``) a goal missed, 2 bad usage or input.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, TextIO

import tyro

from metasim.benchmarks.measuring.pages import Section, write
from metasim.benchmarks.measuring.report import Report, save
from metasim.core.errors import MetasimError

OK, MISSED, USAGE = 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What every benchmark takes.

    Args:
        json: Print JSON, with the machine and all versions, instead of a table.
        out: Also write that JSON to a file.
        check: Exit with 1 where a goal is missed.
    """

    promised: ClassVar[bool] = False
    """Whether goals are promises, of which a broken one is always a failure."""
    json: bool = False
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    check: bool = False

    def run(self) -> Report:
        """Measure."""
        raise AssertionError("a benchmark overrides this")


@dataclass(frozen=True, kw_only=True)
class Page:
    """Write a page of documentation from reports.

    Args:
        files: Reports that other commands wrote with --out.
        out: The Markdown file to write.
    """

    head: ClassVar[str]
    """What the page begins with."""
    sections: ClassVar[Mapping[str, Section]]
    """Benchmark to its section, in the order of the page."""
    files: Annotated[tuple[Path, ...], tyro.conf.Positional]
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]

    def run(self) -> None:
        """Write it."""
        write(self.files, self.out, self.head, self.sections)


def run(prog: str, commands: Mapping[str, Callable[..., Any]], argv: Sequence[str] | None, out: TextIO) -> int:
    """Run the command that the words ask for, write its report, and return the exit code.

    Args:
        prog: What the program is called in its help.
        commands: Name to a :class:`Benchmark`, or to something else that has ``run`` and reports nothing.
        argv: Words after the program's name; None for those of this process.
        out: Where reports go.
    """
    chosen = tyro.extras.subcommand_cli_from_dict(
        dict(commands), prog=prog, args=argv, config=(tyro.conf.FlagCreatePairsOff,)
    )
    try:
        report = chosen.run()
        if not isinstance(chosen, Benchmark):
            return OK
        if chosen.out is not None:
            save(report, chosen.out)
    except MetasimError as error:
        sys.stderr.write(f"error: {error}\n")
        return USAGE
    report.show(out, chosen.json)
    missed = [goal for goal in report.goals if not goal.reached(report.summary[goal.key])]
    return MISSED if missed and (chosen.check or chosen.promised) else OK


def command(main: Callable[..., int]) -> int:
    """Run a program's ``main``: only its report goes to standard output, what engines print to standard error.

    PyBullet greets whoever imports it, and its greeting waits in a buffer until the process ends.
    """
    if {"-h", "--help"} & set(sys.argv[1:]):
        return main()
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)
        return main(out=out)
