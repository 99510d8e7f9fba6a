"""``kill -9`` at random moments of a collection: what is lost, what cannot be read, what comes out differently."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from metasim.benchmarks.datasets.campaign import BROKEN, Campaign, Plan
from metasim.benchmarks.datasets.victim import PARENT, PHASES, WORKER, Scenario
from metasim.benchmarks.measuring.report import Column, Goal, Report
from metasim.benchmarks.metaworld.progress import bar

REACH = "metaworld/reach-v3"
SCENARIOS = (
    Scenario(
        name="mujoco, all",
        tasks=(REACH, "metaworld/push-v3", "metaworld/drawer-close-v3"),
        backend="mujoco",
        policy="expert",
        keep="all",
        episodes=20,
        horizon=60,
        tail=5,
    ),
    Scenario(
        name="mujoco, successes",
        tasks=(REACH, "metaworld/reach-wall-v3"),
        backend="mujoco",
        policy="noisy-expert:sigma=0.5",
        keep="successes",
        episodes=20,
        horizon=40,
        tail=2,
    ),
    Scenario(
        name="pybullet, all",
        tasks=(REACH,),
        backend="pybullet",
        policy="random-walk:sigma=0.5",
        keep="all",
        episodes=16,
        horizon=40,
        tail=2,
    ),
)
WORKERS = (1, 2, 4)
_COUNTED = ("kills", *PHASES, PARENT, WORKER, "datasets", "at stake", *BROKEN)
COLUMNS = (
    *(Column(key=key, heading=key, digits=0) for key in _COUNTED if key not in BROKEN),
    Column(key="broken", heading="broken", digits=0),
    Column(key="run_s", heading="a run [s]", digits=1),
    Column(key="merge_ms", heading="merge [ms]", digits=0),
)


def run(plan: Plan, *, scenarios: Sequence[Scenario] = SCENARIOS, workers: Sequence[int] = WORKERS) -> Report:
    """Kill collections, let them go on, and count what was broken.

    Raises:
        EngineFailure: If a run fails that was not killed.
    """
    cases = [(scenario, count) for count in workers for scenario in scenarios]
    shares = [plan.kills // len(cases) + (k < plan.kills % len(cases)) for k in range(len(cases))]
    done = Counter[str]()
    with tempfile.TemporaryDirectory(prefix="metasim-kills-") as root, bar("kills") as show:

        def told() -> None:
            done.update(("kills",))
            show(done["kills"] / plan.kills, f"{done['kills']}/{plan.kills}")

        def begun(k: int) -> Campaign:
            luck = random.Random(f"{plan.seed} {k}")
            campaign = Campaign(*cases[k], Path(root) / str(k), plan, luck, told)
            campaign.run(shares[k])
            return campaign

        wanted = [k for k in range(len(cases)) if shares[k]]
        with ThreadPoolExecutor(plan.lanes) as pool:
            campaigns = dict(zip(wanted, pool.map(begun, wanted), strict=True))
    return _report(plan, {_name(*cases[k]): campaign for k, campaign in campaigns.items()})


def _name(scenario: Scenario, workers: int) -> str:
    return f"{scenario.name}, {workers} worker{'s' * (workers > 1)}"


def _report(plan: Plan, campaigns: dict[str, Campaign]) -> Report:
    rows = {name: {key: float(campaign.counts[key]) for key in _COUNTED} for name, campaign in campaigns.items()}
    rows["together"] = {key: sum(row[key] for row in rows.values()) for key in _COUNTED}
    for row in rows.values():
        row["broken"] = sum(row[key] for key in BROKEN)
    for name, campaign in campaigns.items():
        time = campaign.timeline
        rows[name] |= {"run_s": time.total_s, "merge_ms": 1e3 * (time.named_s - time.merge_s)}
    broken = {name.replace(" ", "_"): rows["together"][key] for key, name in BROKEN.items()}
    chosen = {"kills": plan.kills, "aimed_at_the_merge": plan.aimed, "of_one_process": plan.alone, "seed": plan.seed}
    return Report(
        benchmark="kills",
        settings=chosen,
        columns=COLUMNS,
        rows=rows,
        summary=broken,
        goals=[Goal(key=key, at_most=0) for key in broken],
    )
