"""The page about what datasets promise and cost: tables of reports, nothing added by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metasim.benchmarks.datasets.reports import stored
from metasim.core.errors import InvalidConfig
from metasim.work import write_atomically

HEAD = """# Datasets, measured

Made by `python -m metasim.benchmarks.datasets page` from the reports that the same program's other commands wrote with
`--out`. Ratios and shares are of sides that took turns in one run; times are of the machine named below each table.
"""
SECTIONS = {
    "kills": (
        "Collections that are killed",
        "`kill -9` while a collection runs, called again until its dataset is there. Most kills come at a moment drawn"
        " from the whole length of an undisturbed run, the others soon after the merge began. *starting* is a run"
        " before its first new episode, *merging* lasts until the dataset has its name, *closing* until the files of"
        " single episodes are gone. *parent* and *worker*: only that process was killed, else all. *at stake*:"
        " finished episodes that were there when a kill came, and were looked for after it.",
    ),
    "writing": (
        "What writing costs",
        "The same episodes recorded and thrown away, and recorded, each in a file of its own, and merged into one"
        " that is flushed to disk. Times are per episode, in one process, with the scene and the worlds ready.",
    ),
    "experts": (
        "Expert demonstrations against the original",
        "`metasim collect` against the original Meta-World with its own scripted policies and a plain h5py file for"
        " each process, whole commands with their start-up.",
    ),
    "experts-full": (
        "Expert demonstrations of full length",
        "The same, with every episode of 500 steps.",
    ),
    "merge": (
        "Joining many episodes",
        "`merge` in a fresh process, imports not counted, against `shutil.copyfile` and `fsync` of the same files.",
    ),
    "windows": (
        "Windows of steps for training",
        "Random access to windows of steps and to pictures, one at a time: `SequenceDataset`, which makes tensors,"
        " against the same rows through h5py datasets that are open already, robomimic's `SequenceDataset` without its"
        " cache, and, for pictures, zlib on the bytes of the chunk.",
    ),
}


def write(files: Sequence[Path], out: Path) -> None:
    """Write the page.

    Raises:
        InvalidConfig: For a file that is no report of these benchmarks, or two of the same benchmark.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for file in files:
        data = stored(file)
        name = data["benchmark"]
        if name in found:
            raise InvalidConfig(f"{file} is a second report of the benchmark {name!r}; give one of each")
        found[name] = data
    known = [name for name in SECTIONS if name in found]
    others = [name for name in found if name not in SECTIONS]
    titles = {name: (name.capitalize(), "") for name in others} | SECTIONS
    parts = [HEAD, *(_section(found[name], *titles[name]) for name in [*known, *others])]
    write_atomically(out, "\n".join(parts).encode())


def _section(data: Mapping[str, Any], title: str, words: str) -> str:
    columns = data["columns"]
    lines = [f"## {title}", "", *([words, ""] if words else []), f"`{data['benchmark']}`: {_settings(data)}.", ""]
    lines += [f"| | {' | '.join(c['heading'] for c in columns)} |", f"|---|{'---:|' * len(columns)}"]
    for row in data["rows"]:
        cells = (f"{row[c['key']]:,.{c['digits']}f}" if c["key"] in row else "–" for c in columns)
        lines.append(f"| {_short(row['name'])} | {' | '.join(cells)} |")
    goals = {goal["key"]: goal for goal in data["goals"]}
    lines.append("")
    for key, value in data["summary"].items():
        goal = goals.get(key)
        verdict = f" (wanted: {goal['wanted']}; {'reached' if goal['reached'] else 'missed'})" if goal else ""
        lines.append(f"- {key.replace('_', ' ')}: {value:.4g}{verdict}")
    machine = data["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in data["versions"].items())
    lines += ["", f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}; {versions}.", ""]
    return "\n".join(lines)


def _settings(data: Mapping[str, Any]) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in data["settings"].items())


def _short(name: str) -> str:
    """Return a row's name with task ids cut down to their names."""
    return re.sub(r"\b[a-z_]+/([a-z0-9-]+)-v\d+", r"\1", name)
