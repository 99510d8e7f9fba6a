"""The dataset benchmarks measure what they say, by tiny runs, and notice what is broken; figures are not tested here.

The comparison with the original runs where METASIM_METAWORLD_PYTHON names an interpreter that has it, and h5py.
"""

import io
import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import h5py
import pytest

from metasim.benchmarks.datasets import kills, merges, writing
from metasim.benchmarks.datasets.__main__ import main
from metasim.benchmarks.datasets.campaign import BROKEN, Campaign, Plan
from metasim.benchmarks.datasets.victim import PHASES, Run, Scenario, Timeline
from metasim.benchmarks.measuring import save, stored
from metasim.benchmarks.throughput import Column, Goal, Report
from metasim.core.errors import EngineFailure, InvalidConfig
from metasim.datasets import CollectConfig, Dataset, collect, verify, writer

REACH = "metaworld/reach-v3"
TINY = Scenario(
    name="tiny",
    tasks=(REACH,),
    backend="mujoco",
    policy="expert",
    keep="all",
    episodes=4,
    horizon=10,
    tail=2,
)


def test_three_kills_break_nothing() -> None:
    report = kills.run(Plan(kills=3, seed=1), scenarios=(TINY,), workers=(1,))
    row = report.rows["together"]
    assert sum(row[phase] for phase in PHASES) == row["kills"] == 3
    assert row["datasets"] >= 1
    assert {key: row[key] for key in BROKEN} == dict.fromkeys(BROKEN, 0.0)
    assert all(goal.reached(report.summary[goal.key]) for goal in report.goals) and len(report.goals) == len(BROKEN)


@pytest.mark.slow
def test_more_kills_with_each_number_of_workers_break_nothing(tmp_path: Path) -> None:
    assert main(["kills", "--kills", "9", "--out", str(tmp_path / "kills.json")], io.StringIO()) == 0
    rows = stored(tmp_path / "kills.json")["rows"]
    assert len(rows) == 10 and rows[-1]["kills"] == 9


def test_lost_changed_and_unreadable_episodes_are_counted(tmp_path: Path) -> None:
    """Between two kills: of four finished episodes, one is gone, one has other bytes, and one is garbage."""
    out, parts = tmp_path / "demos.h5", tmp_path / "demos.h5.parts" / REACH
    collect(CollectConfig(tasks=(REACH,), out=out, episodes=4, horizon=10, tail=2, keep="all"))
    parts.mkdir(parents=True)
    with Dataset(out) as data:
        for demo in data:
            (parts / f"{demo.info.episode:06d}.h5").write_bytes(writer.part_bytes(demo.load(), demo.task))
    whole = out.rename(tmp_path / "whole.h5")
    campaign = Campaign(TINY, 1, tmp_path / "unused", Plan(), random.Random(0), lambda: None)
    first = campaign._look(out, {})
    assert len(first) == campaign.counts["at stake"] == 4
    (parts / "000000.h5").unlink()
    shutil.copy(parts / "000003.h5", parts / "000002.h5")
    (parts / "000001.h5").write_bytes(b"garbage")
    campaign._look(out, first)
    assert (campaign.counts["lost"], campaign.counts["unreadable"]) == (3, 1)
    shutil.copy(whole, out)
    campaign._look(out, first)
    assert campaign.counts["different"] == 1  # from the dataset of an uninterrupted run, which there is none of


def test_a_run_that_fails_by_itself_is_no_kill(tmp_path: Path) -> None:
    wrong = Scenario(**{**vars(TINY), "policy": "no-such-policy"})
    run = Run(wrong, tmp_path / "demos.h5", 1, 1, random.Random(0))
    with pytest.raises(EngineFailure, match="exit code 2: error: .*no-such-policy"):
        run.finished()
    run.close()


@pytest.mark.parametrize("wrong", [{"kills": 0}, {"lanes": 0}, {"aimed": 1.5}, {"alone": -0.1}])
def test_plans_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidConfig, match="kills and lanes"):
        Plan(**wrong)  # type: ignore[arg-type]


