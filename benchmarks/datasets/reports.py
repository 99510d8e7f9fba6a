"""Reports as files: what a benchmark found, with the columns of its table, so that a page needs nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from metasim.benchmarks.throughput.report import Report
from metasim.core.errors import InvalidConfig
from metasim.work import write_atomically

_KEYS = {"benchmark", "columns", "rows", "summary", "goals", "machine", "settings", "versions"}


def save(report: Report, path: Path) -> Path:
    """Write a report as JSON and return the path."""
    data = {**report.data(), "columns": [asdict(column) for column in report.columns]}
    return write_atomically(path, json.dumps(data, indent=1).encode() + b"\n")


def stored(path: Path) -> Mapping[str, Any]:
    """Return what :func:`save` wrote.

    Raises:
        InvalidConfig: If the file is missing, or something else.
    """
    try:
        data = json.loads(path.read_bytes())
        lacks = _KEYS - set(data)
    except (OSError, ValueError, TypeError) as error:
        raise InvalidConfig(f"{path} is not a report that --out wrote: {error}") from error
    if lacks or not isinstance(data, dict):
        raise InvalidConfig(f"{path} is not a report that --out wrote: it lacks {sorted(lacks)}")
    return data
