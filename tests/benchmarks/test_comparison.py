"""A against B: what differs besides is refused by name, and the numbers are those of the tests they are made of."""

import csv
import dataclasses
import io
import json
from typing import Any

import numpy as np
import pytest

from metasim.benchmarks import statistics
from metasim.benchmarks.comparison import DESPITE, NotComparable, Side, cell_table, sides, total_table, versus, write
from metasim.benchmarks.results import Results
from metasim.core.errors import InvalidConfig

QUICK: dict[str, Any] = {"resamples": 400}


def half(make, policy: str, rates: dict[str, float], *, stream: int, **changes) -> Results:
    """Results of one policy: 20 episodes of each task, solved at about these rates."""
    rng = np.random.default_rng(stream)
    rows = [
        make(
            **{"task": task, "policy": policy, "episode": i, "episode_return": float(rng.normal(rate)), **changes},
            **({} if rng.random() < rate else FAILED),
        )
        for task, rate in rates.items()
        for i in range(20)
    ]
    config = {"versions": {"metasim": "1", "mujoco": "4.0.0"}, "split": "test", "tasks": [*rates], "horizon": {"a": 9}}
    return Results(protocol="lab-v1", protocol_version="2", config=config, episodes=tuple(rows))


FAILED = {"success_any": False, "success_last": False, "first_success_step": None}


@pytest.fixture
def pair(make):
    """A good and a middling policy on the same starts of three tasks."""
    good = half(make, "good", {"a": 0.9, "b": 0.7, "c": 0.8}, stream=1)
    fair = half(make, "fair", {"a": 0.4, "b": 0.6, "c": 0.5}, stream=2)
    return Side(name="good", results=good), Side(name="fair", results=fair)


def test_each_cell_is_what_the_tests_say(pair):
    found = versus(*pair, **QUICK)
    assert (found.first, found.second, found.paired, found.notes) == ("good", "fair", True, ())
    assert [c.cell.task for c in found.cells] == ["a", "b", "c"]
    for cell in found.cells:
        ours, theirs = ([e for e in side.results.episodes if e.task == cell.cell.task] for side in pair)
        outcomes = [(a.success_any, b.success_any) for a, b in zip(ours, theirs, strict=True)]
        counts = tuple(outcomes.count(p) for p in ((True, True), (True, False), (False, True), (False, False)))
        k, other = sum(a for a, _ in outcomes), sum(b for _, b in outcomes)
        assert cell.pairs == counts
        assert (cell.first, cell.second) == (statistics.rate(k, 20), statistics.rate(other, 20))
        assert cell.difference == statistics.tango(counts[1], counts[2], 20)
        assert cell.barnard == statistics.barnard(k, 20, other, 20)
        assert cell.mcnemar == statistics.mcnemar(counts[1], counts[2])
        assert cell.improvement.value == pytest.approx(0.5 + (k - other) / 40)
        returns = [[[e.episode_return for e in side]] for side in (ours, theirs)]
        assert cell.improvement_return.value == pytest.approx(statistics.improvement(*returns, resamples=9).value)
    assert [c.holm for c in found.cells] == list(statistics.holm([c.mcnemar for c in found.cells]))


def test_the_total_is_over_tasks(pair):
    found = versus(*pair, **QUICK)
    (total,) = found.totals
    assert (total.label, total.cells) == ("all tasks", 3)
    assert total.difference.value == pytest.approx(np.mean([c.difference.value for c in found.cells]))
    assert total.difference.low < total.difference.value < total.difference.high
    pairs = np.array([c.pairs for c in found.cells]).sum(axis=0)
    assert total.exact == statistics.mcnemar(*(int(v) for v in pairs[1:3]))
    assert total.barnard == statistics.barnard(total.first.successes, 60, total.second.successes, 60)
    assert total.aggregates_first == statistics.aggregates([c.first for c in found.cells], **QUICK)
    assert total.improvement.value == pytest.approx(np.mean([c.improvement.value for c in found.cells]))


def test_turning_it_round_turns_the_signs(pair):
    there, back = versus(*pair, **QUICK), versus(*reversed(pair), **QUICK)
    for a, b in zip((*there.cells, *there.totals), (*back.cells, *back.totals), strict=True):
        for name, end, other in (("difference", "low", "high"), ("improvement", "high", "low")):
            ours, theirs = getattr(getattr(a, name), end), getattr(getattr(b, name), other)
            assert ours + theirs == pytest.approx(0.0 if name == "difference" else 1.0, abs=1e-6)
        assert a.barnard == pytest.approx(b.barnard)


