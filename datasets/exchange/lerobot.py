"""LeRobot's dataset, version 3: written by its own code, in an interpreter of its own, since its pins exclude ours."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from metasim.core.errors import DatasetError, InvalidConfig, MissingDependency, UnknownName
from metasim.datasets import hdf5
from metasim.datasets.episode import TaskInfo
from metasim.datasets.exchange.chosen import Chosen
from metasim.datasets.exchange.lerobot_script import MISSING
from metasim.datasets.exchange.options import Converted, ExportOptions
from metasim.datasets.exchange.rooms import room
from metasim.datasets.reader import Dataset

VARIABLE = "METASIM_LEROBOT_PYTHON"
SCRIPT = Path(__file__).with_name("lerobot_script.py")
HOW = (
    "make one with `python -m venv lerobot` and `lerobot/bin/pip install lerobot h5py`, and give "
    f"--python lerobot/bin/python, or set {VARIABLE}"
)
_LAST_LINES = 3
_CHANNELS = (1, 3)


def export(data: Dataset, out: Path, options: ExportOptions) -> Converted:
    """Write the folder ``out``.

    Raises:
        MissingDependency: If there is no interpreter for it, or no lerobot in it.
        DatasetError: If LeRobot refuses what it is given.
        InvalidConfig: If the control rate is unknown, or no whole number, and ``fps`` is not given.
        UnknownName: For an observation that there is not.
    """
    chosen = Chosen(data, options.task)
    _, task = chosen.only_task("LeRobot")
    python = _python(options.python)
    job: dict[str, Any] = {"file": str(data.path.resolve()), "name": options.name or f"metasim/{out.name}"}
    job |= {"fps": options.fps or _fps(task), **_columns(task, options.state)}
    for _ in chosen.checked():
        pass
    job["episodes"] = [
        (number, info.instruction or info.task) for number, info in zip(chosen.numbers, chosen.infos, strict=True)
    ]
    with hdf5.writing(out), room(out) as folder:
        made = folder / out.name
        (folder / "job.json").write_text(json.dumps({**job, "out": str(made.resolve())}))
        _run(python, folder)
        os.rename(made, out)
    left = [name for name, *_ in task.pictures if name not in job["pictures"].values()]
    notes = ["the observation after each episode's last action has no place in the format"]
    notes += [f"left out, since they are no pictures of bytes in 1 or 3 channels: {left}"] if left else []
    return Converted(paths=(out,), episodes=len(chosen), steps=chosen.steps, notes=tuple(notes))


def _python(given: Path | None) -> str:
    python = str(given or os.environ.get(VARIABLE, ""))
    if not python:
        raise MissingDependency(f"lerobot runs in an interpreter of its own, and none is named: {HOW}")
    if not os.path.isfile(python) or not os.access(python, os.X_OK):
        raise MissingDependency(f"{python!r} is no interpreter: {HOW}")
    return python


def _fps(task: TaskInfo) -> int:
    rate = 1.0 / task.control_period_s if task.control_period_s > 0 else 0.0
    if rate < 1 or abs(rate - round(rate)) > 1e-6 * rate:
        known = f"the control rate is {rate:g} Hz" if rate else "the control rate is not known"
        raise InvalidConfig(f"LeRobot counts whole frames per second, {known}; say how many to write (--fps)")
    return round(rate)


def _columns(task: TaskInfo, state: tuple[str, ...]) -> dict[str, Any]:
    """Return LeRobot's features, and what of ours each is made of; names as in :mod:`metasim.adapters.lerobot`."""
    names = [name for name, _ in task.observation]
    for name in state:
        if name not in names:
            raise UnknownName("observation", name, names)
    numbers = {"observation.state": list(state) or names[:1], "observation.environment_state": names} if names else {}
    pictures = {
        f"observation.images.{name}": name
        for name, shape, kind in task.pictures
        if len(shape) == 3 and shape[2] in _CHANNELS and np.dtype(kind) == np.uint8
    }
    sizes, shapes = dict(task.observation), {name: shape for name, shape, _ in task.pictures}
    features: dict[str, Any] = {
        feature: _vector([f"{name}.{i}" for name in parts for i in range(sizes[name])])
        for feature, parts in numbers.items()
    }
    for feature, name in pictures.items():
        features[feature] = {"dtype": "image", "shape": shapes[name], "names": ["height", "width", "channels"]}
    features["action"] = _vector([f"action.{i}" for i in range(task.action_size)])
    features["next.reward"] = {"dtype": "float32", "shape": (1,), "names": None}
    features |= {name: {"dtype": "bool", "shape": (1,), "names": None} for name in ("next.done", "next.success")}
    return {"features": features, "numbers": numbers, "pictures": pictures}


def _vector(names: list[str]) -> dict[str, Any]:
    return {"dtype": "float32", "shape": (len(names),), "names": names}


def _run(python: str, folder: Path) -> None:
    """Run the script; what it says is shown only if it fails. It keeps its caches in ``folder``, off the network."""
    quiet = {"HF_HOME": str(folder / "cache"), "HF_HUB_OFFLINE": "1", "PYTHONNOUSERSITE": "1"}
    done = subprocess.run(
        [python, str(SCRIPT), str(folder / "job.json")],
        env={**os.environ, **quiet},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode == 0:
        return
    last = " | ".join([line.strip() for line in done.stderr.splitlines() if line.strip()][-_LAST_LINES:])
    if done.returncode == MISSING:
        raise MissingDependency(f"{python} lacks something ({last}): {HOW}")
    raise DatasetError(f"LeRobot did not write the dataset (exit code {done.returncode}): {last}")
