"""Heat maps and curves, as numbers that a template only has to place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640.0, 312.0  # of a chart, in its own units
LEFT, RIGHT, TOP, BOTTOM = 44.0, 14.0, 24.0, 42.0  # of these, the margins
DARK = 0.6  # share from which a cell of a heat map is so dark that its text is light


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell of a heat map: a share in [0, 1], what it says, below that in small, and what it says when pointed at."""

    value: float
    text: str
    tip: str
    below: str = ""

    @property
    def dark(self) -> bool:
        """Whether light text is easier to read on it."""
        return self.value >= DARK


@dataclass(frozen=True, kw_only=True)
class HeatRow:
    """A row of a heat map; ``None`` stands for what was not run.

    Before it comes a ``heading``, if it begins a group, or a ``gap``, if it belongs to none.
    """

    label: str
    cells: tuple[Cell | None, ...]
    heading: str = ""
    strong: bool = False
    gap: bool = False


@dataclass(frozen=True, kw_only=True)
class Heatmap:
    """Shares as a table of colours."""

    title: str
    corner: str
    columns: tuple[str, ...]
    rows: tuple[HeatRow, ...]
    colour: int = -1


@dataclass(frozen=True, kw_only=True)
class Point:
    """A point of a curve, with its interval."""

    x: float
    y: float
    low: float
    high: float
    tip: str = ""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A curve with its band; ``level`` is a share drawn as a line across, such as the control's."""

    name: str
    colour: int
    points: tuple[Point, ...]
    marks: bool = True
    level: float | None = None


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Curves of shares in [0, 1] over x."""

    title: str
    x_label: str
    y_label: str
    ticks: tuple[tuple[float, str], ...]
    lines: tuple[Line, ...]

    @property
    def box(self) -> str:
        """The picture's viewBox."""
        return f"0 0 {WIDTH:g} {HEIGHT:g}"

    @property
    def frame(self) -> tuple[float, float, float, float]:
        """Left, right, upper and lower edge of what is plotted."""
        return LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM

    def x(self, value: float) -> float:
        """Return where on the picture a value of x is."""
        places = [place for place, _ in self.ticks] + [p.x for line in self.lines for p in line.points]
        low, high = min(places), max(places)
        share = (value - low) / (high - low) if high > low else 0.5
        margin = 0.0 if any(not line.marks for line in self.lines) else 24.0  # so that marks do not sit on the edge
        return round(LEFT + margin + share * (WIDTH - LEFT - RIGHT - 2.0 * margin), 2)

    def y(self, share: float) -> float:
        """Return how far down a share is."""
        return round(TOP + (1.0 - share) * (HEIGHT - TOP - BOTTOM), 2)

    def curve(self, line: Line) -> str:
        """Return a curve as an SVG path."""
        return self._path([(p.x, p.y) for p in line.points])

    def band(self, line: Line) -> str:
        """Return the area between the ends of the intervals as an SVG path."""
        there = [(p.x, p.high) for p in line.points]
        back = [(p.x, p.low) for p in reversed(line.points)]
        return f"{self._path([*there, *back])}Z" if there else ""

    def _path(self, points: Sequence[tuple[float, float]]) -> str:
        return "".join(f"{'L' if i else 'M'}{self.x(x):g} {self.y(y):g}" for i, (x, y) in enumerate(points))
