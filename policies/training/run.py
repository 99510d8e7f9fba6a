"""Trains a policy: learns, evaluates and writes checkpoints in turns, and goes on where a killed run stopped."""

from __future__ import annotations

import csv
import io
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metasim.core.errors import InvalidConfig
from metasim.policies.learned import FILE, Learned
from metasim.policies.training.config import Progress, Row, TrainConfig
from metasim.policies.training.trials import Trials
from metasim.work import remove_drafts, write_atomically
from metasim.work.files import DRAFT_SUFFIX

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm  # pyright: ignore[reportMissingImports]

BEST, STATE, CURVE, CONFIG, CHECKPOINTS = "best.safetensors", "state.safetensors", "curve", "config.json", "checkpoints"
CLOCK = "clock.json"
"""How long a training with a limit of time has taken; others leave no such file, and so the same bytes every time."""
Report = Callable[[Progress], None]
_REPORT_S = 0.2
_SPENT = ("seconds", "cpu_seconds")


def train(config: TrainConfig, report: Report | None = None) -> Path:
    """Train into ``config.out`` and return the policy's file there.

    The folder then has ``policy.safetensors`` (the last one), ``best.safetensors`` (the best evaluated one),
    ``checkpoints/``, ``curve.csv`` and ``curve.json``, ``config.json``, and ``state.safetensors``, which a further
    call goes on from: with the same configuration after it was killed, or with more ``steps`` or ``minutes``.

    Args:
        config: What to train.
        report: Called in this process as it goes on.

    Raises:
        InvalidConfig: If the folder holds a training with other settings.
        InvalidPolicy: If what is in the folder is damaged.
        MissingDependency: Without Stable-Baselines3, torch or safetensors.
    """
    from metasim.policies.training.learner import make_learner
    from metasim.policies.training.state import load_header, load_state

    state, rows = config.out / STATE, list[Row]()
    _check_folder(config)
    if state.exists():
        rows = [Row(**row) for row in load_header(state)["curve"]]
        if rows and (rows[-1].steps >= config.steps or _left_s(config) <= 0):
            return config.out / FILE
    with _generators_kept(config.threads):
        learner = make_learner(config)
        trials: Trials | None = None
        try:
            if rows:
                load_state(state, learner)
            trials = Trials(config)
            _write_config(config)
            _Run(config, learner, trials, rows, report).go()
        finally:
            assert learner.env is not None
            learner.env.close()
            if trials is not None:
                trials.close()
    return config.out / FILE


class _Run:
    """The turns of one call."""

    def __init__(
        self, config: TrainConfig, learner: BaseAlgorithm, trials: Trials, rows: list[Row], report: Report | None
    ) -> None:
        self.config, self.learner, self.trials, self.rows = config, learner, trials, rows
        self._report, self._start, self._told = report, time.monotonic(), -np.inf
        self._left_s, self._before, self._cpu_start = _left_s(config), spent_s(config.out), time.process_time()
        self._best = max((_rank(row) for row in rows), default=None)
        self._episodes = rows[-1].episodes if rows else 0
        self._set_log()

    def go(self) -> None:
        """Learn and evaluate until all steps are taken, or the time is up."""
        from stable_baselines3.common.callbacks import ConvertCallback  # pyright: ignore[reportMissingImports]

        learner, config = self.learner, self.config
        while learner.num_timesteps < config.steps and not self._late:
            chunk = min(config.interval, config.steps - learner.num_timesteps)
            learner.learn(
                chunk,
                callback=ConvertCallback(self._heard),
                reset_num_timesteps=False,
                log_interval=4 if config.tensorboard else None,  # type: ignore[arg-type]
            )
            self._evaluate()

    def _heard(self, scope: dict[str, Any], _: Any = None) -> bool:
        """Count finished episodes, and tell how far it is; learners call this in every step."""
        self._episodes += int(np.count_nonzero(scope["dones"]))
        if self._report is not None and time.monotonic() - self._told > _REPORT_S:
            self._tell()
        return not self._late

    @property
    def _late(self) -> bool:
        return time.monotonic() - self._start >= self._left_s

    def _evaluate(self) -> None:
        from metasim.policies.training.learner import policy_of
        from metasim.policies.training.state import save_state

        out, learner = self.config.out, self.learner
        policy = policy_of(learner, self.config)
        score = self.trials.run(policy)
        recent, ends = learner.ep_info_buffer or (), learner.ep_success_buffer or ()
        row = Row(
            steps=int(learner.num_timesteps),
            episodes=self._episodes,
            train_return=float(np.mean([e["r"] for e in recent])) if recent else None,
            train_success=float(np.mean(ends)) if ends else None,
            **asdict(score),
        )
        self.rows.append(row)
        policy.save(out / CHECKPOINTS / f"step_{row.steps:010d}.safetensors")
        self._keep(policy, row)
        _write_curve(out, self.rows)
        save_state(out / STATE, learner, {"curve": [asdict(r) for r in self.rows]})
        if self.config.minutes is not None:
            now = time.monotonic() - self._start, time.process_time() - self._cpu_start
            spent = dict(zip(_SPENT, (round(a + b, 1) for a, b in zip(self._before, now, strict=True)), strict=True))
            write_atomically(out / CLOCK, json.dumps(spent).encode())
        self._tell()

    def _keep(self, policy: Learned, row: Row) -> None:
        policy.save(self.config.out / FILE)
        if self._best is None or _rank(row) > self._best:
            self._best = _rank(row)
            policy.save(self.config.out / BEST)

    def _tell(self) -> None:
        self._told = time.monotonic()
        if self._report is None:
            return
        done, elapsed = int(self.learner.num_timesteps), self._told - self._start
        limit = 60.0 * (self.config.minutes or np.inf)
        self._report(
            Progress(
                task=self.config.task,
                done=done,
                wanted=self.config.steps,
                row=self.rows[-1] if self.rows else None,
                elapsed_s=elapsed,
                share=min(1.0, max(done / self.config.steps, (self._before[0] + elapsed) / limit)),
            )
        )

    def _set_log(self) -> None:
        from stable_baselines3.common.logger import configure  # pyright: ignore[reportMissingImports]

        folder = str(self.config.out / "tensorboard") if self.config.tensorboard else None
        self.learner.set_logger(configure(folder, ["tensorboard"] if folder else []))


