"""The page about Meta-World in both engines: tables and sentences, all computed from results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from metasim.benchmarks.metaworld.drift import LATER
from metasim.benchmarks.metaworld.goldens import FIRST_STEPS
from metasim.benchmarks.metaworld.store import Row, short
from metasim.benchmarks.metaworld.summary import EXPERT, RANDOM, Found, agreeing, average, kept, middle, read
from metasim.benchmarks.statistics import Row as Rate
from metasim.benchmarks.statistics import format_rate, overall, percent

__all__ = ["markdown", "read"]
NONE = "–"
HAND_LIMIT_MM = 2.0
GOOD = 0.8
HEAD = """# Meta-World in both engines

What the same task code and the same experts do in each engine, and how far the engines drift apart under the same
actions. Made by `python -m metasim.benchmarks.metaworld page` from what `experts`, `goldens` and `drift` of the same
program measured; nothing here is written by hand.
"""


def markdown(found: Found) -> str:
    """Return the page."""
    parts = [HEAD, *_experts(found), *_goldens(found), *_drift(found), *_versions(found)]
    return "\n".join(parts)


def _experts(found: Found) -> list[str]:
    rows = {engine: found.expert_rows(engine) for engine in found.engines}
    if not any(rows.values()):
        return []
    settings = {engine: results.config for engine, results in found.experts.items()}
    runs = "; ".join(f"{e}: seed {c['seeds'][0]}, episodes {c['episodes'][0]}" for e, c in settings.items())
    head = ["task", *(f"{engine}, {when}" for engine in found.engines for when in ("any step", "last step"))]
    body = [[short(task), *(cell for e in found.engines for cell in _rates(rows[e].get(task)))] for task in found.tasks]
    words = [_expert_sentence(found, engine, rows[engine]) for engine in found.engines if rows[engine]]
    return [
        "## Experts\n",
        f"Success with 95 % Wilson intervals, at any step of an episode and at its last. Of each task, {runs}.\n",
        *words,
        _table(head, body),
    ]


def _rates(row: Rate | None) -> tuple[str, str]:
    return (NONE, NONE) if row is None else (format_rate(row.success_any), format_rate(row.success_last))


def _expert_sentence(found: Found, engine: str, rows: dict[str, Rate]) -> str:
    (total,) = overall(found.experts[engine])
    rates = {task: row.success_any.value for task, row in rows.items()}
    good = [task for task, rate in rates.items() if rate >= GOOD]
    weak = sorted((rate, short(task)) for task, rate in rates.items() if rate < GOOD)
    least = min(rates.values())
    below = f"; below it: {', '.join(f'{name} ({percent(rate)} %)' for rate, name in weak)}" if weak else ""
    broken = f" Broken off by the engine: {total.errors} of {total.n} episodes." if total.errors else ""
    return (
        f"- {engine}: {format_rate(total.success_any)} at any step and {format_rate(total.success_last)} at the last,"
        f" the mean of {total.tasks} tasks; {len(good)} of them at {percent(GOOD)} % or more{below};"
        f" the least is {percent(least)} %.{broken}"
    )


def _goldens(found: Found) -> list[str]:
    if not found.goldens:
        return []
    head = ["task"]
    for engine in found.engines:
        head += [f"{engine}: hand [mm]", "object at the end [mm]", "still solved", "random: hand [mm]"]
    body = [[short(task), *(c for e in found.engines for c in _golden_cells(found, e, task))] for task in found.tasks]
    return [
        "\n## Recorded actions replayed\n",
        "Actions recorded from the original (metaworld 3.1.1 on MuJoCo 3.3.0), open loop from its recorded initial"
        f" states. Hand: an episode's median deviation over the first {FIRST_STEPS} steps; object: its deviation after"
        " the last recorded step, ten steps after the recorded success; both the median of the scripted episodes.\n",
        *(_golden_sentence(found, engine) for engine in found.engines if engine in found.goldens),
        _table(head, body),
    ]


def _golden_cells(found: Found, engine: str, task: str) -> list[str]:
    rows, drawn = found.golden_rows(engine, task), found.golden_rows(engine, task, RANDOM)
    return [
        _mm(middle(rows, lambda r: r["hand_mm"])),
        _mm(middle(rows, lambda r: r["object_end_mm"])),
        _share(kept(rows)),
        _mm(middle(drawn, lambda r: r["hand_mm"])),
    ]


def _golden_sentence(found: Found, engine: str) -> str:
    rows = {task: found.golden_rows(engine, task) for task in found.tasks if found.golden_rows(engine, task)}
    far = [short(t) for t, r in rows.items() if (middle(r, lambda r: r["hand_mm"]) or 0.0) > HAND_LIMIT_MM]
    every = [row for r in rows.values() for row in r]
    solved, count = kept(every)
    lost = [f"{short(t)} ({_share(kept(r))})" for t, r in rows.items() if kept(r)[0] < kept(r)[1]]
    less = f"; lost: {', '.join(lost)}" if lost else ""
    beyond = f"beyond {HAND_LIMIT_MM:g} mm in {', '.join(far)}" if far else f"within {HAND_LIMIT_MM:g} mm in every task"
    return (
        f"- {engine}: the hand stays {beyond}; its median over all {len(every)} scripted episodes is"
        f" {_mm(middle(every, lambda r: r['hand_mm']))} mm. {solved} of {count} recorded successes are reached again"
        f" ({percent(solved / max(count, 1))} %{less})."
    )


def _drift(found: Found) -> list[str]:
    if found.drift is None:
        return []
    head = ["task"]
    for policy in (EXPERT, RANDOM):
        head += [f"{policy}: hand [mm]", "object [mm]", "agree"]
    body = [
        [short(task), *(c for p in (EXPERT, RANDOM) for c in _drift_cells(found.drift_rows(task, p)))]
        for task in found.tasks
    ]
    s, later = found.drift.settings, ", ".join(map(str, LATER))
    return [
        "\n## The same actions in both engines\n",
        f"Actions of the expert, recorded in {s['reference']}, and random ones, repeated in {s['engine']} from the same"
        f" states: {s['episodes']} episodes of {s['steps']} steps each. Deviations are medians after {later} steps;"
        " agree: both engines solve the task with these actions, or neither does.\n",
        *(_drift_sentence(found, policy) for policy in (EXPERT, RANDOM)),
        _table(head, body),
    ]


def _drift_cells(rows: Sequence[Row]) -> list[str]:
    if not rows:
        return [NONE] * 3
    cells = [
        " / ".join(_mm(middle(rows, lambda r, t=t, k=key: r[k][str(t)])) for t in LATER)
        for key in ("hand_mm", "object_mm")
    ]
    return [*cells, _share(agreeing(rows))]


def _drift_sentence(found: Found, policy: str) -> str:
    by_task = {task: found.drift_rows(task, policy) for task in found.tasks if found.drift_rows(task, policy)}
    if not by_task:
        return f"- {policy}: not measured."
    shares = [agreeing(rows)[0] / agreeing(rows)[1] for rows in by_task.values()]
    every = [row for rows in by_task.values() for row in rows]
    figures = ", ".join(f"{_mm(middle(every, lambda r, t=t: r['hand_mm'][str(t)]))} mm after {t}" for t in LATER)
    return (
        f"- {policy} actions, {len(by_task)} tasks: the hands are apart by {figures} steps (median);"
        f" the engines agree on success in {percent(average(shares))} % of the episodes."
    )


def _versions(found: Found) -> list[str]:
    held = [dict(r.config["versions"]) for r in found.experts.values()]
    held += [dict(r.settings["versions"]) for r in (*found.goldens.values(), *([found.drift] if found.drift else []))]
    listed = {name: version for versions in held for name, version in versions.items()}
    return ["\nVersions: " + ", ".join(f"{name} {listed[name]}" for name in sorted(listed)) + ".\n"]


def _mm(value: float | None) -> str:
    return NONE if value is None else f"{value:.1f}" if value < 10 else f"{value:.0f}"


def _share(counts: tuple[int, int]) -> str:
    return f"{counts[0]}/{counts[1]}" if counts[1] else NONE


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