def test_writing_is_timed_both_ways(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(writing, "HORIZONS", (12, 6))
    report = writing.run([REACH], episodes=3, worlds=3, rounds=2, folder=tmp_path)
    assert list(report.rows) == [f"{REACH}, 12 steps", f"{REACH}, 6 steps"]
    for row in report.rows.values():
        assert row["record_ms"] > 0 and row["merge_ms"] > 0 and 0 < row["timed_percent"] < 100
    assert report.rows[f"{REACH}, 12 steps"]["kilobytes"] > report.rows[f"{REACH}, 6 steps"]["kilobytes"]
    assert [goal.key for goal in report.goals] == ["timed_percent_of_12_steps", "percent_of_12_steps"]
    assert not list(tmp_path.iterdir())


def test_merging_is_held_against_copying(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(merges, "LENGTHS", (4, 6))
    report = merges.run(episodes=5, files=2, rounds=1, folder=tmp_path)
    for row in report.rows.values():
        allowed = 5e-3 + 2 * row["copy_s"]
        assert row["of_allowed"] == pytest.approx(row["merge_s"] / allowed)
        assert row["ms_per_episode"] == pytest.approx(1e3 * (row["merge_s"] - 2 * row["copy_s"]) / 5)
        assert 30 < row["peak_mb"] < 1000
    assert [goal.at_most for goal in report.goals] == [1.0, 1.0, 200.0]
    assert not list(tmp_path.iterdir())


def test_the_datasets_to_merge_are_sound(tmp_path: Path) -> None:
    sources = merges.made(tmp_path, 4, 5, 2)
    episodes = []
    for source in sources:
        with Dataset(source) as data:
            episodes += [demo.info.episode for demo in data]
        assert all(check.intact for check in verify(source).episodes)
    assert episodes == [0, 1, 2, 3, 4]


def test_the_most_memory_is_that_of_the_merge(tmp_path: Path) -> None:
    """Not what the process held that began it."""
    sources, ballast = merges.made(tmp_path, 4, 2, 1), bytearray(600_000_000)
    _, peak_mb = merges._merge_seconds(sources, tmp_path)
    assert peak_mb < 400 < len(ballast) / 1e6


def test_the_original_collects_as_many(tmp_path: Path) -> None:
    python = os.environ.get("METASIM_METAWORLD_PYTHON", "")
    if not python or subprocess.run([python, "-c", "import metaworld, h5py"], capture_output=True).returncode:
        pytest.skip("METASIM_METAWORLD_PYTHON names no interpreter that has metaworld and h5py")
    words = ["experts", "--python", python, "--tasks", REACH, "--episodes", "3", "--rounds", "1"]
    assert main([*words, "--out", str(tmp_path / "experts.json")], io.StringIO()) == 0
    data = stored(tmp_path / "experts.json")
    (row,) = data["rows"]
    assert row["ratio"] == pytest.approx(row["ours"] / row["peer"])
    assert data["versions"]["metaworld"]


def test_what_the_original_writes_is_in_robomimics_layout(tmp_path: Path) -> None:
    """With an environment that stands in for the original's: it is solved in its third step."""
    from metasim.benchmarks.datasets import peer_experts

    class World:
        data = type("data", (), {"qpos": [0.0, 1.0], "qvel": [2.0]})

        def set_task(self, task: object) -> None:
            self.steps = 0

        def reset(self) -> tuple[list[float], dict]:
            return [0.0, 0.0], {}

        def step(self, action: object) -> tuple:
            self.steps += 1
            return [float(self.steps)] * 2, 1.0, False, False, {"success": float(self.steps >= 3)}

    policy = type("policy", (), {"get_action": lambda self, obs: [9.0, -9.0]})()
    for tail, steps in ((2, 5), (None, 500)):
        solved, rows = peer_experts.record(World(), policy, None, tail)
        assert solved and {len(values) for values in rows.values()} == {steps}
    solved, rows = peer_experts.record(World(), policy, None, 2)
    with h5py.File(tmp_path / "peer.h5", "w") as file:
        peer_experts.write(file.create_group("data"), 0, rows)
        demo = file["data/demo_0"]
        assert demo.attrs["num_samples"] == 5  # type: ignore[union-attr]
        assert demo["actions"][()].tolist() == [[1.0, -1.0]] * 5  # type: ignore[index]
        assert demo["obs/state"][:, 0].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]  # type: ignore[index]
        assert demo["next_obs/state"][:, 0].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]  # type: ignore[index]
        assert demo["dones"][()].tolist() == [0, 0, 0, 0, 1]  # type: ignore[index]
        assert demo["states"][0].tolist() == [0.0, 1.0, 2.0]  # type: ignore[index]


def report(value: float = 2.0, name: str = "merge") -> Report:
    """One row, one figure."""
    return Report(
        benchmark=name,
        settings={"rounds": 3},
        columns=(Column(key="speed", heading="speed [m/s]", digits=1),),
        rows={f"{REACH}, fast": {"speed": value}},
        summary={"lowest_speed": value},
        goals=(Goal(key="lowest_speed", at_least=1.5),),
    )


def test_a_page_is_made_of_reports_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [save(report(), tmp_path / "a.json"), save(report(1.0, "writing"), tmp_path / "b.json")]
    page = tmp_path / "page.md"
    assert main(["page", *map(str, files), "-o", str(page)]) == 0
    text = page.read_text()
    assert text.index("## What writing costs") < text.index("## Joining many episodes")
    assert "| reach, fast | 2.0 |" in text and "| | speed [m/s] |" in text
    assert "- lowest speed: 2 (wanted: at least 1.5; reached)" in text
    assert "- lowest speed: 1 (wanted: at least 1.5; missed)" in text
    assert main(["page", str(files[0]), str(files[0]), "-o", str(page)]) == 2
    assert "second report of the benchmark 'merge'" in capsys.readouterr().err
    assert main(["page", "-o", str(tmp_path / "empty.md")]) == 2
    assert "give one report or more" in capsys.readouterr().err and not (tmp_path / "empty.md").exists()


@pytest.mark.parametrize("text", ["no json", "3", "[]", json.dumps({"benchmark": "merge"})])
def test_what_is_no_report_is_refused(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file := tmp_path / "x.json").write_text(text)
    assert main(["page", str(file), "-o", str(tmp_path / "page.md")]) == 2
    assert "x.json is not a report that --out wrote" in capsys.readouterr().err


def test_a_broken_promise_is_a_failure_even_unasked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*words: object, **more: object) -> Report:
        return report(1.0)

    monkeypatch.setattr(kills, "run", broken)
    monkeypatch.setattr(merges, "run", broken)
    out = io.StringIO()
    assert main(["kills"], out) == 1 and "MISSED" in out.getvalue()
    assert main(["merge"], io.StringIO()) == 0
    assert main(["merge", "--check"], io.StringIO()) == 1


def test_a_timeline_is_in_order(tmp_path: Path) -> None:
    run = Run(TINY, tmp_path / "demos.h5", 1, 1, random.Random(0))
    found: Timeline = run.timed()
    run.close()
    assert 0 < found.first_s <= found.merge_s <= found.named_s <= found.total_s
    assert sorted(p.name for p in tmp_path.iterdir()) == ["demos.h5", "demos.h5.log.json"]
