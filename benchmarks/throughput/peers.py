"""Our environments against other libraries', which live in virtual environments of their own.

Both processes are alive all the time, but only one works: the peer's sleeps on its standard input while ours steps.
Both get the same random actions, from one file.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from metasim.benchmarks.throughput.report import Column, Goal, Report
from metasim.benchmarks.throughput.rounds import Lap, Rounds, Timing, alternate, geometric_mean, pilot
from metasim.benchmarks.throughput.sides import Single, Vector
from metasim.core.errors import EngineFailure, InvalidConfig

Array = Any
WORKER = Path(__file__).with_name("peer_worker.py")
PINS: Mapping[str, tuple[str, ...]] = {
    "envpool": ("envpool==1.2.5", "gymnasium==1.4.0", "numpy==2.4.6"),
    "metaworld": ("metaworld==3.1.1", "mujoco==3.3.0", "gymnasium==1.4.0", "numpy==2.4.6", "packaging"),
}
FRESH_STEPS = 450
"""Steps of a lap that begins with a reset: fewer than an episode has, so that none ends in it."""
COLUMNS = (
    Column(key="ours", heading="ours [steps/s]", digits=0),
    Column(key="peer", heading="peer [steps/s]", digits=0),
    Column(key="ratio", heading="ours / peer"),
    Column(key="ours_with_resets", heading="ours with resets", digits=0),
    Column(key="peer_with_resets", heading="peer with resets", digits=0),
    Column(key="ratio_with_resets", heading="ours / peer"),
)


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a peer is asked to make.

    Attributes:
        peer: Its name.
        task: The task in the peer's words.
        actions: ``(T, N, A)``.
        threads: Of the peer.
    """

    peer: str
    task: str
    actions: Array
    threads: int = 1