def spent_s(out: Path) -> tuple[float, float]:
    """Return how long the training in a folder has taken, as far as it had a limit, and of a processor's time [s]."""
    try:
        found = json.loads((out / CLOCK).read_text())
        return float(found["seconds"]), float(found.get("cpu_seconds", 0.0))
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return 0.0, 0.0


def _left_s(config: TrainConfig) -> float:
    return np.inf if config.minutes is None else 60.0 * config.minutes - spent_s(config.out)[0]


def _rank(row: Row) -> tuple[float, float]:
    """Return what makes one evaluation better than another: success at the last step counts before the return."""
    return (row.eval_success_last, row.eval_return)


def _check_folder(config: TrainConfig) -> None:
    """Refuse a folder with another training in it, and clear away what a killed one left."""
    file = config.out / CONFIG
    if config.out.exists() and not config.out.is_dir():
        raise InvalidConfig(f"{config.out} is a file; a training needs a folder")
    if file.exists():
        try:
            there: Mapping[str, Any] = json.loads(file.read_text())["arguments"]
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidConfig(f"{file} is damaged ({error}); delete it, or give another --out") from error
        _same(there, config.arguments(), str(config.out))
    elif (config.out / STATE).exists():
        raise InvalidConfig(f"{config.out} has a {STATE} but no {CONFIG}; delete it, or give another --out")
    for name in (FILE, BEST, STATE, CONFIG, CLOCK, f"{CURVE}.csv", f"{CURVE}.json"):
        remove_drafts(config.out / name)
    for stray in (config.out / CHECKPOINTS).glob(f".*{DRAFT_SUFFIX}"):
        stray.unlink(missing_ok=True)


def _same(there: Mapping[str, Any], asked: Mapping[str, Any], where: str) -> None:
    for name in {**there, **asked}:
        old, new = there.get(name), asked.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            _same(old, new, where)
        elif old != new:
            raise InvalidConfig(
                f"{where} holds a training with another {name}: {old!r} instead of {new!r};"
                f" give another --out, or delete it"
            )


def _write_config(config: TrainConfig) -> None:
    from metasim.policies.training.learner import versions

    data = {"arguments": config.arguments(), "steps": config.steps, "versions": versions(config.backend)}
    write_atomically(config.out / CONFIG, (json.dumps(data, indent=1, sort_keys=True) + "\n").encode())


def _write_curve(out: Path, rows: list[Row]) -> None:
    table = io.StringIO()
    writer = csv.DictWriter(table, [field.name for field in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    write_atomically(out / f"{CURVE}.csv", table.getvalue().encode())
    listed = json.dumps([asdict(row) for row in rows], indent=1)
    write_atomically(out / f"{CURVE}.json", (listed + "\n").encode())


@contextmanager
def _generators_kept(threads: int) -> Iterator[None]:
    """Give the global generators and torch's threads, which the learners use, back as they were."""
    import torch  # pyright: ignore[reportMissingImports]

    before = random.getstate(), np.random.get_state(), torch.get_rng_state(), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])
        torch.set_num_threads(before[3])
