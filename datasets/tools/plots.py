"""A dataset in pictures: for each task its returns, lengths, what was observed, and where episodes started."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from metasim.core.errors import InvalidConfig
from metasim.datasets.episode import EpisodeInfo
from metasim.datasets.reader import Dataset, Demo
from metasim.datasets.tools.canvas import FAINT, INK, Canvas
from metasim.work import write_atomically

Array = Any
KINDS = (".svg", ".png", ".html")
COLOURS = ("#1b6ca8", "#d1495b", "#3a9a5b", "#e0a030", "#7d5ba6", "#4a4e69", "#00a6a6", "#9c6644")
POINTS = 2000
"""At most so many observations of a task are drawn."""
BINS = 24
_PANEL_W, _PANEL_H, _GAP, _LEFT, _TOP, _TITLE = 210, 130, 46, 50, 44, 30


@dataclass(kw_only=True)
class _Group:
    """Episodes of one colour."""

    returns: list[float] = field(default_factory=list)
    lengths: list[float] = field(default_factory=list)
    starts: list[tuple[float, float]] = field(default_factory=list)
    seen: list[Array] = field(default_factory=list)


def plot(path: str | Path, out: str | Path) -> Path:
    """Write the pictures of a dataset to an .svg, .png or .html file that needs nothing else, and return it.

    Raises:
        InvalidConfig: If ``out`` ends otherwise.
        DatasetError: If the dataset cannot be read.
    """
    target = Path(out)
    kind = target.suffix.lower()
    if kind not in KINDS:
        raise InvalidConfig(f"pictures of a dataset are {', '.join(KINDS)}; got {str(target)!r}")
    canvas = draw(path)
    if kind == ".png":
        return write_atomically(target, canvas.png())
    page = canvas.svg()
    if kind == ".html":
        title = html.escape(Path(path).name)
        page = f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>\n{page}</html>\n'
    return write_atomically(target, page.encode())


def draw(path: str | Path) -> Canvas:
    """Return the pictures of a dataset: a row for each task, a colour for each policy, engine and split."""
    with Dataset(path) as data:
        infos = data.infos()
        labels, steps = _labels(infos), Counter[str]()
        for info in infos:
            steps[info.task] += info.num_samples
        tasks: dict[str, dict[str, _Group]] = {}
        about: dict[str, str] = {}
        for demo, label in zip(data, labels, strict=True):
            task = demo.info.task
            group = tasks.setdefault(task, {}).setdefault(label, _Group())
            about[task] = _gather(group, demo, max(1, -(-steps[task] // POINTS)))
        head = f"{data.path.name}: {len(data)} episodes, {data.header.total} steps"
    width = _LEFT + 4 * (_PANEL_W + _GAP)
    canvas = Canvas(width=width, height=_TOP + len(tasks) * (_PANEL_H + _TITLE + _GAP))
    canvas.text(12, 20, head, size=14)
    colours = {label: COLOURS[i % len(COLOURS)] for i, label in enumerate(dict.fromkeys(labels))}
    _legend(canvas, colours)
    for i, (task, groups) in enumerate(tasks.items()):
        top = _TOP + i * (_PANEL_H + _TITLE + _GAP)
        episodes = sum(len(group.returns) for group in groups.values())
        canvas.text(12, top + 16, f"{task} ({episodes} episodes)", size=12)
        _row(canvas, top + _TITLE, groups, colours, about[task])
    return canvas


def _labels(infos: Sequence[EpisodeInfo]) -> list[str]:
    """Return what tells each episode's colour: of policy, engine and split those that differ in the file."""
    fields = ("policy", "backend", "split")
    telling = [name for name in fields if len({getattr(info, name) for info in infos}) > 1] or ["policy"]
    return [", ".join(str(getattr(info, name)) for name in telling) for info in infos]


def _gather(group: _Group, demo: Demo, stride: int) -> str:
    """Add an episode to its group, and return what its start is called."""
    total = float(demo.array("rewards").sum())
    group.returns.append(total)
    group.lengths.append(float(len(demo)))
    if demo.task.observation:  # else there is nothing but pictures
        group.seen.append(demo.observation[::stride])
    sample = {name: np.ravel(value) for name, value in demo.sample.items() if np.asarray(value).dtype.kind in "fiu"}
    wide = [name for name, value in sample.items() if len(value) > 1]
    if wide:
        group.starts.append((float(sample[wide[0]][0]), float(sample[wide[0]][1])))
        return f"start: {wide[0]}[0] and [1]"
    single = [name for name, value in sample.items() if len(value)]
    if single:
        group.starts.append((float(sample[single[0]][0]), total))
        return f"start: {single[0]}, and return"
    return ""


