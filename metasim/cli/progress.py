"""Progress bars on standard error: one for each task, none where no terminal shows them."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from metasim.cli.output import errors


class Bars:
    """A bar for each task that reports progress; call it with what ``collect`` and ``evaluate`` report.

    Args:
        unit: What ``done`` counts.
    """

    def __init__(self, unit: str = "episodes") -> None:
        from rich import progress

        console = errors()
        self._bars = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(bar_width=30),
            progress.TextColumn("{task.fields[words]}"),
            progress.TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._unit = unit
        self._ids: dict[str, Any] = {}

    def __enter__(self) -> Bars:
        """Begin to draw."""
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the bars as they are."""
        self._bars.stop()

    def __call__(self, report: Any) -> None:
        """Draw a report: ``task``, ``done`` of ``wanted``, ``successes``, and its ``share`` if it has one."""
        share = getattr(report, "share", report.done / max(1, report.wanted))
        words = f"{report.done}/{report.wanted} {self._unit}, {report.successes} solved"
        self.show(report.task, share, words)

    def show(self, name: str, share: float, words: str = "") -> None:
        """Draw one bar; ``share`` is in [0, 1]."""
        if name not in self._ids:
            self._ids[name] = self._bars.add_task(name, total=1.0, words=words)
        self._bars.update(self._ids[name], completed=share, words=words)
