"""The verbs ``check-backend`` and ``compare-engines``: the contract, and what each engine measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from metasim.cli.options import MaybeOut
from metasim.cli.output import as_json, note, plain, stdout_kept, table
from metasim.cli.progress import Bars

Checks = Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="CHECK")]
HEAD = """# Engines side by side

What each engine measures for every quantity of the contract, and what the formula says.
Made by `metasim compare-engines --out docs/engines.md`; nothing here is written by hand.

"""


@dataclass(frozen=True, kw_only=True)
class CheckBackend:
    """Hold an engine against the contract; the exit code is 1 if it breaks it.

    Args:
        name: The engine.
        only: Run this check alone; may be given several times.
        json: Print JSON.
    """

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    only: Checks = ()
    json: bool = False

    def run(self) -> int:
        """Run the checks and print."""
        from metasim.conformance import CHECKS, run_checks
        from metasim.core.backend import BACKENDS

        with stdout_kept(), Bars("checks") as bars:
            BACKENDS[self.name]
            outcomes = []
            wanted = self.only or tuple(CHECKS)
            for i, check in enumerate(wanted):
                bars.show(self.name, i / len(wanted), check)
                outcomes += run_checks(self.name, [check])
            bars.show(self.name, 1.0, f"{len(wanted)} checks")
        broken = [o for o in outcomes if o.problems]
        if self.json:
            as_json(
                {
                    "backend": self.name,
                    "ok": not broken,
                    "checks": [
                        {"check": o.check, "ok": not o.problems, "skipped": o.skipped, "problems": o.problems}
                        for o in outcomes
                    ],
                }
            )
        else:
            verdicts = [(o.check, _verdict(o), str(len(o.measurements)), f"{o.seconds:.1f}") for o in outcomes]
            table("", ("check", "verdict", "measured", "seconds"), verdicts)
            for outcome in broken:
                for problem in outcome.problems:
                    note(f"{outcome.check}: {problem}", "red")
        return 1 if broken else 0


@dataclass(frozen=True, kw_only=True)
class CompareEngines:
    """Run the contract's checks in several engines and write what each measured as a page (Markdown).

    Args:
        backends: Engines; mujoco and pybullet if none is named.
        only: Run this check alone; may be given several times.
        out: The page; standard output if not given.
    """

    backends: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[NAME...]")] = (
        "mujoco",
        "pybullet",
    )
    only: Checks = ()
    out: MaybeOut = None

    def run(self) -> int:
        """Compare and write."""
        from metasim.conformance.compare import compare_engines, markdown
        from metasim.core.backend import BACKENDS
        from metasim.work import write_atomically

        with stdout_kept():
            for name in self.backends:
                BACKENDS[name]
            page = HEAD + markdown(compare_engines(self.backends, self.only or None), self.backends)
        if self.out is None:
            plain(page.rstrip())
        else:
            write_atomically(self.out, page.encode())
            plain(str(self.out))
        return 0


def _verdict(outcome: object) -> str:
    skipped, problems = getattr(outcome, "skipped", ""), getattr(outcome, "problems", [])
    return f"skipped: {skipped}" if skipped else "BROKEN" if problems else "kept"
