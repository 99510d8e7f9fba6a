"""Meta-World in both engines: replays, drift, files that are gone on with, and sentences that say what was measured."""

from pathlib import Path

import numpy as np
import pytest

from metasim.benchmarks.checking import InvalidResults
from metasim.benchmarks.metaworld import Rows, chosen_tasks, drift, experts, goldens, page, recordings
from metasim.benchmarks.metaworld.__main__ import main
from metasim.benchmarks.metaworld.summary import Found
from metasim.benchmarks.results import Results, load
from metasim.benchmarks.runner import EvaluateConfig
from metasim.core.errors import InvalidConfig, UnknownName

EXTRACT = Path(__file__).parent.parent / "data" / "metaworld_goldens.h5"
REACH, PUSH = "metaworld/reach-v3", "metaworld/push-v3"


def quiet(share: float, words: str) -> None:
    """A progress bar that nobody looks at."""


def test_a_recorded_reach_is_reached_again_where_it_went() -> None:
    rows = goldens.measure(REACH, "mujoco", recordings(REACH, EXTRACT))
    scripted = [row for row in rows if row["kind"] == "scripted"]
    assert len(rows) > len(scripted) > 0
    assert all(row["hand_mm"] < 2.0 and row["object_end_mm"] < 2.0 for row in rows)
    assert all(row["solved"] and row["recorded_solved"] for row in scripted)


def test_an_engine_does_not_drift_from_itself() -> None:
    """Open loop repeats closed loop to the bit, whatever the actions; nothing is solved in one run only."""
    config = drift.DriftConfig(engine="mujoco", episodes=2, steps=150)
    for policy in drift.POLICIES:
        for row in drift.measure(REACH, policy, config):
            assert set(row["hand_mm"].values()) | set(row["object_mm"].values()) == {0.0}
            assert row["solved"] == row["also_solved"] == (policy == "expert")


def test_a_run_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(goldens, "measure", lambda task, engine, episodes: asked.append(task) or [{"episode": engine}])
    path = tmp_path / "rows.json"
    goldens.run([REACH], "mujoco", EXTRACT, path, False, quiet)
    goldens.run([REACH, PUSH], "mujoco", EXTRACT, path, False, quiet)
    assert asked == [REACH, PUSH]
    assert Rows.load(path).tasks == {REACH: [{"episode": "mujoco"}], PUSH: [{"episode": "mujoco"}]}
    goldens.run([PUSH], "mujoco", EXTRACT, path, True, quiet)
    assert asked == [REACH, PUSH, PUSH]


def test_experts_are_evaluated_once(tmp_path: Path) -> None:
    config = EvaluateConfig(tasks=(REACH,), episodes=2, horizon=60)
    path = experts.run(config, experts.experts_file(tmp_path, "mujoco"), False, quiet)
    alone, seen = load(path), []
    both = EvaluateConfig(tasks=(REACH, PUSH), episodes=2, horizon=60)
    experts.run(both, path, False, lambda share, words: seen.append(words.partition(":")[0]))
    assert set(seen) == {PUSH}
    assert {e.task for e in load(path).episodes} == {REACH, PUSH}
    assert [e for e in load(path).episodes if e.task == REACH] == list(alone.episodes)


def test_results_of_other_settings_are_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "experts-mujoco.json"
    experts.run(EvaluateConfig(tasks=(REACH,), episodes=1, horizon=5), path, False, quiet)
    with pytest.raises(InvalidResults, match=r"another seeds: \[0\] instead of \[1\]"):
        experts.run(EvaluateConfig(tasks=(REACH,), episodes=1, seed=1, horizon=5), path, False, quiet)
    rows = tmp_path / "drift.json"
    Rows.open(rows, drift.KIND, {"seed": 1}).save(rows)
    with pytest.raises(InvalidResults, match="another seed: 1 instead of 2"):
        Rows.open(rows, drift.KIND, {"seed": 2})
    rows.write_text("{}")
    with pytest.raises(InvalidResults, match="kind, settings and tasks"):
        Rows.load(rows)


