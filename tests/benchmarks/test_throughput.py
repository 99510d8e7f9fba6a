"""The throughput benchmarks measure what they say, by tiny runs; the figures themselves are not tested here.

Comparisons with peers run where METASIM_ENVPOOL_PYTHON and METASIM_METAWORLD_PYTHON name interpreters that have them.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from metasim.benchmarks.throughput import Goal, Lap, Report, Rounds, alternate, geometric_mean, mujoco_batch, pilot
from metasim.benchmarks.throughput import pybullet_replay as replay
from metasim.benchmarks.throughput.__main__ import main
from metasim.benchmarks.throughput.commands import BENCHMARKS, MT10, chosen_tasks
from metasim.benchmarks.throughput.names import peer_name
from metasim.benchmarks.throughput.peer_process import Peer, Setup
from metasim.benchmarks.throughput.rounds import Timing
from metasim.core.errors import EngineFailure, InvalidConfig, UnknownName
from metasim.core.task import TASKS

REACH = "metaworld/reach-v3"
QUICK = ("--tasks", REACH, "--seconds", "0.02", "--rounds", "2")


def measured(*words: str) -> dict:
    """What a benchmark writes as JSON."""
    out = io.StringIO()
    assert main([*words, "--json"], out) == 0
    return json.loads(out.getvalue())


def clockwork(step_s: float, order: list[str], name: str):
    """A side whose steps take a known time."""

    def run(steps: int) -> Lap:
        order.append(name)
        return Lap(steps, steps * step_s)

    return run


def test_sides_take_turns_and_each_begins_as_often_as_the_others() -> None:
    order: list[str] = []
    rounds = alternate({"a": clockwork(1e-3, order, "a"), "b": clockwork(2e-3, order, "b")}, 10, 4)
    assert "".join(order) == "abba" * 2
    assert rounds.rate("a") == pytest.approx(1000.0)
    assert rounds.ratio("a", "b") == pytest.approx(2.0)


def test_a_ratio_is_taken_within_rounds_so_that_a_slow_machine_does_not_move_it() -> None:
    """The machine is ten times as slow in two of three rounds; one round is disturbed on one side only."""
    ours = (Lap(100, 1.0), Lap(100, 10.0), Lap(100, 10.0))
    peer = (Lap(100, 2.0), Lap(100, 20.0), Lap(100, 100.0))
    assert Rounds({"ours": ours, "peer": peer}).ratio("ours", "peer") == pytest.approx(2.0)


def test_resets_are_paid_by_the_episodes_they_begin() -> None:
    lap = Lap(steps=1000, seconds=1.0, reset_s=0.5)
    assert lap.rate() == 1000.0
    assert lap.rate(horizon=500) == pytest.approx(1000 / (1.0 + 2 * 0.5))


def test_the_pilot_finds_how_many_steps_the_slowest_side_makes() -> None:
    fast, slow = clockwork(1e-4, [], "fast"), clockwork(1e-3, [], "slow")
    assert pilot([fast, slow], 0.5, 10_000) == 500
    assert pilot([fast, slow], 0.5, 80) == 80


def test_geometric_mean() -> None:
    assert geometric_mean([0.5, 2.0, 8.0]) == pytest.approx(2.0)


@pytest.mark.parametrize("wrong", [{"seconds": 0.0}, {"rounds": 0}])
def test_nothing_can_be_measured_in_no_time(wrong: dict) -> None:
    with pytest.raises(InvalidConfig, match="seconds must be positive and rounds at least 1"):
        Timing(**wrong)


def test_goals_decide_the_exit_code_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    report = Report(
        benchmark="x",
        settings={},
        columns=(),
        rows={},
        summary={"speed": 1.0},
        goals=(Goal(key="speed", at_least=2.0), Goal(key="speed", at_most=1.0)),
    )
    monkeypatch.setattr(BENCHMARKS["startup"], "run", lambda self: report)
    assert main(["startup"], io.StringIO()) == 0
    out = io.StringIO()
    assert main(["startup", "--check"], out) == 1
    assert "wanted: at least 2; MISSED" in out.getvalue() or "wanted: at most 1; reached" in out.getvalue()


def test_the_default_tasks_are_the_ten() -> None:
    from metasim.tasks import metaworld

    assert metaworld.MT10 == MT10
    assert set(MT10) <= set(TASKS)


def test_an_unknown_task_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["batch", "--tasks", "metaworld/reech-v3"], io.StringIO()) == 2
    assert "reach-v3" in capsys.readouterr().err


def test_globs_choose_tasks_once_each() -> None:
    chosen = chosen_tasks((REACH, "metaworld/reach-*", "metaworld/window-*"))
    assert chosen[0] == REACH and len(chosen) == len(set(chosen))
    assert "metaworld/window-open-v3" in chosen
    with pytest.raises(InvalidConfig, match="no task matches 'metaworld/reech"):
        chosen_tasks(("metaworld/reech*",))


def test_mixed_compares_one_environment_with_one_per_task(tmp_path: Path) -> None:
    words = ("--seconds", "0.02", "--rounds", "2", "--num-envs", "5", "--single-envs", "2", "--workers", "1")
    found = measured("mixed", "--tasks", REACH, "metaworld/push-v3", *words)
    assert [row["name"] for row in found["rows"]][2:] == [REACH, "metaworld/push-v3"]
    assert found["summary"]["mixed_to_single"] > 0
    (report := tmp_path / "mixed.json").write_text(json.dumps(found))
    assert main(["page", str(report), "-o", str(tmp_path / "page.md")], io.StringIO()) == 0
    page = (tmp_path / "page.md").read_text()
    assert f"mixed to single: {found['summary']['mixed_to_single']:.4g} (wanted: at least 0.7" in page
    assert all(f"{row['rate']:,.0f} |" in page for row in found["rows"])


def test_too_few_worlds_for_the_tasks_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mixed", "--tasks", REACH, "metaworld/push-v3", "--num-envs", "1"], io.StringIO()) == 2
    assert "1 worlds are too few for 2 tasks" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["no json", "{}", '{"benchmark": "other", "rows": []}'])
def test_a_page_is_made_of_reports_only(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file := tmp_path / "x.json").write_text(text)
    assert main(["page", str(file), "-o", str(tmp_path / "page.md")], io.StringIO()) == 2
    assert "x.json is" in capsys.readouterr().err
    assert not (tmp_path / "page.md").exists()


def test_batch_compares_with_both_bare_steps() -> None:
    found = measured("batch", *QUICK, "--num-envs", "4", "--warmup", "2")
    (row,) = found["rows"]
    assert row["name"] == REACH
    assert row["ours_to_bare"] > 0.0
    assert found["summary"].keys() == {"ours_to_bare", "ours_to_bare_vel"}
    assert found["goals"][0]["wanted"] == "at least 0.85"


def test_the_bare_batch_goes_where_the_environment_goes() -> None:
    with contextlib.closing(mujoco_batch.Pair("metaworld/door-open-v3", 3, 1, warmup=5)) as pair:
        pair.episodes.elapsed[:] = 0  # no episode ends: the bare batch would not begin another
        pair.start = pair.episodes.snapshot()
        pair.record(20)
        pair.run_bare(20)
        assert np.array_equal(pair.bare.state, pair.episodes.backend.dump())
        first = pair.start["backend"].states
        assert not np.array_equal(pair.bare.state, first)


def test_pybullet_compares_with_the_same_commands() -> None:
    found = measured("pybullet", *QUICK, "--num-envs", "2")
    assert [row["name"] for row in found["rows"]] == [REACH, "benchmark/panda-joints"]
    assert found["summary"].keys() == {"weld_driven", "joint_controlled"}
    assert all(row["reset_ms"] > 0 for row in found["rows"])


def test_commands_that_lead_elsewhere_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine driven by calls that are not noted would make the bare loop too fast."""
    monkeypatch.setattr(replay, "COMMANDS", ("stepSimulation",))
    with (
        contextlib.closing(replay.Pair(REACH, 1, warmup=1)) as pair,
        pytest.raises(EngineFailure, match="did not lead to the same states"),
    ):
        pair.record(5)


