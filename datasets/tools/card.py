"""A dataset's card: what is in it, how it was made, and how to check, read and cite it, as Markdown for people."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from metasim.datasets.reader import Dataset
from metasim.datasets.schema import NO_ENGINE, SCHEMA
from metasim.datasets.summary import Spread, Summary, inspect
from metasim.work import write_atomically

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10**12, "n>1M"))
SUITES: Mapping[str, str] = {
    "metaworld": "Meta-World's scenes and meshes, MIT, copyright 2019 Meta-World Team (package `envpool-assets`)",
    "classic": "gymnasium's MuJoCo models, MIT (package `gymnasium`)",
    "meta_rl": "gymnasium's MuJoCo models, MIT (package `gymnasium`), and metasim's own, Apache-2.0",
    "tabletop": "Franka Panda, Apache-2.0 (package `pybullet`); where a task has them, Meta-World's Sawyer, MIT, and"
    " MyoSuite's household objects, Apache-2.0 (packages `envpool-assets*`)",
}
"""Suite to what its scenes are made of, and on which terms."""


def write_card(path: str | Path, out: str | Path) -> Path:
    """Write the card of a dataset and return its path; see :func:`card`."""
    return write_atomically(out, card(path).encode())


def card(path: str | Path) -> str:
    """Return the card of a dataset: front matter as dataset hubs read it, then Markdown.

    Raises:
        DatasetError: If the dataset cannot be read.
    """
    summary = inspect(path)
    with Dataset(path) as data:
        header, names = data.header, data.path.name
        engines = sorted({info.backend for info in data.infos()})
    parts = [
        _front(summary),
        f"# {Path(names).stem}\n",
        f"{_several(summary.episodes, 'episode')}, {summary.steps:,} steps, of "
        f"{_several(len(header.tasks), 'robot-learning task')}, in one HDF5 file of {summary.size_bytes / 1e6:.1f} MB: "
        f"`{SCHEMA}`, which is robomimic's layout with the engine states, seeds and versions that a replay needs.\n",
        "## Tasks\n",
        _tasks(summary, header.tasks),
        "## Arrays\n",
        _arrays(header.tasks),
        "## How it was made\n",
        _made(header.collections, summary.versions),
        "## Masks\n" if summary.masks else "",
        _table(("mask", "episodes"), [(f"`{name}`", str(n)) for name, n in summary.masks.items()]),
        "## Check it\n",
        _check(Path(path), names, engines),
        "## Read it\n",
        _read(names, next(iter(header.tasks))),
        "## Licences\n",
        _licences(header.tasks),
    ]
    return "\n".join(part for part in parts if part)


def _front(summary: Summary) -> str:
    engines = sorted({row.backend for row in summary.tasks} - {NO_ENGINE})
    suites = sorted({row.task.partition("/")[0] for row in summary.tasks})
    size = next(name for most, name in SIZES if summary.steps < most)
    tags = ["robotics", "reinforcement-learning", "imitation-learning", "metasim", "hdf5", *engines, *suites]
    lines = ["---", f"pretty_name: {json.dumps(Path(summary.path).stem)}", "task_categories:", "- robotics"]
    lines += ["- reinforcement-learning", "tags:", *(f"- {json.dumps(tag)}" for tag in tags)]
    return "\n".join([*lines, "size_categories:", f"- {size}", "---\n"])


def _tasks(summary: Summary, tasks: Mapping[str, Any]) -> str:
    rows = [
        (
            *(f"`{row.task}`", tasks[row.task].instruction, row.backend, row.policy, row.split, str(row.episodes)),
            *(f"{row.successes} ({100 * row.successes / row.episodes:.0f} %)", _spread(row.lengths)),
            _spread(row.returns),
        )
        for row in summary.tasks
    ]
    heads = ("task", "instruction", "engine", "policy", "split", "episodes", "solved", "steps", "return")
    note = "Steps and returns: mean, and least to greatest of an episode.\n"
    return f"{_table(heads, rows)}\n{note}"


def _arrays(tasks: Mapping[str, Any]) -> str:
    groups: dict[str, list[str]] = {}
    for name, task in tasks.items():
        observed = ", ".join(f"{part} {size}" for part, size in task.observation)
        pictures = ", ".join(f"{part} {'x'.join(map(str, shape))} {kind}" for part, shape, kind in task.pictures)
        rate = f"{1 / task.control_period_s:g} Hz" if task.control_period_s > 0 else "unknown"
        row = f"{task.action_size}|{observed}|{pictures or '-'}|{rate}"
        groups.setdefault(row, []).append(name)
    rows = [(_names(names), *row.split("|")) for row, names in groups.items()]
    table = _table(("tasks", "actions", "observation", "pictures", "control"), rows)
    return f"{table}\nLengths in metres, angles in radians, quaternions w first; actions lie in [-1, 1].\n"


def _made(collections: Sequence[Mapping[str, Any]], versions: Mapping[str, str]) -> str:
    told = "\n".join(json.dumps(one, sort_keys=True) for one in collections)
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"With {named}; each line is one collection:\n\n```json\n{told}\n```\n"


def _check(path: Path, name: str, engines: Sequence[str]) -> str:
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    words = [
        "The file's SHA-256 is",
        f"`{digest}`.",
        "Each episode has a digest of its own (`sha256` in its attribute `episode`).",
    ]
    if list(engines) == [NO_ENGINE]:
        words.append("The episodes were imported: no engine here can replay them, and only the digests can be checked.")
    else:
        words.append("This checks them, and replays every episode from its start, bit by bit:")
    return f"{' '.join(words)}\n\n```console\n$ metasim verify {name}\n```\n"


def _read(name: str, task: str) -> str:
    return f"""```python
from metasim.datasets import Dataset
from metasim.datasets.training import SequenceDataset

with Dataset("{name}") as data:
    print(data.episode(0).info, data.stats("{task}")["actions"])
windows = SequenceDataset("{name}", length=16, normalise="standard")
print(windows[0]["obs"].shape)
```

Without metasim, any HDF5 library reads it: `/data/demo_<i>/obs/<name>`, `actions`, `rewards`, `dones`, `states`.
"""


def _licences(tasks: Mapping[str, Any]) -> str:
    suites = dict.fromkeys(name.partition("/")[0] for name in tasks)
    unknown = "ask whoever made the tasks for the terms of the assets"
    lines = [f"- `{suite}`: {SUITES.get(suite, unknown)}." for suite in suites]
    return "\n".join(
        [
            "The terms of the recordings themselves are their makers' to say (add `license:` above). Made with:\n",
            *lines,
            "",
        ]
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    listed = [tuple(cell.replace("|", "\\|") for cell in row) for row in rows]
    if not listed:
        return ""
    lines = [heads, ["---"] * len(heads), *listed]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _names(names: Sequence[str], most: int = 4) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _spread(spread: Spread) -> str:
    return f"{spread.mean:.1f} ({spread.min:.4g} to {spread.max:.4g})"


def _several(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
