"""The report's tables of what variation costs: their numbers are those of a plain count of the episodes."""

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy.stats import barnard_exact, binomtest

from metasim.benchmarks.condition import Condition
from metasim.benchmarks.report import render
from metasim.benchmarks.report.drops import across_engines, against_control, learned_in, not_applicable, pasteable
from metasim.benchmarks.results import Results

from .test_report import Page, assert_self_contained

FAILED = {"success_any": False, "success_last": False, "first_success_step": None}
TASKS = ("lab/a-v0", "lab/b-v0", "lab/c-v0")
CONDITIONS: dict[str, tuple[dict[str, str], str, float]] = {
    "control": ({"level": "control"}, "train", 0.9),
    "L0": ({"level": "L0"}, "test", 0.7),
    "mass": ({"factor": "mass"}, "train", 0.5),
    "light": ({"factor": "light"}, "train", 0.9),
}
ARMS = {("mujoco", "bc-1"): "mujoco", ("pybullet", "bc-1"): "pybullet"}


@pytest.fixture
def varied(make: Any) -> Results:
    """Twelve episodes a cell in two engines; one task has no mass; light changes nothing."""
    rows = []
    for k, backend in enumerate(("mujoco", "pybullet")):
        for label, (condition, _, skill) in CONDITIONS.items():
            for task in TASKS if label != "mass" else TASKS[:2]:
                rng = np.random.default_rng(
                    [k, ["control", "light", "L0", "mass"].index(label) // 2 * (1 + (label == "mass")), len(task)]
                )
                for i in range(12):
                    solved = {} if rng.random() < skill - 0.2 * k else FAILED
                    variation = {label: i / 8} if label in ("mass", "light") else {}
                    fields = {**condition, **solved, "variation": variation}
                    rows.append(make(policy="bc-1", backend=backend, task=task, episode=i, **fields))
    config = {
        "conditions": {label: {"split": split, "axes": []} for label, (_, split, _) in CONDITIONS.items()},
        "trained": {"bc-1": {"backend": "mujoco"}},
        "not_applicable": {engine: {"lab/c-v0": {"mass": "nothing to weigh"}} for engine in ("mujoco", "pybullet")},
    }
    return Results(protocol="lab-v3", config=config, episodes=tuple(rows))


def solved(results: Results, backend: str, label: str, task: str) -> dict[int, bool]:
    return {
        e.episode: e.success_any
        for e in results.episodes
        if (e.backend, e.condition.label, e.task) == (backend, label, task)
    }


@pytest.mark.parametrize("label", ["L0", "mass", "light"])
def test_a_condition_is_compared_with_the_control_over_the_tasks_that_have_both(varied: Results, label: str) -> None:
    for table in against_control(varied, ARMS):
        (row,) = [row for row in table.rows if row.label == label]
        tasks = TASKS[:2] if label == "mass" else TASKS
        sides = [[solved(varied, table.title, name, task) for task in tasks] for name in (label, "control")]
        rates = [np.mean([np.mean([*found.values()]) for found in side]) for side in sides]
        assert row.total.cells == len(tasks) and row.paired == (label != "L0")
        assert row.total.difference.value == pytest.approx(rates[0] - rates[1])
        assert row.total.aggregates_second.mean.value == pytest.approx(rates[1])
        (k, n), (other, m) = ((sum(sum(f.values()) for f in side), sum(len(f) for f in side)) for side in sides)
        oracle = barnard_exact([[k, other], [n - k, m - other]]).pvalue if k != other else 1.0
        assert row.total.barnard == pytest.approx(oracle, abs=2e-3)
        if row.paired:
            lost = Counter((a[i], b[i]) for a, b in zip(*sides, strict=True) for i in a)
            split = lost[True, False], lost[False, True]
            oracle = binomtest(split[0], sum(split)).pvalue if sum(split) else 1.0
            assert row.total.exact == pytest.approx(oracle)
        drops = [np.mean([*a.values()]) - np.mean([*b.values()]) for a, b in zip(*sides, strict=True)]
        assert (row.worst is None) == (min(drops) >= 0.0)
        if row.worst is not None:
            assert row.worst.difference.value == pytest.approx(min(drops))


def test_engines_are_compared_condition_by_condition(varied: Results) -> None:
    (table,) = across_engines(varied, ARMS)
    assert (table.title, table.first, table.second, table.learned) == ("bc-1", "mujoco", "pybullet", "mujoco")
    assert [row.label for row in table.rows] == ["control", "L0", "light", "mass"]
    assert all(row.paired for row in table.rows)
    for row in table.rows:
        tasks = TASKS[:2] if row.label == "mass" else TASKS
        rates = [np.mean([[*solved(varied, e, row.label, t).values()] for t in tasks]) for e in ("mujoco", "pybullet")]
        assert row.total.difference.value == pytest.approx(rates[0] - rates[1])


def test_the_page_shows_both_with_the_reasons_of_what_does_not_apply(varied: Results) -> None:
    assert not_applicable(varied) == [("mujoco, pybullet", "nothing to weigh", "c-v0 (mass)")]
    data = render(varied)
    page = Page(data)
    assert_self_contained(page)
    words = page.words()
    assert "Against the control" in words and "Across engines" in words and "learned in mujoco" in words
    assert "nothing to weigh" in words and "one axis at a time" in words
    assert render(varied) == data
    text = pasteable(against_control(varied, ARMS), "x")[0][1]
    assert text["csv"].count("\n") == 1 + 2 * 3 and "| mujoco | L0 | 3 |" in text["markdown"]


def test_other_results_have_no_such_tables(varied: Results) -> None:
    bare = dataclasses.replace(varied, config={})
    assert against_control(bare, ARMS) == [] and across_engines(bare, ARMS) == [] and not_applicable(bare) == []
    assert learned_in(bare, "bc-1") == ""
    plain = varied.only(condition=Condition(level="control"))
    assert against_control(plain, ARMS) == []
    assert "Against the control" not in Page(render(plain)).words()
