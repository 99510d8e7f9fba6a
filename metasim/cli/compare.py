"""The verb ``compare``: results files against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from metasim.cli.options import Files, MaybeOut
from metasim.cli.output import note, plain, table
from metasim.core.errors import InvalidConfig

if TYPE_CHECKING:
    from metasim.benchmarks.comparison import Versus

FORMATS = ("table", "markdown", "latex", "csv", "json")
Step = Annotated[str, tyro.conf.arg(metavar="any|last")]
Form = Annotated[str, tyro.conf.arg(metavar="|".join(FORMATS))]
Despite = Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="WHAT")]


@dataclass(frozen=True, kw_only=True)
class Compare:
    """Compare the first results file with each of the others, or the policies (else engines) in a single file.

    Per task and over all of them: successes with intervals, their difference, exact tests, the probability of
    improvement and interquartile means. The same episodes are compared one by one; results of other protocols,
    versions, settings, tasks or seeds are refused, unless an option says otherwise, which the output then repeats.

    Args:
        results: Results files.
        success: Count success at any step, or at the last.
        unpaired: Take the episodes of both as independent samples, for example of other seeds.
        despite: Compare although this differs: protocol, versions, settings, tasks or episodes; several times for
            several.
        policy: The policy to take of files that hold several.
        backend: The engine to take of files that hold several.
        confidence: Of the intervals.
        resamples: Of the bootstrap.
        format: How to write it.
        json: The same as --format json.
        out: Write it to a file.
    """

    results: Files
    success: Step = "any"
    unpaired: bool = False
    despite: Despite = ()
    policy: str = ""
    backend: str = ""
    confidence: float = 0.95
    resamples: int = 10_000
    format: Form = "table"
    json: bool = False
    out: MaybeOut = None

    def run(self) -> int:
        """Compare and write."""
        from metasim.benchmarks import load
        from metasim.benchmarks.comparison import sides, versus, write
        from metasim.work import write_atomically

        form = "json" if self.json else self.format
        if form not in FORMATS:
            raise InvalidConfig(f"--format is one of {', '.join(FORMATS)}; got {form!r}")
        if self.resamples < 1:
            raise InvalidConfig(f"resamples must be at least 1, got {self.resamples}")
        named = [(name, load(path)) for name, path in zip(names(self.results), self.results, strict=True)]
        first, *others = sides(named, policy=self.policy, backend=self.backend)
        found = [
            versus(
                first,
                other,
                success=self.success,
                unpaired=self.unpaired,
                despite=self.despite,
                confidence=self.confidence,
                resamples=self.resamples,
            )
            for other in others
        ]
        if self.out:
            suffixes = {".md": "markdown", ".tex": "latex", ".csv": "csv", ".json": "json"}
            chosen = suffixes.get(self.out.suffix.lower(), "markdown") if form == "table" else form
            write_atomically(self.out, write(found, chosen).encode())
            plain(str(self.out))
        elif form == "table":
            show(found)
        else:
            plain(write(found, form).removesuffix("\n"))
        return 0


def names(paths: Sequence[Path]) -> list[str]:
    """Return short names for files: without folder and ending where that tells them apart."""
    for spelt in ([path.stem for path in paths], [path.name for path in paths]):
        if len(set(spelt)) == len(spelt):
            return spelt
    return [str(path) for path in paths]


def show(found: Sequence[Versus]) -> None:
    """Print tables for a person, and what must be known of them."""
    from metasim.benchmarks.comparison import cell_table, sentences, total_table

    for one in found:
        for index, line in enumerate(sentences(one)):
            note(line, "" if index == 0 else "yellow")
        for part in (cell_table(one), total_table(one)):
            table("", part.columns, part.rows)
