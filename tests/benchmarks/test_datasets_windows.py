"""The benchmark of windows measures what it says, in small.

The comparison with robomimic runs where METASIM_ROBOMIMIC_PYTHON names an interpreter that has it.
"""

import os
from pathlib import Path

import pytest

from metasim.core.errors import EngineFailure, InvalidConfig

pytest.importorskip("torch", reason="the extra learn is not installed")
SMALL = {"episodes": 2, "steps": 90, "pictures": 2, "pixels": 24}


def test_the_sides_of_this_environment(tmp_path: Path) -> None:
    from metasim.benchmarks.datasets import windows

    report = windows.run(windows.Shelf(**SMALL), seconds=0.01, rounds=2, robomimic=None, folder=tmp_path)
    states, frames = report.rows.values()
    assert set(states) == {"ours", "h5py", "h5py_ratio"}
    assert set(frames) == {"ours", "h5py", "decode", "h5py_ratio", "decode_ratio"}
    assert all(value > 0 for row in report.rows.values() for value in row.values())
    assert {goal.key for goal in report.goals} == set(report.summary)
    assert list(tmp_path.iterdir()) == []


def test_an_interpreter_without_robomimic_is_refused(tmp_path: Path) -> None:
    from metasim.benchmarks.datasets import windows

    with pytest.raises(InvalidConfig, match="cannot run"):
        windows.Peer(tmp_path / "python")
    with pytest.raises(InvalidConfig, match="at least 1"):
        windows.Shelf(length=0)


@pytest.mark.skipif("METASIM_ROBOMIMIC_PYTHON" not in os.environ, reason="METASIM_ROBOMIMIC_PYTHON is not set")
def test_robomimic_reads_the_same_windows(tmp_path: Path) -> None:
    from metasim.benchmarks.datasets import windows

    python = Path(os.environ["METASIM_ROBOMIMIC_PYTHON"])
    report = windows.run(windows.Shelf(**SMALL), seconds=0.01, rounds=1, robomimic=python, folder=tmp_path)
    assert all(row["robomimic"] > 0 for row in report.rows.values()) and report.versions["robomimic"]
    with windows.Peer(python) as peer, pytest.raises(EngineFailure, match="robomimic cannot open"):
        peer.side(tmp_path / "none.h5", 4, ["hand"], [])