def test_independent_samples(pair):
    found = versus(*pair, unpaired=True, success="last", **QUICK)
    assert not found.paired and found.notes == ("The episodes of the two are taken as independent samples.",)
    cell = found.cells[0]
    assert cell.pairs is None and cell.mcnemar is None and cell.difference.method == "newcombe"
    tables = [(c.first.successes, c.first.n, c.second.successes, c.second.n) for c in found.cells]
    assert found.totals[0].exact == statistics.stratified_exact(tables)
    assert cell.difference == statistics.newcombe(*tables[0])
    wide, narrow = (versus(*pair, confidence=c, **QUICK).totals[0].difference for c in (0.99, 0.5))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_a_cells_numbers_do_not_depend_on_other_tasks(pair):
    whole = {c.cell.task: c for c in versus(*pair, **QUICK).cells}
    alone = [
        Side(
            name=side.name,
            results=dataclasses.replace(
                side.results, episodes=tuple(e for e in side.results.episodes if e.task == "b")
            ),
        )
        for side in pair
    ]
    (cell,) = versus(*alone, **QUICK).cells
    assert dataclasses.replace(cell, holm=None) == dataclasses.replace(whole["b"], holm=None)
    assert versus(*pair, **QUICK) == versus(*pair, **QUICK)


def test_where_nothing_fails_there_is_no_certainty(make):
    solved = [half(make, name, {"a": 1.0, "b": 1.0}, stream=3) for name in ("one", "two")]
    (total,) = versus(*sides([("x", solved[0]), ("y", solved[1])]), **QUICK).totals
    assert total.difference.method == "tango" and total.difference.low < 0.0 < total.difference.high
    assert total.exact == total.barnard == 1.0


def changed(results: Results, **config) -> Results:
    return dataclasses.replace(results, config={**results.config, **config})


REFUSED = {
    "protocol": (lambda r: dataclasses.replace(r, protocol="lab-v2"), "protocol is 'lab-v1' in A and 'lab-v2' in B"),
    "version": (lambda r: dataclasses.replace(r, protocol_version="3"), "protocol version is '2' in A and '3' in B"),
    "digest": (lambda r: dataclasses.replace(r, protocol_sha256="ab" * 32), "protocol sha256 is '' in A and 'abab"),
    "engine": (lambda r: changed(r, versions={"mujoco": "4.1.0"}), "mujoco is 4.0.0 in A and 4.1.0 in B"),
    "setting": (lambda r: changed(r, split="train"), "split is 'test' in A and 'train' in B"),
    "horizon": (lambda r: changed(r, horizon={"a": 8, "z": 1}), "horizon is {'a': 9} in A and {'a': 8} in B"),
    "extra": (lambda r: changed(r, goals="MT10"), "goals is None in A and 'MT10' in B"),
    "tasks": (
        lambda r: dataclasses.replace(r, episodes=tuple(e for e in r.episodes if e.task != "c")),
        "A has c, and B has not",
    ),
    "fewer": (
        lambda r: dataclasses.replace(r, episodes=tuple(e for e in r.episodes if e.episode < 12)),
        "A and B have 20 and 12 episodes of a",
    ),
}
KIND = {"version": "protocol", "digest": "protocol", "engine": "versions", "fewer": "episodes"}


@pytest.mark.parametrize("name", REFUSED)
def test_what_differs_is_refused_or_said(pair, name):
    edit, words = REFUSED[name]
    kind = KIND.get(name, name if name in DESPITE else "settings")
    first, second = Side(name="A", results=pair[0].results), Side(name="B", results=edit(pair[1].results))
    with pytest.raises(NotComparable, match=f"^not compared: .*--despite {kind} ") as refused:
        versus(first, second, **QUICK)
    assert words in str(refused.value)
    found = versus(first, second, despite=(kind,), **QUICK)
    assert any(words in note and "although" in note for note in found.notes)
    assert len(found.cells) == (2 if name == "tasks" else 3)
    assert found.cells[0].first.n == (12 if name == "fewer" else 20)


def test_other_seeds_are_compared_as_independent_samples_only(make, pair):
    other = half(make, "fair", {"a": 0.4, "b": 0.6, "c": 0.5}, stream=2, seed=8)
    second = Side(name="B", results=other)
    with pytest.raises(NotComparable, match=r"a has seeds \[7\] in good and \[8\] in B, .*; --unpaired compares"):
        versus(pair[0], second, despite=tuple(DESPITE), **QUICK)
    assert versus(pair[0], second, unpaired=True, **QUICK).cells[0].second.n == 20


def test_the_same_seeds_under_another_variation_are_not_the_same_episodes(pair):
    rows = tuple(dataclasses.replace(e, variation={"puck": 1.0}) for e in pair[1].results.episodes)
    second = Side(name="B", results=dataclasses.replace(pair[1].results, episodes=rows))
    with pytest.raises(NotComparable, match="another variation in good than in B"):
        versus(pair[0], second, **QUICK)


