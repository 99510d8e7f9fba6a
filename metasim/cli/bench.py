"""The verb ``bench``: a policy through a frozen protocol, cell by cell."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from metasim.cli.options import MaybeInt, MaybeOut, TaskModules, policy_name
from metasim.cli.output import note, plain, stdout_kept, table
from metasim.cli.progress import Bars, clock
from metasim.cli.scaling import MaybeRay
from metasim.core.errors import InvalidConfig

if TYPE_CHECKING:
    from metasim.benchmarks.generalization import BenchConfig, Finished
    from metasim.benchmarks.results import Results

ProtocolName = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PROTOCOL")]
Words = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME...")]
Engines = Annotated[tuple[str, ...], tyro.conf.arg(metavar="ENGINE...")]
LEVELS = ("control", "L[0-9]*")


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Run a policy through a frozen protocol: every task under every condition, the control among them.

    With --out, finished cells are kept in OUT.parts until all are done: the same command goes on where it was
    interrupted, and OUT has the same bytes. A policy that does not fit a task is refused before the first episode.

    Args:
        protocol: Name of the protocol, or a file of one.
        policy: As of `metasim eval`: a name, a file or folder that train wrote, or the address of a server. Several
            files of policies that know one task each are run as one, on their tasks.
        backend: Engines, one or more.
        tasks: Only these tasks; ids or globs, suite and version may be left out.
        cells: Only these conditions; names or globs, such as 'mass' or 'L*'.
        levels: Only the control and the levels.
        episodes: The first so many episodes of each cell; all if not given.
        workers: Processes; the results do not depend on it.
        worlds: Episodes run together; the results of a policy do not depend on it if it computes each row by itself.
        ray: Run it on Ray: on --workers CPUs started here, or --workers at a time on a cluster at an address; the
            results do not depend on it.
        out: Results file (JSON).
        list: Say which cells there are, and which do not apply and why; run nothing.
        dry_run: Try the policy and say how much would be run; run nothing.
        task_module: A file that registers tasks, policies or axes; may be given several times.
    """

    protocol: ProtocolName = "generalization-v1"
    policy: Words = ("expert",)
    backend: Engines = ("mujoco",)
    tasks: Words = ()
    cells: Words = ()
    levels: bool = False
    episodes: MaybeInt = None
    workers: int = 1
    worlds: int = 10
    ray: MaybeRay = None
    out: MaybeOut = None
    list: bool = False
    dry_run: bool = False
    task_module: TaskModules = ()

    def run(self) -> int:
        """Run and print."""
        from metasim.benchmarks.generalization import bench

        if self.levels and self.cells:
            raise InvalidConfig("--levels and --cells both say which conditions to run; give one of them")
        with stdout_kept():
            config = self._config()
            if self.dry_run:
                sentence = dry_run(config)
            elif not self.list:
                with _Cells() as said:
                    results = bench(config, said)
        if self.list:
            show_cells(config)
        elif self.dry_run:
            plain(sentence)
        else:
            show(results)
            left_out = sum(engine in cell.refused for cell in config.cells for engine in config.backends)
            if left_out:
                note(f"{left_out} cells do not apply and were not run; --list says why")
            if self.out:
                plain(str(self.out))
        return 0

    def _config(self) -> BenchConfig:
        from metasim.benchmarks.generalization import BenchConfig, make_team

        if not self.policy:
            raise InvalidConfig("--policy names at least one policy")
        names = [policy_name(word) for word in self.policy]
        name, team = make_team(names) if len(names) > 1 else (names[0], {})
        return BenchConfig(
            protocol=self.protocol,
            policy=name,
            team=team,
            backends=self.backend,
            tasks=self.tasks,
            conditions=LEVELS if self.levels else self.cells,
            episodes=self.episodes,
            workers=self.workers,
            worlds=self.worlds,
            ray=self.ray,
            out=self.out,
        )


class _Cells(Bars):
    """A bar for all cells, and a line for each that is done."""

    def __init__(self) -> None:
        super().__init__("cells")

    def __call__(self, report: Finished) -> None:
        """Show a cell."""
        left = ""
        if 0 < report.done < report.wanted and not report.found:
            left = f", {clock(report.elapsed_s * (report.wanted - report.done) / report.done)} left"
        share = f"{report.successes}/{report.episodes} solved"
        words = f"{report.task}, {report.condition}, {report.backend}: {share}"
        note(f"{words} [{report.done}/{report.wanted}{left}]")
        self.show("all cells", report.done / report.wanted, f"{report.done}/{report.wanted} cells")


def show_cells(config: BenchConfig) -> None:
    """Print every cell that was asked for, and the reason where it does not apply."""
    rows = []
    for cell in config.cells:
        axes = ", ".join(cell.arm.axes) or "–"
        found = {engine: cell.refused.get(engine, "") for engine in config.backends}
        said = {
            engine: f"not applicable: {reason}" if reason else str(config.count) for engine, reason in found.items()
        }
        words = (
            [f"{engine}: {text}" for engine, text in said.items()]
            if len({*said.values()}) > 1
            else [*said.values()][:1]
        )
        rows.append((cell.task, cell.label, cell.arm.split, axes, "; ".join(words)))
    frozen = config.frozen
    title = f"{frozen.name}, version {frozen.version}, sha256 {frozen.sha256}"
    table(title, ("task", "condition", "starts", "axes", "episodes"), rows)


def dry_run(config: BenchConfig) -> str:
    """Check everything, try the policy in every task, and return what would be run."""
    from metasim.benchmarks.generalization.fitting import check_fit

    config.check()
    tasks = dict.fromkeys(cell.task for cell in config.cells)
    sees = [check_fit(config.policy_of(task), task, config.backends[0], config.worlds) for task in tasks]
    wanted = [(c, e) for c in config.cells for e in config.backends if e not in c.refused]
    left_out = len(config.cells) * len(config.backends) - len(wanted)
    steps = sum(config.count * config.steps(cell.task) for cell, _ in wanted)
    blind = "" if any(sees) else "; the policy looks at no pictures, so cells that differ in looks alone are run once"
    many = f"{len(tasks)} task{'' if len(tasks) == 1 else 's'}"
    return (
        f"policy {config.policy} fits {many}: {len(wanted)} cells, {len(wanted) * config.count} episodes,"
        f" {steps:,} steps at most; {left_out} cells do not apply{blind}"
    )


def show(results: Results) -> None:
    """Print conditions by engine: success over all tasks, and against the control."""
    from metasim.benchmarks import overall
    from metasim.benchmarks.statistics import format_rate

    totals = overall(results)
    by_arm: dict[tuple[str, str], dict[Any, Any]] = defaultdict(dict)
    for total in totals:
        by_arm[total.backend, total.policy][total.condition] = total
    rows = []
    for (backend, policy), found in by_arm.items():
        for condition, total in found.items():
            rates = (format_rate(total.success_any), format_rate(total.success_last))
            rows.append((condition.label, backend, policy, str(total.tasks), str(total.n), *rates))
    columns = ("condition", "engine", "policy", "tasks", "episodes", "success at any step", "at the last step")
    table("", columns, rows)
