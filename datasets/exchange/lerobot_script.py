"""Writes a dataset of ours as a LeRobotDataset; runs in an interpreter that has lerobot, h5py and numpy, not metasim.

``python lerobot_script.py JOB``: the job is a JSON file that :mod:`metasim.datasets.exchange.lerobot` writes. What is
wrong is said in the last line of standard error; the exit code is 3 if a package is missing.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

MISSING = 3
Array = Any


def main(job_file: str) -> int:
    """Write the dataset and return the exit code."""
    job = json.loads(Path(job_file).read_text())
    try:
        import h5py

        create = importlib.import_module("lerobot.datasets.lerobot_dataset").LeRobotDataset.create
    except ImportError as error:
        sys.stderr.write(f"\n{error}\n")
        return MISSING
    features = {name: {**kind, "shape": tuple(kind["shape"])} for name, kind in job["features"].items()}
    dataset = create(repo_id=job["name"], fps=job["fps"], features=features, root=job["out"], use_videos=False)
    with h5py.File(job["file"], "r") as file:
        for number, task in job["episodes"]:
            columns = read(file[f"data/demo_{number}"], job)
            for row in range(len(columns["action"])):
                dataset.add_frame({**{name: values[row] for name, values in columns.items()}, "task": task})
            dataset.save_episode()
    dataset.finalize()
    return 0


def read(demo: Any, job: dict[str, Any]) -> dict[str, Array]:
    """Return an episode's columns, a row for each step, under the names of the features.

    Raises:
        OverflowError: If a number is too large for 32 bits.
    """
    import numpy as np

    def joined(names: list[str]) -> Array:
        return np.concatenate([demo[f"obs/{name}"][()] for name in names], axis=1)

    wide = {"action": demo["actions"][()], "next.reward": demo["rewards"][()][:, None]}
    wide |= {feature: joined(names) for feature, names in job["numbers"].items()}
    columns = dict[str, Array]()
    with np.errstate(over="ignore"):
        columns |= {name: values.astype(np.float32) for name, values in wide.items()}
    for name, values in columns.items():
        if not np.isfinite(values).all():
            raise OverflowError(f"{demo.name}: {name} has numbers that 32 bits cannot hold")
    columns["next.done"] = demo["dones"][()].astype(bool)[:, None]
    columns["next.success"] = demo["success"][()].astype(bool)[:, None]
    return columns | {feature: demo[f"obs/{name}"][()] for feature, name in job["pictures"].items()}


if __name__ == "__main__":
    beside = Path(__file__).resolve().parent  # a module there is called lerobot, too
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != beside]
    sys.exit(main(sys.argv[1]))
