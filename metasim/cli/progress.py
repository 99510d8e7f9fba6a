"""Progress on standard error: a bar for each task on a terminal; elsewhere a line now and then, and at each end."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from metasim.cli.output import errors

LINE_S = 30.0
"""Where no terminal shows bars, a line is written at most so often, and for each task that is done."""

COUNT_S = 10.0
"""The same for what is only counted."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast a task goes on.

    Attributes:
        episodes_per_s: Episodes finished, kept or not, per second.
        steps_per_s: Their steps.
        left_s: Time until the task is done; None while nothing says how long.
        all_left_s: Time until all tasks are done; None while nothing says how long, or how many there are.
    """

    episodes_per_s: float
    steps_per_s: float
    left_s: float | None
    all_left_s: float | None


class Paces:
    """Works out paces from reports, whose time is that since the run began.

    A task's clock starts at the last thing that happened before its first report. What a resumed run found done counts
    for no pace.

    Args:
        tasks: How many tasks there are; None if unknown.
    """

    def __init__(self, tasks: int | None = None) -> None:
        self._tasks, self._clock = tasks, 0.0
        self._waiting: set[str] = set()
        self._since: dict[str, float] = {}
        self._found: dict[str, tuple[int, int, float]] = {}
        self._last: dict[str, tuple[int, int, float]] = {}

    def heard(self, report: Any) -> Pace:
        """Take in a report and return its task's pace."""
        task, now = report.task, (finished(report), report.steps, share(report))
        if task not in self._last:
            found = now if 0 < now[0] == getattr(report, "found", 0) else (0, 0, 0.0)
            self._since[task], self._found[task] = self._clock, found
            if found == now:
                self._waiting.add(task)
        elif now != self._last[task] and task in self._waiting:
            self._waiting.remove(task)
            self._since[task] = self._clock
        if now != self._last.get(task) and task not in self._waiting:
            self._clock = report.elapsed_s
        self._last[task] = now
        passed = report.elapsed_s - self._since[task]
        episodes, steps, gained = (
            max(0.0, (a - b) / passed) if passed > 0 else 0.0 for a, b in zip(now, self._found[task], strict=True)
        )
        left = (1.0 - now[2]) / gained if gained else None
        return Pace(
            episodes_per_s=episodes, steps_per_s=steps, left_s=left, all_left_s=self._all_left(report.elapsed_s)
        )

    def _all_left(self, elapsed_s: float) -> float | None:
        if self._tasks is None:
            return None
        begun = sum(row[2] for row in self._found.values())
        done = sum(row[2] for row in self._last.values())
        return elapsed_s * (self._tasks - done) / (done - begun) if done > begun else None


class Bars:
    """Shows how far each task is; call it with what ``collect``, ``verify`` and ``evaluate`` report.

    Args:
        unit: What ``done`` counts.
        tasks: How many tasks will report; None if unknown.
    """

    def __init__(self, unit: str = "episodes", tasks: int | None = None) -> None:
        from rich import progress

        self._console = errors()
        self._plain = not self._console.is_terminal
        self._bars = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(bar_width=30),
            progress.TextColumn("{task.fields[words]}"),
            progress.TimeElapsedColumn(),
            console=self._console,
            disable=self._plain,
        )
        self._unit, self._paces, self._many = unit, Paces(tasks), tasks is not None and tasks > 1
        self._ids: dict[str, Any] = {}
        self._unsaid: dict[str, str] = {}
        self._done: set[str] = set()
        self._said_s = 0.0

    def __enter__(self) -> Bars:
        """Begin to draw."""
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the bars as they are."""
        self._bars.stop()
        for task in list(self._unsaid):
            self._say(task)

    def __call__(self, report: Any) -> None:
        """Show a report, which has ``task``, ``done`` of ``wanted``, ``successes``, ``steps`` and ``elapsed_s``.

        It may have more: ``attempts`` are the episodes finished, where not all are kept; ``share`` is what is done.
        """
        pace = self._paces.heard(report)
        words = self._words(report, pace)
        if not self._plain:
            self.show(report.task, share(report), words)
            return
        if report.task in self._done:
            return
        self._unsaid[report.task] = f"{report.task}: {words}"
        if report.done >= report.wanted:
            self._done.add(report.task)
            self._say(report.task)
        elif report.elapsed_s - self._said_s >= LINE_S:
            self._said_s = report.elapsed_s
            self._say(report.task)

    def show(self, name: str, share: float, words: str = "") -> None:
        """Draw one bar; ``share`` is in [0, 1]."""
        if name not in self._ids:
            self._ids[name] = self._bars.add_task(name, total=1.0, words=words)
        self._bars.update(self._ids[name], completed=share, words=words)

    def _words(self, report: Any, pace: Pace) -> str:
        tried = finished(report)
        words = [f"{report.done}/{report.wanted} {self._unit}"]
        words += [f"{100 * report.successes / tried:.0f} % solved"] if tried else []
        words += [f"{pace.episodes_per_s:.3g} {self._unit}/s"] if pace.episodes_per_s else []
        words += [f"{pace.steps_per_s:,.0f} steps/s"] if pace.steps_per_s else []
        if pace.left_s is not None and report.done < report.wanted:
            words.append(f"{clock(pace.left_s)} left")
        if self._many and pace.all_left_s:
            words.append(f"{clock(pace.all_left_s)} left in all")
        return ", ".join(words)

    def _say(self, task: str) -> None:
        from rich.text import Text

        self._console.print(Text(self._unsaid.pop(task)), soft_wrap=True)


class Counted(Bars):
    """Shows how many of some things are done, all in one bar; call it with done, wanted, and which comes next.

    Args:
        name: Of the bar.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name, self._began_s = name, time.monotonic()

    def __call__(self, done: int, wanted: int, words: str) -> None:  # type: ignore[override]
        """Show it; where there is no terminal, a line now and then and at the end."""
        now = time.monotonic() - self._began_s
        text = f"{done}/{wanted}, {words}"
        if not self._plain:
            self.show(self._name, done / max(1, wanted), text)
        elif done >= wanted or now - self._said_s >= COUNT_S:
            self._said_s = now
            self._console.print(f"{self._name}: {text} [{clock(now)}]", markup=False, soft_wrap=True, highlight=False)


def finished(report: Any) -> int:
    """Return how many episodes a report says have been run, kept or not."""
    return getattr(report, "attempts", report.done)


def share(report: Any) -> float:
    """Return the share of a task that is done, in [0, 1]."""
    return getattr(report, "share", report.done / max(1, report.wanted))


def clock(seconds: float) -> str:
    """Return a time as ``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
