"""One self-contained HTML page made from results: success, engines side by side, heat maps, curves, tables, films.

The page asks nobody for anything: pictures and videos are embedded, a content security policy forbids the rest, and
the one script in it, which copies tables, is allowed by its digest. Equal input gives equal bytes.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import itertools
import json
import os
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from metasim.benchmarks import statistics
from metasim.benchmarks.checking import thaw
from metasim.benchmarks.condition import Condition
from metasim.benchmarks.report.charts import Chart, Heatmap
from metasim.benchmarks.report.learned import described
from metasim.benchmarks.report.media import (
    NOTHING,
    Embedded,
    Filmstrip,
    Media,
    Video,
    embedded_picture,
    embedded_video,
)
from metasim.benchmarks.results import EpisodeResult, Results
from metasim.work import write_atomically

STRIP_LIMIT = 200  # more episodes than this do not fit a strip of little squares
LIST_LIMIT = 5000  # more episodes than this make a page that no browser likes


@dataclass(frozen=True, kw_only=True)
class Card:
    """What the page shows about one task; ``rows`` and ``strips`` follow the arms (``None``: not run)."""

    name: str
    short: str
    instruction: str
    rows: tuple[statistics.Row | None, ...]
    strips: tuple[tuple[EpisodeResult, ...], ...]
    episodes: tuple[EpisodeResult, ...]
    pictures: tuple[Embedded, ...]
    videos: tuple[Embedded, ...]
    films: tuple[tuple[str, tuple[Embedded, ...]], ...]
    filmstrips: tuple[Embedded, ...]
    levels: tuple[Embedded, ...]


def write_report(
    results: Results,
    path: str | os.PathLike[str],
    pictures: Media = NOTHING,
    videos: Media = NOTHING,
    notes: Sequence[str] = (),
    *,
    media: Sequence[Filmstrip | Video] = (),
    instructions: Mapping[str, str] = MappingProxyType({}),
    command: str = "",
    title: str = "",
) -> Path:
    """Write the page to ``path``, all or nothing, and return the path.

    Args:
        results: What the page is about.
        path: The HTML file.
        pictures: Task → label, such as the engine → PNG or JPEG. A name that is no task of the results gets a wide
            card of its own at the top, for example a montage.
        videos: The same for MP4 (H.264, which every browser plays).
        notes: Sentences that a reader must know to judge the page.
        media: Filmstrips and videos of single episodes; videos of one group stand side by side.
        instructions: Task → its one-sentence instruction.
        command: The command line that makes these results again.
        title: Heading; the protocol's name if empty.

    Raises:
        InvalidMedia: A picture is neither PNG nor JPEG or a video not MP4.
    """
    return write_atomically(path, render(results, pictures, videos, notes, instructions, command, title, media))


def render(
    results: Results,
    pictures: Media = NOTHING,
    videos: Media = NOTHING,
    notes: Sequence[str] = (),
    instructions: Mapping[str, str] = MappingProxyType({}),
    command: str = "",
    title: str = "",
    media: Sequence[Filmstrip | Video] = (),
) -> bytes:
    """Return the page that :func:`write_report` writes."""
    import jinja2

    loader = jinja2.PackageLoader("metasim.benchmarks", "templates")
    engine = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    engine.filters.update(
        percent=statistics.percent,
        share=_share,
        p_value=statistics.format_p,
        interval=statistics.format_rate,
        odds=statistics.format_share,
    )
    script = importlib.resources.files("metasim.benchmarks").joinpath("templates", "report.js").read_text("utf-8")
    arms = sorted({(e.backend, e.policy) for e in results.episodes})
    tasks = _in_order({e.task for e in results.episodes}, results.config.get("tasks"))
    rows, totals = statistics.summarise(results), statistics.overall(results)
    base = min((row.condition for row in rows), key=lambda c: c.order, default=Condition())
    plain = results.only(condition=base)
    cards = _cards(results, plain, arms, tasks, pictures, videos, media, instructions)
    versions = results.config.get("versions")
    page = engine.get_template("report.html.jinja").render(
        title=title or results.protocol,
        results=results,
        arms=arms,
        learned=described(results),
        one_policy=len({policy for _, policy in arms}) == 1,
        base=base.label if len({row.condition.order for row in rows}) > 1 else "",
        overall=[o for o in totals if o.condition == base],
        cards=[card for card in cards if card.name in tasks],
        featured=[card for card in cards if card.name not in tasks],
        comparisons=_comparisons(plain, arms, tasks),
        **_figures(results, plain, rows, totals, arms, tasks, base),
        notes=[str(note) for note in notes],
        command=command,
        versions=versions if isinstance(versions, Mapping) else {},
        config=json.dumps(thaw(results.config), indent=2, ensure_ascii=False),
        digest=hashlib.sha256(results.to_bytes()).hexdigest(),
        strip_limit=STRIP_LIMIT,
        listed=len(results.episodes) <= LIST_LIMIT,
        conditioned=any(e.condition != Condition() for e in results.episodes),
        script=script,
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return page.encode("utf-8", "replace")  # a lone surrogate, which JSON allows, becomes a question mark


def _figures(
    results: Results,
    plain: Results,
    rows: Sequence[statistics.Row],
    totals: Sequence[statistics.Overall],
    arms: Sequence[tuple[str, str]],
    tasks: Sequence[str],
    base: Condition,
) -> dict[str, Any]:
    """Return heat maps, curves and tables to paste."""
    from metasim.benchmarks.report import drops, figures

    several = len({policy for _, policy in arms}) > 1
    named = {arm: " · ".join(arm) if several else arm[0] for arm in arms}
    heat: list[Heatmap] = figures.heat_maps(rows, totals, named, tasks, base)
    charts: list[Chart] = figures.curves(totals, named)
    costs, across = drops.against_control(results, named), drops.across_engines(results, named)
    more = [*drops.pasteable(costs, "Against the control"), *drops.pasteable(across, "Across engines")]
    return {
        "drops": costs,
        "across": across,
        "refused": drops.not_applicable(results),
        "heat_maps": heat,
        "duels": figures.duels(plain, named),
        "profiles": figures.profiles(rows, named, base),
        "curves": charts,
        "tables": [*figures.pasteable(rows, totals), *more] if rows else [],
    }


def _in_order(tasks: Collection[str], listed: object) -> list[str]:
    """Return the tasks in the order that the configuration lists them in, then the rest by name."""
    names: tuple[object, ...] = listed if isinstance(listed, tuple) else ()
    rank = {name: index for index, name in enumerate(names) if isinstance(name, str)}
    return sorted(tasks, key=lambda name: (rank.get(name, len(rank)), name))


def _cards(
    results: Results,
    plain: Results,
    arms: Sequence[tuple[str, str]],
    tasks: Sequence[str],
    pictures: Media,
    videos: Media,
    media: Sequence[Filmstrip | Video],
    instructions: Mapping[str, str],
) -> list[Card]:
    rows = {(row.task, row.backend, row.policy): row for row in statistics.summarise(plain)}
    every, shown = defaultdict[str, list[EpisodeResult]](list), defaultdict[str, list[EpisodeResult]](list)
    for episodes, by_task in ((results.episodes, every), (plain.episodes, shown)):
        for e in episodes:
            by_task[e.task].append(e)
    others = {*pictures, *videos, *(item.task for item in media)} - {*tasks}
    return [
        Card(
            name=name,
            short=name.rsplit("/", 1)[-1] or name,
            instruction=str(instructions.get(name, "")),
            rows=tuple(rows.get((name, *arm)) for arm in arms),
            strips=tuple(tuple(e for e in shown[name] if (e.backend, e.policy) == arm) for arm in arms),
            episodes=tuple(every[name]),
            pictures=tuple(embedded_picture(name, *item) for item in sorted(pictures.get(name, {}).items())),
            videos=tuple(embedded_video(name, *item) for item in sorted(videos.get(name, {}).items())),
            films=_films([item for item in media if isinstance(item, Video) and item.task == name]),
            filmstrips=_strips(name, media, failure=True),
            levels=_strips(name, media, failure=False),
        )
        for name in [*tasks, *sorted(others)]
    ]


def _strips(task: str, media: Sequence[Filmstrip | Video], *, failure: bool) -> tuple[Embedded, ...]:
    mine = [item for item in media if isinstance(item, Filmstrip) and item.task == task and item.failure == failure]
    return tuple(embedded_picture(task, item.label, item.image, item.caption) for item in mine)


def _films(videos: Sequence[Video]) -> tuple[tuple[str, tuple[Embedded, ...]], ...]:
    """Return the videos group by group, in the order given."""
    groups: dict[str, list[Embedded]] = {}
    for video in videos:
        groups.setdefault(video.group, []).append(embedded_video(video.task, video.label, video.clip, video.caption))
    return tuple((name, tuple(group)) for name, group in groups.items())


def _comparisons(results: Results, arms: Sequence[tuple[str, str]], tasks: Sequence[str]) -> list[dict[str, Any]]:
    """Return, for each pair of engines and policy with common episodes, both rows and how they agree."""
    rows = {(row.task, row.backend, row.policy): row for row in statistics.summarise(results)}
    groups: list[dict[str, Any]] = []
    for first, second in itertools.combinations(sorted({backend for backend, _ in arms}), 2):
        pairs = sorted(statistics.compare(results, first, second), key=lambda pair: tasks.index(pair.task))
        for policy in sorted({pair.policy for pair in pairs}):
            mine = [pair for pair in pairs if pair.policy == policy]
            groups.append(
                {
                    "engines": (first, second),
                    "policy": policy,
                    "colours": [arms.index((engine, policy)) for engine in (first, second)],
                    "lines": [(pair, [rows[pair.task, engine, policy] for engine in (first, second)]) for pair in mine],
                    "alike": sum(pair.both + pair.neither for pair in mine),
                    "n": sum(pair.n for pair in mine),
                }
            )
    return groups


def _share(value: float) -> str:
    """Return a share as a length in SVG: percent, four decimals at most."""
    return f"{100.0 * value:.4g}%"
