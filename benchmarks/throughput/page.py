"""The page about speed."""

from __future__ import annotations

from collections.abc import Mapping

from metasim.benchmarks.measuring import Section

HEAD = """# Speed

Ratios measured side by side in one run; steps per second are of the machine named below each table and mean little on
another. Made by `python -m metasim.benchmarks.throughput page` from the reports that the same program's other
commands wrote with `--out`.
"""
SECTIONS: Mapping[str, Section] = {
    "batch": Section("Against a bare batch of the engine"),
    "classic": Section("The classic suite against envpool and gymnasium's SyncVectorEnv"),
    "envpool": Section("Against envpool"),
    "metaworld": Section("One environment against the original's"),
    "metaworld-vector": Section("Against the original in gymnasium's SyncVectorEnv"),
    "mixed": Section("Many tasks in one environment"),
    "resets": Section("New episodes"),
    "adapters": Section("What adapters cost"),
    "pybullet": Section("PyBullet against a bare loop that repeats its commands"),
    "startup": Section("Start"),
}
