"""What the command says: results on standard output, everything else on standard error."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

PAGE_WIDTH = 160  # of tables that go to a file or a pipe


def plain(text: str) -> None:
    """Write text to standard output as it is."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def complain(message: str) -> None:
    """Write ``error: message`` to standard error, as one line, red on a terminal."""
    from rich.text import Text

    line = " | ".join(part.strip() for part in message.splitlines() if part.strip())
    errors().print(Text(f"error: {line}", style="red"), soft_wrap=True)


def note(message: str, style: str = "") -> None:
    """Write a line about the run to standard error."""
    from rich.text import Text

    errors().print(Text(message, style=style), soft_wrap=True)


def errors() -> Console:
    """Return the console of standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table to standard output, wide where no terminal limits it."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, emoji=False, width=PAGE_WIDTH)
    shown = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(str(cell)) for cell in row))
    console.print(shown)


def as_json(data: Any) -> None:
    """Write data as JSON to standard output: infinite numbers as ``"inf"``, and null for those that are none."""
    plain(json.dumps(_plain_data(data), indent=1, allow_nan=False))


def _plain_data(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain_data(inner) for name, inner in value.items()}
    if isinstance(value, (set, frozenset)):
        value = sorted(value)
    if isinstance(value, (list, tuple)):
        return [_plain_data(inner) for inner in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None if math.isnan(value) else str(float(value))
    if value is None or isinstance(value, (str, int)):
        return value
    return _plain_data(value.tolist()) if hasattr(value, "tolist") else str(value)


@contextlib.contextmanager
def stdout_kept(wanted: bool = True) -> Generator[None]:
    """Send what libraries write to standard output to standard error meanwhile: PyBullet greets on import."""
    if not wanted:
        yield
        return
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # a process without standard output
        yield
        return
    try:
        os.dup2(2, 1)
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
