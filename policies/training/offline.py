"""Offline data of a family of tasks: one training that is shown the hidden task, and files of what it did.

The training learns all training tasks at once, with the hidden task shown to it. What its policies then do is recorded
without: episodes of every task of both splits, in files by quality.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from metasim.core.protocol import protocol_goals
from metasim.datasets import CollectConfig
from metasim.datasets import Progress as Collected
from metasim.datasets.offline import QUALITIES, Stage, collect_stages, mix, returns_of, table
from metasim.policies.saved import saved
from metasim.policies.training.choosing import RANDOM, Choice, checkpoint, choose, stages
from metasim.policies.training.config import Progress, Row
from metasim.policies.training.recipe import RUN, OfflineConfig
from metasim.policies.training.run import CHECKPOINTS, CURVE, spent_s, train
from metasim.policies.training.settings import SACSettings
from metasim.work import write_atomically

SPLITS, REPORT, PAGE = ("train", "test"), "returns.json", "README.md"
MEDIUM_SHARE = 0.7
"""Part of a mixed file that medium episodes make up."""
_SEEDS = {
    "random": 0,
    "medium": 1,
    "expert": 2,
    "replay": 10,
}  # added to a thousand times the root seed; replay: and on
_PAGE = """# {family}: offline data

Task `{task}` in {backend}; the tasks of `{train}` and `{test}`, hidden from the observations. One SAC was trained
on the training tasks with the hidden task shown ({took}root seed {seed}).

Mean returns without noise, on one episode per training task: the best checkpoint ({expert}) is the expert; the first
that is {share} of the way to it from random actions ({random}) is the medium one ({medium}). Recorded episodes have the
noise that the policies explored with.

"""
Tell = Callable[[str, float, str], None]
"""Is told what is going on, which share of it is done, and a few words."""


def make_offline(config: OfflineConfig, tell: Tell | None = None) -> Path:
    """Train, collect and describe; return the folder. A killed call goes on, a finished one changes nothing.

    The folder has ``run/`` (the training: checkpoints, learning curve, state), ``train/`` and ``test/`` with a dataset
    for each quality, ``returns.json``, and ``README.md`` with tables of returns.

    Args:
        config: What to make.
        tell: Told how it goes on.

    Raises:
        InvalidConfig: If ``run`` holds another training.
        DatasetError: If a file is there that was made otherwise.
        MetasimError: If the training learned nothing.
        MissingDependency: Without what training needs.
    """
    return _Making(config, tell or (lambda name, share, words: None)).run()


class _Making:
    """One call."""

    def __init__(self, config: OfflineConfig, tell: Tell) -> None:
        self.config, self._tell = config, tell
        self._files: dict[tuple[str, str], Path] = {}

    def run(self) -> Path:
        """Make what is missing."""
        config = self.config
        for split in SPLITS:
            self._collect(split, "random", [(RANDOM, config.episodes)])
        train(config.training, self._trained)
        rows = [Row(**row) for row in json.loads((config.out / RUN / f"{CURVE}.json").read_text())]
        random = returns_of(self._files["train", "random"], "train", "random").mean
        choice = choose(rows, random, config.medium)
        acting = self._policies(rows, choice)
        for split in SPLITS:
            for quality, policies in acting.items():
                self._collect(split, quality, policies)
            if "mixed" in config.qualities:
                out = self._path(split, "mixed")
                halves = [self._files[split, quality] for quality in ("medium", "expert")]
                self._files[split, "mixed"] = mix(out, halves, (MEDIUM_SHARE, 1.0 - MEDIUM_SHARE))
        self._describe(choice)
        return config.out

    def _policies(self, rows: list[Row], choice: Choice) -> dict[str, list[tuple[str, int]]]:
        """Return quality to policies and their episodes per task; the policies act as they explored."""
        config = self.config
        wanted = {*config.qualities} | ({"medium", "expert"} if "mixed" in config.qualities else set())
        settings = config.training.settings
        assert isinstance(settings, SACSettings)
        history = stages(rows, choice.medium, settings.warmup, config.episodes)
        found = {
            "medium": [(choice.medium.steps, config.episodes)],
            "expert": [(choice.expert.steps, config.episodes)],
            "replay": history,
        }
        return {q: [(self._name(steps), n) for steps, n in parts] for q, parts in found.items() if q in wanted}

    def _name(self, steps: int) -> str:
        return saved(f"{checkpoint(self.config.out / RUN / CHECKPOINTS, steps)}:noise=1") if steps else RANDOM

    def _collect(self, split: str, quality: str, policies: list[tuple[str, int]]) -> None:
        config = self.config
        base = CollectConfig(
            tasks=(config.task,),
            out=self._path(split, quality),
            backend=config.backend,
            goals=config.protocol(split),
            split=split,
            workers=config.workers,
            worlds=config.worlds,
        )
        root = 1000 * config.seed + _SEEDS[quality]
        parts = [Stage(policy=name, episodes=n, seed=root + k) for k, (name, n) in enumerate(policies)]
        name = f"{split} {quality}"

        def show(p: Collected) -> None:
            self._tell(name, p.done / p.wanted, f"{p.done}/{p.wanted} episodes")

        self._files[split, quality] = collect_stages(base, parts, show)

    def _path(self, split: str, quality: str) -> Path:
        path = self.config.out / split / f"{quality}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _trained(self, progress: Progress) -> None:
        row = progress.row
        words = f"{progress.done} steps" + (f", return {row.eval_return:.4g}" if row else "")
        self._tell("training", progress.share, words)

    def _describe(self, choice: Choice) -> None:
        config = self.config
        order = [(s, q) for s in SPLITS for q in QUALITIES if (s, q) in self._files]
        rows = [returns_of(self._files[key], *key) for key in order]
        goals = {s: protocol_goals(config.protocol(s), (config.task,), config.seed)[1][config.task] for s in SPLITS}
        minutes, cpu_minutes = (round(seconds / 60.0, 1) for seconds in spent_s(config.out / RUN))
        data = {
            "family": config.family,
            "task": config.task,
            "backend": config.backend,
            "seed": config.seed,
            "training_minutes": minutes or None,
            "training_cpu_minutes": cpu_minutes or None,
            "choice": asdict(choice),
            "returns": [asdict(row) for row in rows],
            "goals": {split: values.tolist() for split, values in goals.items()},
        }
        write_atomically(config.out / REPORT, (json.dumps(data, indent=1) + "\n").encode())
        medium, expert = choice.medium, choice.expert
        page = _PAGE.format(
            family=config.family,
            task=config.task,
            backend=config.backend,
            train=config.protocol("train"),
            test=config.protocol("test"),
            took=_took(minutes, cpu_minutes),
            seed=config.seed,
            expert=f"step {expert.steps}: {expert.eval_return:.1f}",
            medium=f"step {medium.steps}: {medium.eval_return:.1f}",
            share=f"{choice.share:.0%}",
            random=f"{choice.random:.1f}",
        )
        write_atomically(config.out / PAGE, (page + table(rows, goals)).encode())


def _took(minutes: float, cpu_minutes: float) -> str:
    """Return a training's time in words, nothing if it had no limit."""
    processor = f", {cpu_minutes} of them on a processor" if cpu_minutes else ""
    return f"{minutes} minutes{processor}, " if minutes else ""