def test_bullet_is_left_as_it_was() -> None:
    import pybullet

    before = {name: getattr(pybullet, name) for name in replay.COMMANDS}
    with replay.recorded():
        assert pybullet.stepSimulation is not before["stepSimulation"]
    assert {name: getattr(pybullet, name) for name in replay.COMMANDS} == before


def test_startup_measures_fresh_processes() -> None:
    found = measured("startup", "--imports", "1", "--starts", "1")
    figures = found["summary"]
    assert figures["heavy_modules"] == 0
    assert 0 < figures["import_ms"] < 10_000
    assert 0 < figures["ready_s"] < 60
    assert 20 < figures["memory_mb"] < 3000


@pytest.mark.parametrize("name", ["envpool", "metaworld"])
def test_a_peer_needs_an_environment_of_its_own(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, *QUICK], io.StringIO()) == 2
    assert "--make-venv" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["envpool", "metaworld", "metaworld-vector", "resets"])
def test_against_a_peer(name: str) -> None:
    peer = "envpool" if name == "envpool" else "metaworld"
    variable = f"METASIM_{peer.upper()}_PYTHON"
    python = os.environ.get(variable)
    if not python:
        pytest.skip(f"{variable} names no interpreter that has {peer}")
    vector = ("--num-envs", "4", "--warmup", "8")
    sizes = {"envpool": vector, "metaworld-vector": vector, "metaworld": (), "resets": ("--num-envs", "2")}[name]
    found = measured(name, *QUICK, *sizes, "--python", python)
    assert found["versions"][peer] == {"envpool": "1.2.5", "metaworld": "3.1.1"}[peer]
    assert all(value > 0 for value in found["summary"].values())


