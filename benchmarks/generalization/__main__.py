"""``python -m metasim.benchmarks.generalization freeze|check``: draw a protocol into its file, or compare with it.

Exit codes: 0 done, 1 the file holds something else than is drawn now, 2 bad usage or input.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from metasim.benchmarks.generalization.drawing import freeze, redrawn, refused
from metasim.benchmarks.generalization.frozen import SUFFIX, load, parse
from metasim.benchmarks.generalization.table import GENERALIZATION_V1, TABLES
from metasim.core.errors import MetasimError, UnknownName
from metasim.core.task import TASKS
from metasim.work import write_atomically

OK, DIFFERENT, USAGE = 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class Freeze:
    """Draw every start and variation of a protocol, and write them.

    Args:
        protocol: Its name.
        out: The file; by default the one that the package comes with.
    """

    protocol: str = GENERALIZATION_V1.name
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = None

    def run(self) -> int:
        """Draw and write."""
        if self.protocol not in TABLES:
            raise UnknownName("protocol", self.protocol, TABLES)
        path = self.out or Path(__file__).with_name(f"{self.protocol}{SUFFIX}")
        data = freeze(TABLES[self.protocol])
        found = parse(data, str(path))
        write_atomically(path, data)
        sys.stdout.write(f"{path}: {len(found.cells)} cells, {len(data)} bytes, sha256 {found.sha256}\n")
        return OK


@dataclass(frozen=True, kw_only=True)
class Check:
    """Draw every episode again, and say where the file holds something else.

    Args:
        protocol: Its name, or a file's path.
    """

    protocol: str = GENERALIZATION_V1.name

    def run(self) -> int:
        """Draw and compare."""
        found, odd = load(self.protocol), 0
        for cell in found.cells:
            reasons = refused(cell.arm, TASKS[cell.task], found.engines)
            if reasons != dict(cell.refused):
                odd += 1
                sys.stdout.write(f"{cell.task}, {cell.label}: refused {dict(cell.refused)} is {reasons} now\n")
                continue
            for episode in range(found.episodes) if len(cell.refused) < len(found.engines) else ():
                for name, (held, drawn) in redrawn(found, cell, episode).items():
                    odd += 1
                    sys.stdout.write(f"{cell.task}, {cell.label}, episode {episode}, {name}: {held} is {drawn} now\n")
        sys.stdout.write(f"{len(found.cells)} cells, {odd} values that differ\n")
        return DIFFERENT if odd else OK


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code; ``argv`` is without the program's name."""
    prog = "python -m metasim.benchmarks.generalization"
    chosen: Freeze | Check = tyro.extras.subcommand_cli_from_dict(
        {"freeze": Freeze, "check": Check}, prog=prog, args=argv, config=(tyro.conf.FlagCreatePairsOff,)
    )
    try:
        return chosen.run()
    except MetasimError as error:
        sys.stderr.write(f"error: {error}\n")
        return USAGE


if __name__ == "__main__":
    sys.exit(main())
