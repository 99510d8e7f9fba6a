"""What is asked of the committed protocol and refused before anything runs; and what tells a part from others."""

from __future__ import annotations

from pathlib import Path

import pytest

from metasim.benchmarks.generalization import BenchConfig
from metasim.core.errors import InvalidConfig, UnsupportedFeature
from metasim.core.task import TASKS
from metasim.core.task_files import VARIABLE, contents

PICK = "tabletop/pick-cube-v0"


def test_cells_none_of_which_applies_are_refused_with_the_reason() -> None:
    config = BenchConfig(tasks=("door-lock",), conditions=("size",))
    with pytest.raises(UnsupportedFeature, match="no cell applies .*door-lock-v3, size, mujoco: .* no free object"):
        config.check()
    BenchConfig(tasks=("door-lock",), conditions=("size", "control")).check()


def test_a_task_that_draws_other_factors_than_the_file_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TASKS[PICK], "factors", TASKS[PICK].factors[:-1])
    with pytest.raises(InvalidConfig, match=r"pick-cube-v0 draws \['cube'\] here and \['cube', 'goal'\] in general"):
        BenchConfig(tasks=("pick-cube",), conditions=("control",)).check()


def test_a_member_whose_task_the_protocol_has_not_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="zero is for tabletop/nothing-v0, which generalization-v1 has not"):
        BenchConfig(policy="both", team={PICK: "random", "tabletop/nothing-v0": "zero"})


def test_files_of_others_are_told_apart_by_what_they_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy that a user edits between two runs is another one, though its name is the same."""
    ours, found = contents([TASKS[PICK]]), []
    for text in ("a = 1", "a = 2", "a = 1"):
        (tmp_path / "mine.py").write_text(text)
        monkeypatch.setenv(VARIABLE, str(tmp_path / "mine.py"))
        found.append(contents([TASKS[PICK]]))
    assert found[0] == found[2] and len({ours, *found}) == 3
    assert contents([TASKS[PICK], test_a_member_whose_task_the_protocol_has_not_is_refused]) not in found
