"""Pages of documentation made of stored reports: tables and goals, nothing added by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metasim.benchmarks.measuring.report import stored
from metasim.core.errors import InvalidConfig
from metasim.work import write_atomically


@dataclass(frozen=True)
class Section:
    """What a page says above the table of a benchmark.

    Args:
        title: Its heading.
        words: What was compared; empty where the title says it.
    """

    title: str
    words: str = ""


def write(files: Sequence[Path], out: Path, head: str, sections: Mapping[str, Section]) -> None:
    """Write a page.

    Args:
        files: Reports, one of each benchmark.
        out: The Markdown file.
        head: What the page begins with.
        sections: Benchmark to its section, in the order of the page.

    Raises:
        InvalidConfig: For no file, one that is no report of these benchmarks, or two of the same benchmark.
    """
    if not files:
        raise InvalidConfig(f"give one report or more, of {list(sections)}; their commands write them with --out")
    found: dict[str, Mapping[str, Any]] = {}
    for file in files:
        data = stored(file)
        name = data["benchmark"]
        if name not in sections:
            raise InvalidConfig(f"{file} is a report of {name!r}, which is none of {list(sections)}")
        if name in found:
            raise InvalidConfig(f"{file} is a second report of the benchmark {name!r}; give one of each")
        found[name] = data
    parts = [head, *(_section(found[name], section) for name, section in sections.items() if name in found)]
    write_atomically(out, "\n".join(parts).encode())


def _section(data: Mapping[str, Any], section: Section) -> str:
    columns = data["columns"]
    settings = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in data["settings"].items())
    words = [section.words, ""] if section.words else []
    lines = [f"## {section.title}", "", *words, f"`{data['benchmark']}`: {settings}.", ""]
    lines += [f"| | {' | '.join(c['heading'] for c in columns)} |", f"|---|{'---:|' * len(columns)}"]
    for row in data["rows"]:
        cells = (f"{row[c['key']]:,.{c['digits']}f}" if c["key"] in row else "–" for c in columns)
        lines.append(f"| {_short(row['name'])} | {' | '.join(cells)} |")
    lines.append("")
    goals = {goal["key"]: goal for goal in data["goals"]}
    for key, value in data["summary"].items():
        goal = goals.get(key)
        verdict = f" (wanted: {goal['wanted']}; {'reached' if goal['reached'] else 'missed'})" if goal else ""
        lines.append(f"- {key.replace('_', ' ')}: {value:.4g}{verdict}")
    machine = data["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in data["versions"].items())
    lines += ["", f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}; {versions}.", ""]
    return "\n".join(lines)


def _short(name: str) -> str:
    """Return a row's name with task ids cut down to their names."""
    return re.sub(r"\b[a-z_]+/([a-z0-9-]+)-v\d+", r"\1", name)