def _row(canvas: Canvas, top: float, groups: dict[str, _Group], colours: dict[str, str], start: str) -> None:
    columns = [_LEFT + k * (_PANEL_W + _GAP) for k in range(4)]
    _histogram(canvas, columns[0], top, "return", {k: g.returns for k, g in groups.items()}, colours)
    _histogram(canvas, columns[1], top, "length (steps)", {k: g.lengths for k, g in groups.items()}, colours)
    seen = {label: np.concatenate(group.seen) for label, group in groups.items() if group.seen}
    if seen:
        projected, share = principal([*seen.values()])
        caption = f"observations, two main axes ({100 * share:.0f} % of variance)"
        points = {label: array for label, array in zip(seen, projected, strict=True)}
        _scatter(canvas, columns[2], top, caption, points, colours, 1.2)
    if start:
        starts = {label: np.array(group.starts) for label, group in groups.items()}
        _scatter(canvas, columns[3], top, start, starts, colours, 2.2)


def principal(parts: Sequence[Array]) -> tuple[list[Array], float]:
    """Return rows ``(n, D)`` on the two main axes of all of them, columns scaled alike, and their share of variance."""
    rows = np.concatenate(parts).astype(np.float64)
    rows = rows - rows.mean(axis=0)
    deviation = rows.std(axis=0)
    rows = rows / np.where(deviation > 1e-9, deviation, 1.0)
    _, strengths, axes = np.linalg.svd(rows, full_matrices=False)
    axes = np.vstack([axes, np.zeros((2, rows.shape[1]))])[:2]
    largest = np.abs(axes).argmax(axis=1)
    axes = axes * np.where(axes[[0, 1], largest] < 0, -1.0, 1.0)[:, None]
    share = float((strengths[:2] ** 2).sum() / max((strengths**2).sum(), 1e-30))
    return np.split(rows @ axes.T, np.cumsum([len(part) for part in parts])[:-1]), share


def _histogram(
    canvas: Canvas, left: float, top: float, caption: str, values: dict[str, list[float]], colours: dict[str, str]
) -> None:
    everything = np.concatenate([np.asarray(v, float) for v in values.values()])
    low, high = _limits(everything)
    edges = np.linspace(low, high, BINS + 1)
    counts = {label: np.histogram(v, edges)[0] for label, v in values.items()}
    tallest = max(int(sum(counts.values()).max()), 1)  # type: ignore[union-attr]
    _frame(canvas, left, top, caption, (f"{low:.4g}", f"{high:.4g}"), ("0", str(tallest)))
    base, width = np.zeros(BINS), _PANEL_W / BINS
    for label, heights in counts.items():
        for i, n in enumerate(heights.tolist()):
            if n:
                tall = n / tallest * _PANEL_H
                y = top + _PANEL_H - (base[i] + n) / tallest * _PANEL_H
                canvas.rectangle(left + i * width + 0.5, float(y), width - 1, tall, colours[label])
        base += heights


def _scatter(
    canvas: Canvas,
    left: float,
    top: float,
    caption: str,
    points: dict[str, Array],
    colours: dict[str, str],
    size: float,
) -> None:
    everything = np.concatenate(list(points.values()))
    (x0, x1), (y0, y1) = _limits(everything[:, 0]), _limits(everything[:, 1])
    _frame(canvas, left, top, caption, (f"{x0:.3g}", f"{x1:.3g}"), (f"{y0:.3g}", f"{y1:.3g}"))
    for label, rows in points.items():
        for x, y in rows.tolist():
            px, py = left + (x - x0) / (x1 - x0) * _PANEL_W, top + _PANEL_H - (y - y0) / (y1 - y0) * _PANEL_H
            canvas.dot(px, py, size, colours[label])


def _limits(values: Array) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return (low, high) if high - low > 1e-9 * max(1.0, abs(low)) else (low - 0.5, high + 0.5)


def _frame(canvas: Canvas, left: float, top: float, caption: str, x: tuple[str, str], y: tuple[str, str]) -> None:
    bottom = top + _PANEL_H
    canvas.line(left, bottom, left + _PANEL_W, bottom, INK)
    canvas.line(left, top, left, bottom, FAINT)
    canvas.text(left + _PANEL_W / 2, bottom + 27, caption, size=10, anchor="middle")
    canvas.text(left, bottom + 13, x[0], size=9)
    canvas.text(left + _PANEL_W, bottom + 13, x[1], size=9, anchor="end")
    canvas.text(left - 3, bottom, y[0], size=9, anchor="end")
    canvas.text(left - 3, top + 8, y[1], size=9, anchor="end")


def _legend(canvas: Canvas, colours: dict[str, str]) -> None:
    x = 12.0
    for label, colour in colours.items():
        canvas.rectangle(x, 29, 9, 9, colour)
        canvas.text(x + 13, 37, label, size=10)
        x += 13 + 6.2 * len(label) + 18
