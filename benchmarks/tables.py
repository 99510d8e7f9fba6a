"""Tables as text that can be pasted: Markdown, LaTeX, CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

FORMATS = ("markdown", "latex", "csv")
_TEX: Mapping[str, str] = MappingProxyType(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "–": "--",
        "−": "$-$",
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    }
)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of words and numbers.

    Args:
        columns: Their headings.
        rows: As many cells each; numbers are written as Python does in CSV.
        words: Columns that hold words, which stand to the left; all others to the right.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    words: int = 1

    def text(self, form: str) -> str:
        """Return the table in one of ``FORMATS``."""
        return {"markdown": self.markdown, "latex": self.latex, "csv": self.csv}[form]()

    def markdown(self) -> str:
        """Return a Markdown table."""
        rule = ["---" if i < self.words else "---:" for i in range(len(self.columns))]
        lines = [self.columns, rule, *self.rows]
        cells = ([_cell(c).replace("|", "\\|").replace("\n", " ") for c in line] for line in lines)
        return "".join(f"| {' | '.join(line)} |\n" for line in cells)

    def latex(self) -> str:
        """Return a LaTeX tabular; it needs the package booktabs."""
        align = "l" * self.words + "r" * (len(self.columns) - self.words)
        head, *body = (" & ".join(_tex(_cell(c)) for c in line) + r" \\" for line in (self.columns, *self.rows))
        lines = [rf"\begin{{tabular}}{{{align}}}", r"\toprule", head, r"\midrule", *body, r"\bottomrule"]
        return "\n".join([*lines, r"\end{tabular}", ""])

    def csv(self) -> str:
        """Return comma-separated values; a cell that is None is empty."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([["" if c is None else c for c in row] for row in self.rows])
        return buffer.getvalue()


def records_table(records: Sequence[Mapping[str, Any]], words: int = 1) -> Table:
    """Return the table of records that have the same fields in the same order."""
    columns = tuple(records[0]) if records else ()
    return Table(columns=columns, rows=tuple(tuple(record.values()) for record in records), words=words)


def _cell(value: Any) -> str:
    return "–" if value is None else str(value)


def _tex(text: str) -> str:
    return " ".join("".join(_TEX.get(sign, sign) for sign in text).split())
