"""Files that a training goes on from: arrays and a header of JSON, without pickle; under the same torch only.

Beside such a file lies ``config.json``, whose ``versions`` say what the training ran with so far.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from metasim.core.errors import InvalidConfig, MissingDependency
from metasim.policies.learned import HEADER, InvalidPolicy
from metasim.work import draft

try:
    from safetensors import SafetensorError, safe_open  # pyright: ignore[reportMissingImports]
    from safetensors.numpy import save_file  # pyright: ignore[reportMissingImports]
except ModuleNotFoundError as error:
    raise MissingDependency(
        f'training needs {error.name!r}, which is not installed: pip install "metasim-robotics[learn]"'
    ) from error

Array = Any
CONFIG = "config.json"


def write_state(path: Path, schema: str, header: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write arrays, and plain JSON values ``header``, all or nothing."""
    contiguous = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
    with draft(path) as name:
        save_file(contiguous, name, metadata={HEADER: json.dumps({"schema": schema, **header})})


def read_header(path: Path, schema: str) -> dict[str, Any]:
    """Return the JSON of a state file.

    Raises:
        InvalidPolicy: If it is damaged or of another schema.
    """
    try:
        with safe_open(path, framework="numpy") as opened:
            header = json.loads((opened.metadata() or {})[HEADER])
        found = header["schema"]
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InvalidPolicy(f"{path} is damaged ({error}); delete it to train from the beginning") from error
    if found != schema:
        raise InvalidPolicy(f"{path}: expected {schema!r}, got {found!r}")
    return header


def read_state(path: Path, schema: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the header and the arrays of a state that a training goes on from here.

    Raises:
        InvalidPolicy: If it is damaged, or of another schema.
        InvalidConfig: If it was written under another version of torch: what came of it would be neither version's.
    """
    header = read_header(path, schema)
    _check_torch(path.with_name(CONFIG))
    with safe_open(path, framework="numpy") as opened:
        return header, {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  no mapping


def _check_torch(config: Path) -> None:
    try:
        before = json.loads(config.read_bytes())["versions"]["torch"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidConfig(
            f"{config} does not say which torch the training has run with ({error!r}); give another --out, or delete it"
        ) from error
    here = importlib.metadata.version("torch")
    if before != here:
        raise InvalidConfig(
            f"{config.parent} holds a training with another torch: {before!r} instead of {here!r};"
            f" go on with that one, give another --out, or delete it"
        )
