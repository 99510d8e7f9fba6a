"""Progress: paces worked out from reports alone, and lines where no terminal shows bars."""

import io
from dataclasses import dataclass
from typing import Any

import pytest
from rich.console import Console

from metasim.cli import progress
from metasim.cli.progress import Bars, Paces, clock


@dataclass(frozen=True)
class Report:
    """What ``collect`` reports, made by hand."""

    task: str
    done: int
    wanted: int
    successes: int
    attempts: int
    steps: int
    elapsed_s: float
    found: int = 0


@dataclass(frozen=True)
class Evaluated:
    """What ``evaluate`` reports: a share of its own, and no attempts."""

    task: str
    done: int
    wanted: int
    successes: int
    steps: int
    elapsed_s: float
    share: float


def console(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> io.StringIO:
    stream = io.StringIO()
    made = Console(file=stream, force_terminal=terminal, width=160, highlight=False, color_system=None)
    monkeypatch.setattr(progress, "errors", lambda: made)
    return stream


def test_a_pace_is_that_of_the_task_since_the_one_before_it_ended() -> None:
    paces = Paces(tasks=2)
    for i in range(1, 5):  # an episode of 50 steps every 2 s, of which half are kept
        pace = paces.heard(Report("a", i // 2, 2, i // 2, i, 50 * i, 2.0 * i))
    assert (pace.episodes_per_s, pace.steps_per_s) == (0.5, 25.0)
    assert pace.left_s == 0.0 and pace.all_left_s == 8.0  # half of everything took 8 s
    pace = paces.heard(Report("b", 1, 10, 1, 1, 100, 9.0))
    assert (pace.episodes_per_s, pace.steps_per_s, pace.left_s) == (1.0, 100.0, 9.0)


def test_what_a_resumed_run_found_is_no_pace() -> None:
    paces = Paces(tasks=2)
    for task in "ab":  # both are told at once, before anything is run
        pace = paces.heard(Report(task, 80, 100, 80, 90, 9000, 0.5, found=90))
        assert (pace.episodes_per_s, pace.left_s, pace.all_left_s) == (0.0, None, None)
    pace = paces.heard(Report("a", 81, 100, 81, 92, 9200, 4.0))
    assert (pace.episodes_per_s, pace.steps_per_s) == (0.5, 50.0)
    assert pace.left_s == pytest.approx(19 * 4.0)
    paces.heard(Report("a", 100, 100, 100, 140, 14000, 100.0))
    pace = paces.heard(Report("b", 82, 100, 82, 92, 9400, 102.0))
    assert (pace.episodes_per_s, pace.steps_per_s) == (1.0, 200.0)
    assert pace.left_s == pytest.approx(18.0)


def test_steps_alone_are_a_pace_and_say_how_long() -> None:
    """An evaluation reports steps before its first episode ends."""
    paces = Paces()
    pace = paces.heard(Evaluated("a", 0, 10, 0, 800, 2.0, 0.2))
    assert (pace.episodes_per_s, pace.steps_per_s, pace.all_left_s) == (0.0, 400.0, None)
    assert pace.left_s == pytest.approx(8.0)


def test_without_a_terminal_there_is_a_line_for_each_task_and_now_and_then_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = console(monkeypatch, terminal=False)
    with Bars(tasks=2) as bars:
        for i in range(1, 101):
            bars(Report("a", i, 100, i, 2 * i - 1, 100 * i, 0.65 * i))
        bars(Report("a", 100, 100, 101, 203, 20_000, 65.5))  # what a worker finished besides
        bars(Report("b", 1, 3, 1, 1, 70, 66.5))
    lines = stream.getvalue().splitlines()
    assert lines == [
        "a: 47/100 episodes, 51 % solved, 3.04 episodes/s, 154 steps/s, 0:34 left, 1:39 left in all",
        "a: 94/100 episodes, 50 % solved, 3.06 episodes/s, 154 steps/s, 0:04 left, 1:09 left in all",
        "a: 100/100 episodes, 50 % solved, 3.06 episodes/s, 154 steps/s, 1:05 left in all",
        "b: 1/3 episodes, 100 % solved, 1 episodes/s, 70 steps/s, 0:02 left, 0:33 left in all",
    ]


def test_nothing_is_said_where_nothing_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = console(monkeypatch, terminal=False)
    with Bars() as bars:
        bars.show("pictures", 0.5, "1/2 pictures")
    assert stream.getvalue() == ""


def test_a_run_that_fails_says_how_far_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = console(monkeypatch, terminal=False)
    with pytest.raises(KeyboardInterrupt), Bars() as bars:
        bars(Report("a", 1, 10, 1, 1, 100, 1.0))
        bars(Report("a", 3, 10, 3, 4, 400, 2.0))
        raise KeyboardInterrupt
    assert stream.getvalue() == "a: 3/10 episodes, 75 % solved, 2 episodes/s, 200 steps/s, 0:05 left\n"


def test_on_a_terminal_the_bars_have_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = console(monkeypatch, terminal=True)
    with Bars(tasks=1) as bars:
        bars(Report("metaworld/reach-v3", 1, 10, 1, 1, 100, 1.0))
        bars(Report("metaworld/reach-v3", 5, 10, 5, 6, 600, 3.0))
    shown = stream.getvalue()
    assert "metaworld/reach-v3" in shown and "5/10 episodes, 83 % solved, 2 episodes/s, 200 steps/s, 0:03 left" in shown
    assert "left in all" not in shown


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (61, "1:01"), (3_725, "1:02:05")])
def test_times_are_short(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_reports_of_the_real_thing_are_understood(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    from metasim.benchmarks.runner import EvaluateConfig, evaluate
    from metasim.datasets import CollectConfig, collect, verify

    stream, task = console(monkeypatch, terminal=False), "classic/cart-pole-v0"
    config = CollectConfig(tasks=(task,), out=tmp_path / "x.h5", policy="zero", episodes=3, keep="all", horizon=5)
    with Bars() as bars:
        collect(config, bars)
    with Bars() as bars:
        verify(config.out, report=bars)
    with Bars() as bars:
        evaluate(EvaluateConfig(tasks=(task,), policy="zero", episodes=3, horizon=5), bars)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    for line in lines:
        assert line.startswith(f"{task}: 3/3 episodes, 100 % solved, ") and line.endswith("steps/s")