def test_engines_are_part_of_a_cell_unless_they_are_what_differs(make, pair):
    both = [
        dataclasses.replace(
            side.results,
            episodes=tuple(
                dataclasses.replace(e, backend=b) for e in side.results.episodes for b in ("mujoco", "pybullet")
            ),
        )
        for side in pair
    ]
    found = versus(*sides([("x", both[0]), ("y", both[1])]), **QUICK)
    assert [(c.cell.task, c.cell.backend) for c in found.cells][:2] == [("a", "mujoco"), ("a", "pybullet")]
    assert [t.label for t in found.totals] == ["mujoco", "pybullet", "all cells"]
    across = versus(*sides([("x", both[0].only(backend="mujoco")), ("y", both[1].only(backend="pybullet"))]), **QUICK)
    assert {c.cell.backend for c in across.cells} == {""}
    assert across.notes == ("x was run in mujoco, y in pybullet.",)
    with pytest.raises(NotComparable, match="choose one engine with --backend"):
        versus(*sides([("x", both[0]), ("y", both[1].only(backend="pybullet"))]), **QUICK)


def test_conditions_have_totals_of_their_own(make):
    def run(policy: str) -> Results:
        parts = [
            half(make, policy, {"a": 0.9, "b": 0.5}, stream=5),
            half(make, policy, {"a": 0.6, "b": 0.2}, stream=6, factor="mass", value=2.0),
        ]
        return dataclasses.replace(parts[0], episodes=parts[0].episodes + parts[1].episodes)

    found = versus(*sides([("x", run("p")), ("y", run("q"))]), **QUICK)
    assert [t.label for t in found.totals] == ["all episodes", "mass = 2"]  # never added up: they share their starts
    assert [t.cells for t in found.totals] == [2, 2]
    assert "condition" in cell_table(found).columns


def test_the_sides_of_one_file_and_of_several(make, results, pair):
    assert [side.name for side in sides([("f", results)])] == ["mujoco", "pybullet"]
    two = dataclasses.replace(pair[0].results, episodes=pair[0].results.episodes + pair[1].results.episodes)
    assert [side.name for side in sides([("f", two)])] == ["fair", "good"]
    with pytest.raises(NotComparable, match=r"f holds 2 policies, \['fair', 'good'\]; choose one with --policy"):
        sides([("f", two), ("g", results)])
    chosen = sides([("f", two), ("g", two)], policy="good")
    assert {e.policy for side in chosen for e in side.results.episodes} == {"good"}
    with pytest.raises(InvalidConfig, match=r"f holds no episode of policy 'god'; did you mean \['good'\]"):
        sides([("f", two)], policy="god")
    with pytest.raises(NotComparable, match="one policy in one engine; name a second file"):
        sides([("f", pair[0].results)])
    with pytest.raises(NotComparable, match="at least one results file"):
        sides([])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"success": "some"}, "'any' step or at the 'last', got 'some'"),
        ({"confidence": 2}, "confidence between 0 and 1"),
        ({"despite": ("version",)}, r"nothing named 'version' .* did you mean \['versions'\]"),
    ],
)
def test_settings_that_cannot_be_are_refused(pair, changes, words):
    with pytest.raises(InvalidConfig, match=words):
        versus(*pair, **changes)


def test_every_format_says_the_same(pair):
    found = versus(*pair, **QUICK)
    tree = json.loads(write([found], "json"), parse_constant=pytest.fail)
    (comparison,) = tree["comparisons"]
    assert tree["schema"] == "metasim.comparison/1" and comparison["paired"] is True
    rows = list(csv.DictReader(io.StringIO(write([found], "csv"))))
    assert [row["scope"] for row in rows] == ["cell"] * 3 + ["total"]
    for row, record in zip(rows, comparison["cells"] + comparison["totals"], strict=True):
        for name, value in record.items():
            assert row[name] == ("" if value is None else str(value))
    assert comparison["cells"][0]["a_rate"] == found.cells[0].first.value
    assert comparison["totals"][0]["b_iqm_low"] == found.totals[0].aggregates_second.iqm.low
    text = write([found], "markdown")
    assert text.startswith("A is good, B is fair: success at any step, the same episodes one by one; 95 % intervals.\n")
    for table in (cell_table(found), total_table(found)):
        assert table.markdown() in text
        assert all(len(row) == len(table.columns) for row in table.rows)
    latex = write([found], "latex")
    body = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 2
    assert {line.count(" & ") for line in body} == {len(t.columns) - 1 for t in (cell_table(found), total_table(found))}
    assert not [line for line in body if "%" in line.replace(r"\%", "")]