@pytest.fixture
def fake_peer(tmp_path: Path):
    """A peer without its library: a module named envpool whose worlds sleep 1 ms a step."""
    (tmp_path / "envpool.py").write_text(
        "import time, types\n"
        "class Env:\n"
        "    spec = types.SimpleNamespace(config=types.SimpleNamespace(max_episode_steps=500))\n"
        "    def reset(self, rows=None): pass\n"
        "    def step(self, action):\n"
        "        if action[0, 0] > 1: raise ValueError('too much')\n"
        "        time.sleep(1e-3)\n"
        "def make(task, **options):\n"
        "    print('hello from ' + task)\n"
        "    return Env()\n"
    )
    (tmp_path / "envpool-9.dist-info").mkdir()
    (tmp_path / "envpool-9.dist-info" / "METADATA").write_text("Name: envpool\nVersion: 9\n")
    launcher = tmp_path / "python"
    launcher.write_text(
        f"#!{sys.executable}\nimport runpy, sys\nsys.path.insert(0, {str(tmp_path)!r})\n"
        "runpy.run_path(sys.argv[2], run_name='__main__')\n"
    )
    launcher.chmod(0o755)
    return launcher


def test_the_classic_suite_meets_two_peers_in_one_run(fake_peer: Path) -> None:
    sizes = ("--seconds", "0.02", "--rounds", "2", "--num-envs", "4", "--warmup", "8")
    found = measured("classic", "--tasks", "classic/cart-pole-v0", *sizes, "--python", str(fake_peer))
    (row,) = found["rows"]
    assert row["envpool"] > 1.0  # the stand-in takes a millisecond a step
    assert all(row[key] > 0 for key in ("ours", "gymnasium", "ours_with_resets", "gymnasium_with_resets"))
    assert {"envpool": "9"}.items() <= found["versions"].items()
    assert {goal["key"]: goal["wanted"] for goal in found["goals"]} == {
        "lowest_envpool": "at least 1",
        "lowest_gymnasium": "at least 2",
    }


@pytest.mark.parametrize(
    ("peer", "task", "name"),
    [
        ("envpool", "metaworld/pick-place-v3", "MetaWorld/PickPlace-v3"),
        ("envpool", "classic/half-cheetah-v0", "HalfCheetah-v5"),
        ("gymnasium", "classic/cart-pole-v0", "InvertedPendulum-v5"),
        ("metaworld-vector", "metaworld/reach-v3", "reach-v3"),
    ],
)
def test_peers_call_tasks_by_names_of_their_own(peer: str, task: str, name: str) -> None:
    assert peer_name(peer, task) == name


def test_a_peer_without_the_suite_says_what_it_has() -> None:
    with pytest.raises(InvalidConfig, match="give metaworld/"):
        peer_name("metaworld", "classic/ant-v0")
    with pytest.raises(UnknownName, match="half-cheetah"):
        peer_name("envpool", "classic/halfcheetah-v0")


def test_a_peer_is_timed_in_its_own_process_and_sleeps_in_between(fake_peer: Path) -> None:
    setup = Setup(peer="envpool", task="x", actions=np.zeros((3, 2, 4), np.float32))
    with contextlib.closing(Peer(fake_peer, setup)) as side:
        assert side.version == "9"
        side.stagger(4)
        lap = side.step(20)
        assert lap.steps == 40
        assert 0.02 < lap.seconds < 2.0
        time.sleep(0.3)  # it may still be tidying up after its answer
        before = cpu_seconds(side._process.pid)
        time.sleep(0.5)
        assert cpu_seconds(side._process.pid) - before < 0.1  # waiting busily would take most of the half second


def test_what_a_peer_raises_is_handed_on(fake_peer: Path) -> None:
    setup = Setup(peer="envpool", task="x", actions=np.full((3, 2, 4), 2, np.float32))
    with (
        contextlib.closing(Peer(fake_peer, setup)) as side,
        pytest.raises(EngineFailure, match="envpool cannot step: ValueError: too much"),
    ):
        side.step(1)


def test_a_peer_that_dies_is_reported(fake_peer: Path) -> None:
    setup = Setup(peer="envpool", task="x", actions=np.zeros((3, 2, 4), np.float32))
    with contextlib.closing(Peer(fake_peer, setup)) as side:
        side._process.kill()
        side._process.wait()
        with pytest.raises(EngineFailure, match="the process of envpool died"):
            side.step(1)


def test_an_interpreter_that_is_not_there_is_refused(tmp_path: Path) -> None:
    setup = Setup(peer="envpool", task="x", actions=np.zeros((3, 2, 4), np.float32))
    with pytest.raises(InvalidConfig, match="cannot run"):
        Peer(tmp_path / "nowhere", setup)


def test_only_the_report_is_on_standard_output() -> None:
    words = ["pybullet", *QUICK, "--num-envs", "1", "--json"]
    command = [sys.executable, "-m", "metasim.benchmarks.throughput", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["benchmark"] == "pybullet"


def cpu_seconds(pid: int) -> float:
    """Processor time of a process, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
