"""Which episodes of results are worth a film, and which moments of them; bounded, since each is run again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metasim.benchmarks.condition import CONTROL, Condition
from metasim.benchmarks.episode import EpisodeResult
from metasim.benchmarks.results import Results

WORST_CELLS = 2  # of each task, engine and policy
MOST_STRIPS = 60
MOST_SIDES = 4  # engines and policies that are filmed side by side

When = Callable[[float], Sequence[int]]
"""From the control period [s] to the steps after which a frame is drawn, ascending."""


@dataclass(frozen=True, kw_only=True)
class Shots:
    """What is drawn of an episode: so many frames, evenly spread from start to end, or so many a second.

    Attributes:
        size: Width and height in pixels.
        frames: How many, if they are counted; one is the start alone, for which nothing is run.
        fps: Frames per second, if they are not; the nearest that is a whole number of steps is taken.
        tail_s: How long a solved episode is still shown.
    """

    size: tuple[int, int]
    frames: int = 0
    fps: float = 0.0
    tail_s: float = 1.0

    def of(self, e: EpisodeResult) -> When:
        """Return when an episode is drawn."""

        def when(period_s: float) -> list[int]:
            if self.frames:
                return sorted({int(k) for k in np.linspace(0, e.length, self.frames).round()})
            end, stride = e.length, self.stride(period_s)
            if e.first_success_step is not None:
                end = min(end, e.first_success_step + round(self.tail_s / period_s))
            return sorted({*range(0, end + 1, stride), end})

        return when

    def stride(self, period_s: float) -> int:
        """Return how many steps lie between frames that are not counted."""
        return max(1, round(1.0 / (self.fps * period_s)))

    def rate(self, e: EpisodeResult, period_s: float) -> float:
        """Return frames per second at the speed the world moved."""
        if self.frames:
            return max(1, self.frames - 1) / (max(1, e.length) * period_s)
        return 1.0 / (self.stride(period_s) * period_s)


def unsolved(results: Results, count: int) -> tuple[list[EpisodeResult], int]:
    """Return the first ``count`` unsolved episodes of the worst cells, and how many cells that have some are left out.

    Of each task, engine and policy the :data:`WORST_CELLS` conditions with the lowest success are taken; of conditions
    whose episodes all went the same way, such as those that differ in looks before a policy that sees none, the highest
    level, or else the first.
    """
    arms: dict[tuple[Any, ...], dict[Condition, list[EpisodeResult]]] = {}
    for e in results.episodes:
        arms.setdefault(e.key[:3], {}).setdefault(e.condition, []).append(e)
    ranked = list[tuple[int, float, int, list[EpisodeResult]]]()
    left_out = 0
    for number, cells in enumerate(arms.values()):
        for rank, (share, cell) in enumerate(_worst_first(cells)):
            if rank < WORST_CELLS:
                ranked.append((rank, share, number, [e for e in cell if not e.success_any][: min(count, MOST_STRIPS)]))
            else:
                left_out += 1
    ranked.sort(key=lambda row: row[:3])
    chosen = list[EpisodeResult]()
    for *_, films in ranked:
        if chosen and len(chosen) + len(films) > MOST_STRIPS:
            left_out += 1
        else:
            chosen += films
    return sorted(chosen, key=lambda e: (e.key[:3], e.condition.order, e.seed, e.episode)), left_out


def starts(results: Results) -> list[list[EpisodeResult]]:
    """Return, for each task, its first episode under every level, in one engine and of one policy."""
    tasks: dict[str, dict[Condition, EpisodeResult]] = {}
    for e in results.episodes:
        if e.condition.level and not e.condition.factor:
            found = tasks.setdefault(e.task, {}).setdefault(e.condition, e)
            if (e.episode, e.seed, e.backend) < (found.episode, found.seed, found.backend):
                tasks[e.task][e.condition] = e
    rows = [[found[c] for c in sorted(found, key=lambda c: c.order)] for found in tasks.values()]
    return [row for row in rows if len(row) > 1]


def shown_together(results: Results, count: int) -> list[tuple[str, list[EpisodeResult]]]:
    """Return groups of episodes to be filmed side by side, with what a group shows ("" for one engine and policy).

    They are the first ``count`` starts of each task under the first condition and under the highest level, if any. With
    one engine and policy these two stand side by side; else a group has one condition, and every engine and policy.
    """
    arms = list(dict.fromkeys((e.backend, e.policy) for e in results.episodes))[:MOST_SIDES]
    cells: dict[str, dict[Condition, dict[tuple[int, int], list[EpisodeResult]]]] = {}
    for e in results.episodes:
        if (e.backend, e.policy) in arms:
            cells.setdefault(e.task, {}).setdefault(e.condition, {}).setdefault((e.seed, e.episode), []).append(e)
    groups = list[tuple[str, list[EpisodeResult]]]()
    for found in cells.values():
        conditions = _two(list(found))
        firsts = {c: [found[c][key] for key in sorted(found[c])[:count]] for c in conditions}
        if len(arms) == 1:
            length = max(len(rows) for rows in firsts.values())
            groups += [
                ("", [e for rows in firsts.values() for row in rows[k : k + 1] for e in row]) for k in range(length)
            ]
        else:
            groups += [(c.label if c != Condition() else "", row) for c, rows in firsts.items() for row in rows]
    return groups


def _worst_first(cells: dict[Condition, list[EpisodeResult]]) -> list[tuple[float, list[EpisodeResult]]]:
    """Return share of solved episodes and episodes of the cells with unsolved ones, each way to go once."""
    found = dict[tuple[Any, ...], tuple[float, list[EpisodeResult]]]()
    for condition in sorted(cells, key=lambda c: c.order):
        cell = cells[condition]
        share = sum(e.success_any for e in cell) / len(cell)
        own_starts = bool(condition.level) and condition.level != CONTROL
        went = ((e.seed, e.episode, e.length, e.first_success_step, e.episode_return) for e in cell)
        way = (own_starts, *went)
        if share < 1.0 and not (condition.factor and way in found):
            found[way] = (share, cell)
    return sorted(found.values(), key=lambda row: row[0])


def _two(conditions: list[Condition]) -> list[Condition]:
    """Return the first condition and the highest level; where there are no levels, the last, beside a control none."""
    ordered = sorted(conditions, key=lambda c: c.order)
    levels = [c for c in ordered if c.level and c.level != CONTROL and not c.factor]
    others = levels or ([] if ordered[0].level == CONTROL else ordered)
    return list(dict.fromkeys([ordered[0], *others[-1:]]))
