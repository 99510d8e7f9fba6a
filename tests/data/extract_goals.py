"""Makes metaworld_goals.json: the random vectors of the original's benchmarks, for the tests of ours.

Usage, in an environment that has metaworld 3.1.1: python tests/data/extract_goals.py

Kept per benchmark, seed, split and task: the first vector, and a digest of all fifty (their float64 bytes in order).
"""

import hashlib
import json
import pickle
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import metaworld
import numpy as np

SEEDS = (42, 7)
WHOLE = ("MT10", "MT25", "MT50", "ML10", "ML25", "ML45")
SINGLE = ("reach", "sweep-into", "stick-pull", "button-press")
CUSTOM = (("push", "hammer", "soccer"), ("sweep", "assembly"))


def main(out: Path) -> None:
    """Build every benchmark for every seed and write the extract."""
    found: dict[str, Any] = {}
    for seed in SEEDS:
        made = {name: getattr(metaworld, name)(seed=seed) for name in WHOLE}
        made |= {f"ML1 {task}": metaworld.ML1(f"{task}-v3", seed=seed) for task in SINGLE}
        made |= {f"MT1 {task}": metaworld.MT1(f"{task}-v3", seed=seed) for task in SINGLE}
        train, test = ([f"{task}-v3" for task in part] for part in CUSTOM)
        made["custom"] = metaworld.CustomML(train, test, seed=seed)
        for name, benchmark in made.items():
            splits = {"train": benchmark.train_tasks, "test": benchmark.test_tasks}
            found.setdefault(name, {})[str(seed)] = {split: summary(tasks) for split, tasks in splits.items() if tasks}
    out.write_text(json.dumps(found, indent=1) + "\n")


def summary(tasks: Iterable[Any]) -> dict[str, Any]:
    """Return task to its first vector, and the digest of all; in the original's order."""
    vectors: dict[str, list[Any]] = defaultdict(list)
    for task in tasks:
        vectors[task.env_name.removesuffix("-v3")].append(pickle.loads(task.data)["rand_vec"])
    return {
        name: {
            "count": len(rows),
            "first": rows[0].tolist(),
            "digest": hashlib.blake2b(np.array(rows, "<f8").tobytes(), digest_size=16).hexdigest(),
        }
        for name, rows in vectors.items()
    }


if __name__ == "__main__":
    main(Path(__file__).with_name("metaworld_goals.json"))