class Peer:
    """A peer's process, and its environment as a side of a comparison.

    Raises:
        EngineFailure: If the process dies or its library raises.
    """

    def __init__(self, python: Path, setup: Setup) -> None:
        self.name = setup.peer
        self._folder = tempfile.TemporaryDirectory(prefix="metasim-")
        actions = Path(self._folder.name) / "actions.npy"
        np.save(actions, setup.actions)
        try:
            self._process = subprocess.Popen(
                [str(python), "-I", str(WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        except OSError as error:
            self._folder.cleanup()
            raise InvalidConfig(
                f"cannot run {str(python)!r}, the interpreter given for {setup.peer}: {error}"
            ) from error
        try:
            made = self._ask(
                "make",
                peer=setup.peer,
                task=setup.task,
                actions=str(actions),
                num_envs=setup.actions.shape[1],
                threads=setup.threads,
            )
        except BaseException:
            self.close()
            raise
        self.version: str = made["version"]

    def stagger(self, steps: int) -> None:
        """Give the worlds episodes of different ages."""
        self._ask("stagger", steps=steps)

    def step(self, steps: int) -> Lap:
        """Take some steps."""
        return Lap(**self._ask("step", steps=steps))

    def fresh_step(self, steps: int) -> Lap:
        """Take some steps from the beginning of episodes."""
        return Lap(**self._ask("fresh_step", steps=steps))

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                cast(IO[str], pipe).close()
        try:
            self._process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def _ask(self, do: str, **fields: Any) -> dict[str, Any]:
        asking, answering = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)
        try:
            asking.write(json.dumps({"do": do, **fields}) + "\n")
            asking.flush()
            line = answering.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise EngineFailure(
                f"the process of {self.name} died with exit code {self._process.wait()} at {do!r}"
            )
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise EngineFailure(f"{self.name} cannot {do}: {answer['error']}")
        return answer


def interpreter(peer: str, python: Path | None, make_venv: Path | None) -> Path:
    """Return the interpreter of a peer's environment, which is made first where ``make_venv`` says so.

    Raises:
        InvalidConfig: If neither is given, or both are.
        EngineFailure: If the installation fails.
    """
    if (python is None) == (make_venv is None):
        raise InvalidConfig(
            f"{peer} lives in an environment of its own: give either --python PATH or --make-venv FOLDER"
        )
    if python is not None:
        return python
    assert make_venv is not None
    target = make_venv / "bin" / "python"
    if not target.exists():
        _call([sys.executable, "-m", "venv", str(make_venv)])
    _call([str(target), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PINS[peer]])
    return target


def run_envpool(
    tasks: Sequence[str],
    timing: Timing,
    python: Path,
    *,
    num_envs: int = 64,
    threads: int = 2,
    warmup: int | None = None,
) -> Report:
    """Compare vector environments, first within episodes, then with episodes that end and begin all the time."""
    rows, versions = {}, {}
    for task in tasks:
        ours = Vector(task, num_envs, threads)
        setup = Setup(peer="envpool", task=_camel(task), actions=ours.actions, threads=threads)
        with _both(ours, python, setup) as peer:
            versions["envpool"] = peer.version
            steps = pilot([ours.fresh_step, peer.fresh_step], timing.seconds, FRESH_STEPS)
            within = alternate({"ours": ours.fresh_step, "peer": peer.fresh_step}, steps, timing.rounds)
            passed = ours.horizon if warmup is None else warmup
            ours.stagger(passed)
            peer.stagger(passed)
            rows[task] = _row(within, alternate({"ours": ours.step, "peer": peer.step}, steps, timing.rounds))
    settings = {"num_envs": num_envs, "threads": threads, "seconds": timing.seconds, "rounds": timing.rounds}
    return _report("envpool", settings, rows, versions, 1.3)


def run_metaworld(tasks: Sequence[str], timing: Timing, python: Path, *, limit: int = 2000) -> Report:
    """Compare single environments made by ``gymnasium.make``."""
    rows, versions = {}, {}
    for task in tasks:
        ours = Single(task)
        setup = Setup(peer="metaworld", task=_plain(task), actions=ours.actions[:, None])
        with _both(ours, python, setup) as peer:
            versions["metaworld"] = peer.version
            steps = pilot([ours.step, peer.step], timing.seconds, limit)
            rounds = alternate({"ours": ours.step, "peer": peer.step}, steps, timing.rounds)
            rows[task] = _row(rounds, rounds, ours.horizon)
    return _report("metaworld", {"seconds": timing.seconds, "rounds": timing.rounds}, rows, versions, 1.5)


@contextlib.contextmanager
def _both(ours: Vector | Single, python: Path, setup: Setup) -> Iterator[Peer]:
    """Have a peer beside an environment of ours, and close both."""
    with contextlib.closing(ours), contextlib.closing(Peer(python, setup)) as peer:
        yield peer


def _row(within: Rounds, with_resets: Rounds, horizon: int | None = None) -> dict[str, float]:
    return {
        "ours": within.rate("ours"),
        "peer": within.rate("peer"),
        "ratio": within.ratio("ours", "peer"),
        "ours_with_resets": with_resets.rate("ours", horizon),
        "peer_with_resets": with_resets.rate("peer", horizon),
        "ratio_with_resets": with_resets.ratio("ours", "peer", horizon),
    }


def _report(
    name: str,
    settings: Mapping[str, Any],
    rows: Mapping[str, Mapping[str, float]],
    versions: Mapping[str, str],
    goal: float,
) -> Report:
    ratios = ("ratio", "ratio_with_resets")
    return Report(
        benchmark=name,
        settings=settings,
        columns=COLUMNS,
        rows=rows,
        summary={key: geometric_mean(row[key] for row in rows.values()) for key in ratios},
        goals=(Goal(key="ratio", at_least=goal),),
        versions=versions,
    )


def _plain(task: str) -> str:
    """Return a task's name without the suite, ``metaworld/pick-place-v3`` to ``pick-place-v3``."""
    suite, _, name = task.partition("/")
    if suite != "metaworld":
        raise InvalidConfig(f"the peers have Meta-World's tasks, not {task!r}; give metaworld/... tasks")
    return name


def _camel(task: str) -> str:
    """Return envpool's name of a task, ``metaworld/pick-place-v3`` to ``MetaWorld/PickPlace-v3``."""
    name, _, version = _plain(task).rpartition("-")
    return f"MetaWorld/{''.join(part.capitalize() for part in name.split('-'))}-{version}"


def _call(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineFailure(f"{' '.join(command)} failed: {done.stderr.strip()[-2000:]}")