def test_names_and_paths_that_are_not_there_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert chosen_tasks(["reach", "metaworld/push-v3", "reach-v3"]) == (REACH, PUSH)
    assert REACH in chosen_tasks([]) and all(id.startswith("metaworld/") for id in chosen_tasks([]))
    with pytest.raises(UnknownName, match="reach"):
        chosen_tasks(["raech"])
    with pytest.raises(InvalidConfig, match="nowhere"):
        recordings(REACH, tmp_path / "nowhere.h5")
    with pytest.raises(InvalidConfig, match="reach-v3.h5 does not exist"):
        recordings(REACH, tmp_path)
    with pytest.raises(InvalidConfig, match="150 steps or more"):
        drift.DriftConfig(steps=100)
    assert main(["page", "--out", str(tmp_path)]) == 2
    assert "measure first" in capsys.readouterr().err


def golden(kind: str, hand: float, solved: bool, recorded: bool = True) -> dict:
    return {"kind": kind, "hand_mm": hand, "object_end_mm": 12.0, "solved": solved, "recorded_solved": recorded}


def test_sentences_say_what_was_measured(make) -> None:
    """Two tasks; pybullet solves one in 9 of 10, the other in 3 of 10, loses one recording and leaves the path once."""
    rows = [make(task=REACH, backend="pybullet", episode=i, **solved(i < 9, i < 5)) for i in range(10)]
    rows += [make(task=PUSH, backend="pybullet", episode=i, **solved(i < 3, i < 1)) for i in range(10)]
    config = {"seeds": [7], "episodes": ["0-9"], "versions": {"pybullet": "3.2.7"}}
    replayed = Rows(
        goldens.KIND,
        {"versions": {"mujoco": "4.0.0"}},
        {
            REACH: [golden("scripted", 0.5, True), golden("scripted", 0.7, True), golden("random", 9.0, False, False)],
            PUSH: [golden("scripted", 3.0, False), golden("scripted", 5.0, True)],
        },
    )
    text = page.markdown(
        Found(
            engines=("mujoco", "pybullet"),
            experts={"pybullet": Results(protocol="p", config=config, episodes=tuple(rows))},
            goldens={"pybullet": replayed},
            drift=Rows(
                drift.KIND, {**DRIFT, "versions": {}}, {REACH: [drifted("expert", 1.0), drifted("expert", 3.0)]}
            ),
        )
    )
    assert "pybullet: 60 % [" in text and "1 of them at 80 % or more; below it: push (30 %); the least is 30 %." in text
    assert "| reach | – | – | 90 % [59.6, 98.2] | 50 % [23.7, 76.3] |" in text
    assert "beyond 2 mm in push; its median over all 4 scripted episodes is 1.9 mm. 3 of 4 recorded successes" in text
    assert "(75 %; lost: push (1/2))" in text
    assert "| reach | – | – | – | – | 0.6 | 12 | 2/2 | 9.0 |" in text
    assert "the hands are apart by 2.0 mm after 10, 4.0 mm after 50, 6.0 mm after 150 steps (median)" in text
    assert "| reach | 2.0 / 4.0 / 6.0 | 20 / 20 / 20 | 1/2 | – | – | – |" in text
    assert text.endswith("Versions: mujoco 4.0.0, pybullet 3.2.7.\n")


DRIFT = {"reference": "mujoco", "engine": "pybullet", "episodes": 2, "steps": 150}


def drifted(policy: str, hand: float) -> dict:
    return {
        "policy": policy,
        "hand_mm": {"10": hand, "50": 2 * hand, "150": 3 * hand},
        "object_mm": dict.fromkeys(("10", "50", "150"), 20.0),
        "solved": True,
        "also_solved": hand < 2,
    }


def solved(at_some_step: bool, at_the_last: bool) -> dict:
    return {
        "success_any": at_some_step,
        "success_last": at_the_last,
        "first_success_step": 12 if at_some_step else None,
    }


def test_the_wilson_interval_of_the_table_is_the_formula() -> None:
    """Nine of ten: (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)."""
    p, n, z = 0.9, 10, 1.959963984540054
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    assert (round(low * 100, 1), round(high * 100, 1)) == (59.6, 98.2)
