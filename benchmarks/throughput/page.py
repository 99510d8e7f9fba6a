"""The page about speed: tables of reports that were written as JSON, nothing added by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metasim.benchmarks.throughput import (
    adapters,
    classic,
    mixed,
    mujoco_batch,
    peers,
    pybullet_replay,
    resets,
    startup,
)
from metasim.core.errors import InvalidConfig
from metasim.work import write_atomically

HEAD = """# Speed

Ratios measured side by side in one run; steps per second are of the machine named below each table and mean little on
another. Made by `python -m metasim.benchmarks.throughput page` from the reports that the same program's other
commands wrote with `--json`.
"""
SECTIONS = {
    "batch": ("Against a bare batch of the engine", mujoco_batch.COLUMNS),
    "classic": ("The classic suite against envpool and gymnasium's SyncVectorEnv", classic.COLUMNS),
    "envpool": ("Against envpool", peers.COLUMNS),
    "metaworld": ("One environment against the original's", peers.COLUMNS),
    "metaworld-vector": ("Against the original in gymnasium's SyncVectorEnv", peers.COLUMNS),
    "mixed": ("Many tasks in one environment", mixed.COLUMNS),
    "resets": ("New episodes", resets.COLUMNS),
    "adapters": ("What adapters cost", adapters.COLUMNS),
    "pybullet": ("PyBullet against a bare loop that repeats its commands", pybullet_replay.COLUMNS),
    "startup": ("Start", startup.COLUMNS),
}


def write(files: Sequence[Path], out: Path) -> None:
    """Write the page.

    Raises:
        InvalidConfig: For a file that is no report of these benchmarks, or two of the same benchmark.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for file in files:
        data = _read(file)
        if data["benchmark"] in found:
            raise InvalidConfig(f"{file} is a second report of the benchmark {data['benchmark']!r}; give one of each")
        found[data["benchmark"]] = data
    parts = [HEAD, *(_section(found[name], *SECTIONS[name]) for name in SECTIONS if name in found)]
    write_atomically(out, "\n".join(parts).encode())


def _read(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text())
        known = data["benchmark"] in SECTIONS and {"rows", "summary", "goals", "machine", "settings"} <= set(data)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidConfig(f"{file} is not a report that --json wrote: {error}") from error
    if not known:
        raise InvalidConfig(f"{file} is a report of {data['benchmark']!r}, which is none of {list(SECTIONS)}")
    return data


def _short(name: str) -> str:
    """Return a row's name with task ids cut down to their names."""
    return re.sub(r"\b[a-z_]+/([a-z0-9-]+)-v\d+", r"\1", name)


def _section(data: Mapping[str, Any], title: str, columns: Sequence[Any]) -> str:
    settings = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in data["settings"].items())
    goals = {goal["key"]: goal for goal in data["goals"]}
    lines = [f"## {title}", "", f"`{data['benchmark']}`: {settings}.", ""]
    lines += [f"| | {' | '.join(c.heading for c in columns)} |", f"|---|{'---:|' * len(columns)}"]
    for row in data["rows"]:
        cells = (f"{row[c.key]:,.{c.digits}f}" if c.key in row else "–" for c in columns)
        lines.append(f"| {_short(row['name'])} | {' | '.join(cells)} |")
    lines.append("")
    for key, value in data["summary"].items():
        goal = goals.get(key)
        verdict = f" (wanted: {goal['wanted']}; {'reached' if goal['reached'] else 'missed'})" if goal else ""
        lines.append(f"- {key.replace('_', ' ')}: {value:.2f}{verdict}")
    machine = data["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in data["versions"].items())
    lines += ["", f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}; {versions}.", ""]
    return "\n".join(lines)
