"""One self-contained HTML page made from results: success, engines side by side, pictures, videos.

The page asks nobody for anything: pictures and videos are embedded, there is no script, and a content
security policy forbids the rest. Equal input gives equal bytes.
"""

from __future__ import annotations

import base64
import hashlib
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
from metasim.benchmarks.results import EpisodeResult, Results
from metasim.core.errors import MetasimError
from metasim.work import write_atomically

Media = Mapping[str, Mapping[str, bytes]]  # task → label (such as the engine) → file content
NOTHING: Media = MappingProxyType({})
PNG_HEAD = b"\x89PNG\r\n\x1a\n"
STRIP_LIMIT = 200  # more episodes than this do not fit a strip of little squares


class InvalidMedia(MetasimError, ValueError):
    """A picture that is not PNG, or a video that is not MP4."""


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """A picture or video as a data URI; ``width`` and ``height`` in pixels, 0 where unknown."""

    label: str
    uri: str
    width: int = 0
    height: int = 0


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


def write_report(
    results: Results,
    path: str | os.PathLike[str],
    pictures: Media = NOTHING,
    videos: Media = NOTHING,
    notes: Sequence[str] = (),
    *,
    instructions: Mapping[str, str] = MappingProxyType({}),
    command: str = "",
    title: str = "",
) -> Path:
    """Write the page to ``path``, all or nothing, and return the path.

    Args:
        results: What the page is about.
        path: The HTML file.
        pictures: Task → label, such as the engine → PNG. A name that is no task of the results gets a wide
            card of its own at the top, for example a montage.
        videos: The same for MP4 (H.264, which every browser plays).
        notes: Sentences that a reader must know to judge the page.
        instructions: Task → its one-sentence instruction.
        command: The command line that makes these results again.
        title: Heading; the protocol's name if empty.

    Raises:
        InvalidMedia: A picture is not PNG or a video not MP4.
    """
    return write_atomically(path, render(results, pictures, videos, notes, instructions, command, title))


def render(
    results: Results,
    pictures: Media = NOTHING,
    videos: Media = NOTHING,
    notes: Sequence[str] = (),
    instructions: Mapping[str, str] = MappingProxyType({}),
    command: str = "",
    title: str = "",
) -> bytes:
    """Return the page that :func:`write_report` writes."""
    import jinja2

    loader = jinja2.PackageLoader("metasim.benchmarks", "templates")
    engine = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    engine.filters.update(percent=statistics.percent, share=_share, p_value=_p_value)
    arms = sorted({(e.backend, e.policy) for e in results.episodes})
    tasks = _in_order({e.task for e in results.episodes}, results.config.get("tasks"))
    cards = _cards(results, arms, tasks, pictures, videos, instructions)
    versions = results.config.get("versions")
    page = engine.get_template("report.html.jinja").render(
        title=title or results.protocol,
        results=results,
        arms=arms,
        one_policy=len({policy for _, policy in arms}) == 1,
        overall=statistics.overall(results),
        cards=[card for card in cards if card.name in tasks],
        featured=[card for card in cards if card.name not in tasks],
        comparisons=_comparisons(results, arms, tasks),
        notes=[str(note) for note in notes],
        command=command,
        versions=versions if isinstance(versions, Mapping) else {},
        config=json.dumps(thaw(results.config), indent=2, ensure_ascii=False),
        digest=hashlib.sha256(results.to_bytes()).hexdigest(),
        strip_limit=STRIP_LIMIT,
    )
    return page.encode("utf-8", "replace")  # a lone surrogate, which JSON allows, becomes a question mark


def _in_order(tasks: Collection[str], listed: object) -> list[str]:
    """Return the tasks in the order that the configuration lists them in, then the rest by name."""
    names: tuple[object, ...] = listed if isinstance(listed, tuple) else ()
    rank = {name: index for index, name in enumerate(names) if isinstance(name, str)}
    return sorted(tasks, key=lambda name: (rank.get(name, len(rank)), name))


def _cards(
    results: Results,
    arms: Sequence[tuple[str, str]],
    tasks: Sequence[str],
    pictures: Media,
    videos: Media,
    instructions: Mapping[str, str],
) -> list[Card]:
    rows = {(row.task, row.backend, row.policy): row for row in statistics.summarise(results)}
    episodes: dict[str, list[EpisodeResult]] = defaultdict(list)
    for e in results.episodes:
        episodes[e.task].append(e)
    return [
        Card(
            name=name,
            short=name.rsplit("/", 1)[-1] or name,
            instruction=str(instructions.get(name, "")),
            rows=tuple(rows.get((name, *arm)) for arm in arms),
            strips=tuple(tuple(e for e in episodes[name] if (e.backend, e.policy) == arm) for arm in arms),
            episodes=tuple(episodes[name]),
            pictures=tuple(_picture(name, label, data) for label, data in sorted(pictures.get(name, {}).items())),
            videos=tuple(_video(name, label, data) for label, data in sorted(videos.get(name, {}).items())),
        )
        for name in [*tasks, *sorted({*pictures, *videos} - {*tasks})]
    ]


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


def _picture(task: str, label: str, data: bytes) -> Embedded:
    if not data.startswith(PNG_HEAD) or len(data) < 33:
        raise InvalidMedia(f"picture {label!r} of {task!r}: expected the bytes of a PNG file, got {data[:8]!r}…")
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    return Embedded(label=label, uri=_uri("image/png", data), width=width, height=height)


def _video(task: str, label: str, data: bytes) -> Embedded:
    if data[4:8] != b"ftyp":
        raise InvalidMedia(f"video {label!r} of {task!r}: expected the bytes of an MP4 file, got {data[:12]!r}…")
    return Embedded(label=label, uri=_uri("video/mp4", data))


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _share(value: float) -> str:
    """Return a share as a length in SVG: percent, four decimals at most."""
    return f"{100.0 * value:.4g}%"


def _p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"
