"""The page about what datasets promise and cost."""

from __future__ import annotations

from collections.abc import Mapping

from metasim.benchmarks.measuring import Section

HEAD = """# Datasets, measured

Made by `python -m metasim.benchmarks.datasets page` from the reports that the same program's other commands wrote with
`--out`. Ratios and shares are of sides that took turns in one run; times are of the machine named below each table.
"""
SECTIONS: Mapping[str, Section] = {
    "kills": Section(
        "Collections that are killed",
        "`kill -9` while a collection runs, called again until its dataset is there. Most kills come at a moment drawn"
        " from the whole length of an undisturbed run, the others soon after the merge began. *starting* is a run"
        " before its first new episode, *merging* lasts until the dataset has its name, *closing* until the files of"
        " single episodes are gone. *parent* and *worker*: only that process was killed, else all. *at stake*:"
        " finished episodes that were there when a kill came, and were looked for after it.",
    ),
    "writing": Section(
        "What writing costs",
        "The same episodes recorded and thrown away, and recorded, each in a file of its own, and merged into one"
        " that is flushed to disk. Times are per episode, in one process, with the scene and the worlds ready.",
    ),
    "experts": Section(
        "Expert demonstrations against the original",
        "`metasim collect` against the original Meta-World with its own scripted policies and a plain h5py file for"
        " each process, whole commands with their start-up.",
    ),
    "experts-full": Section(
        "Expert demonstrations of full length",
        "The same, with every episode of 500 steps.",
    ),
    "merge": Section(
        "Joining many episodes",
        "`merge` in a fresh process, imports not counted, against `shutil.copyfile` and `fsync` of the same files.",
    ),
    "windows": Section(
        "Windows of steps for training",
        "Random access to windows of steps and to pictures, one at a time: `SequenceDataset`, which makes tensors,"
        " against the same rows through h5py datasets that are open already, robomimic's `SequenceDataset` without its"
        " cache, and, for pictures, zlib on the bytes of the chunk.",
    ),
}
