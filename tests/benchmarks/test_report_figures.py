"""Heat maps, curves and tables of the report: the numbers on the page are those of the results."""

import dataclasses
import html
import re

import numpy as np
import pytest

from metasim.benchmarks import statistics
from metasim.benchmarks.report import render
from metasim.benchmarks.report.charts import Chart, Line, Point
from metasim.benchmarks.report.page import LIST_LIMIT
from metasim.benchmarks.results import Results

from .test_report import Page, assert_self_contained

FAILED = {"success_any": False, "success_last": False, "first_success_step": None}
CONDITIONS = (
    *({"level": name} for name in ("control", "L0", "L1")),
    *({"factor": "mass", "value": value} for value in (0.5, 1.0, 2.0)),
    {"factor": "light", "value": "dim"},
)


@pytest.fixture
def varied(make) -> Results:
    """Two policies, three tasks, a control, two levels, a factor of three values and one of one; ten episodes each."""
    rng, rows = np.random.default_rng(0), []
    for policy, skill in (("good", 0.9), ("fair", 0.6)):
        for drop, condition in enumerate(CONDITIONS):
            for task in ("lab/a-v0", "lab/b-v0", "lab/c-v0"):
                for i in range(10):
                    solved = {} if rng.random() < skill - 0.05 * drop else FAILED
                    rows.append(make(policy=policy, task=task, episode=i, **condition, **solved))
    return Results(protocol="lab-v2", config={}, episodes=tuple(rows), protocol_sha256="ab" * 32)


@pytest.fixture
def page(varied) -> Page:
    return Page(render(varied))


def test_every_cell_of_every_heat_map_says_its_counts_and_interval(varied, page):
    cells = [td for td in page.all("td") if td.get("class", "").startswith("cell")]
    arms, tasks = 2, 3
    assert len(cells) == (tasks + 1) * arms + len(CONDITIONS) * arms + len(CONDITIONS) * (tasks + 1) * arms
    tips = {td["title"] for td in cells}
    for row in statistics.summarise(varied):
        rate = row.success_any
        where = f"{row.task}, mujoco · {row.policy}, {row.condition.label}"
        said = f"{where}: {rate.successes} of 10 solved at any step, {statistics.format_rate(rate)}"
        assert said in tips
        (cell,) = [td for td in cells if td["title"] == said][:1]
        assert cell["style"] == f"--v:{round(100 * rate.value, 1)}%"
    for o in statistics.overall(varied):
        assert any(tip.endswith(f"mean of 3 tasks {statistics.format_rate(o.success_any)}") for tip in tips)


def test_curves_go_through_the_means_with_their_intervals(varied, page):
    titles = {
        title.strip() for title in re.findall(r'<figure class="chart">\s*<h3>(.*?)</h3>', render(varied).decode())
    }
    assert titles == {"Levels", "mass", "Performance profile"}  # one value of a factor makes no curve
    words = page.words()
    for o in statistics.overall(varied):
        if o.condition.level in ("L0", "L1") or o.condition.factor == "mass":
            name = f"mujoco · {o.policy}, {o.condition.label}"
            assert f"{name}: {statistics.format_rate(o.success_any)} over 3 tasks" in words
    controls = [line for line in page.all("line") if line.get("class") == "level"]
    assert len(controls) == 2 * 2  # two curves, two policies
    assert len([path for path in page.all("path") if path["class"] == "band"]) == 3 * 2


