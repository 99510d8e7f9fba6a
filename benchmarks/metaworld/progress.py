"""A progress bar on standard error; none where no terminal shows it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol


class Show(Protocol):
    """Draws the bar anew."""

    def __call__(self, share: float, words: str) -> None:
        """Draw; ``share`` of the work that is done is in [0, 1]."""


@contextmanager
def bar(name: str) -> Generator[Show]:
    """Yield what draws the bar."""
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    drawn = progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(bar_width=30),
        progress.TextColumn("{task.fields[words]}"),
        progress.TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with drawn:
        task = drawn.add_task(name, total=1.0, words="")

        def show(share: float, words: str) -> None:
            drawn.update(task, completed=share, words=words)

        yield show