def test_a_chart_places_shares_and_values_on_a_line():
    points = tuple(Point(x=x, y=y, low=y - 0.1, high=y + 0.1) for x, y in ((0.0, 0.2), (1.0, 0.5), (4.0, 0.8)))
    line = Line(name="a", colour=0, points=points)
    chart = Chart(title="t", x_label="x", y_label="y", ticks=((0.0, "0"), (4.0, "4")), lines=(line,))
    left, right, top, bottom = chart.frame
    assert (chart.y(1.0), chart.y(0.0)) == (top, bottom)
    assert chart.x(2.0) == pytest.approx((left + right) / 2)
    assert left < chart.x(0.0) < chart.x(1.0) < chart.x(4.0) < right
    curve, band = (
        np.array(re.findall(r"[ML]([\d.]+) ([\d.]+)", path), float) for path in (chart.curve(line), chart.band(line))
    )
    assert curve == pytest.approx(np.array([[chart.x(p.x), chart.y(p.y)] for p in points]))
    assert len(band) == 6 and band[0, 1] == pytest.approx(chart.y(0.3)) and band[-1, 1] == pytest.approx(chart.y(0.1))


def test_the_profile_is_the_share_of_tasks_above_each_rate():
    rates = [statistics.rate(k, 20) for k in (20, 15, 15, 2)]
    found = statistics.profile_of(rates, [0.0, 0.1, 0.5, 0.75, 0.9, 1.0])
    assert found.value.tolist() == [1.0, 0.75, 0.75, 0.25, 0.25, 0.0]
    assert (found.low <= found.value).all() and (found.value <= found.high).all()
    assert found.low[3] == 0.25 < found.high[3]  # one task has no failure; two are at 15 of 20, and might be above


def test_tables_to_paste_are_there_with_a_button_each(varied, page):
    source = render(varied).decode()
    rows, totals = statistics.summarise(varied), statistics.overall(varied)
    texts = {
        name: html.unescape(text)
        for name, text in re.findall(r'<pre class="paste" id="(.*?)">(.*?)</pre>', source, re.S)
    }
    assert len(texts) == 6
    assert texts["table-1-markdown"] == statistics.task_table(rows).markdown()
    assert texts["table-2-latex"] == statistics.overall_table(totals).latex()
    assert len(texts["table-1-csv"].splitlines()) == 1 + len(rows)
    assert {button["data-copy"] for button in page.all("button")} == set(texts)


def test_the_first_condition_is_what_the_top_of_the_page_is_about(varied, page):
    words = page.words()
    assert "success at any step, mean of 3 tasks, control" in words and "Success by task: control" in words
    control = [o for o in statistics.overall(varied) if o.condition.level == "control"]
    for o in control:
        assert f"interquartile mean {statistics.format_rate(o.any_step.iqm)}" in words
    squares = [rect for rect in page.all("rect") if rect.get("class") in {"all", "some", "never", "broken"}]
    assert len(squares) == 2 * 3 * 10
    assert "ab" * 32 in words
    assert_self_contained(page)


def test_policies_are_set_against_each_other(varied, page):
    words = page.words()
    assert "Policies against each other: control" in words
    assert "mujoco · fair against mujoco · good" in words


def test_policies_without_a_common_start_are_set_against_each_other_all_the_same(make):
    rows = [make(task=task, policy="one", episode=i) for task in "ab" for i in range(4)]
    rows += [make(task=task, policy="two", seed=8, episode=i, **FAILED) for task in "bc" for i in range(4)]
    words = Page(render(Results(protocol="p", config={}, episodes=tuple(rows)))).words()
    assert "Compared although mujoco · one has a, and mujoco · two has not." in words
    assert "independent samples" in words
    apart = tuple(e for e in rows if e.task != "b")
    assert "against each other" not in Page(render(Results(protocol="p", config={}, episodes=apart))).words()


def test_too_many_episodes_are_left_to_the_results_file(make):
    rows = tuple(make(episode=i) for i in range(LIST_LIMIT + 1))
    page = Page(render(Results(protocol="p", config={}, episodes=rows)))
    assert "5,001 episodes are too many for a page" in page.words()
    assert not [td for td in page.all("td") if td.get("class", "") == "error"]


def test_conditions_are_said_of_every_episode(varied, results):
    assert "<th>Condition</th>" in render(varied).decode()
    assert "<th>Condition</th>" not in render(results).decode()
    assert render(varied) == render(dataclasses.replace(varied, episodes=tuple(reversed(varied.episodes))))
