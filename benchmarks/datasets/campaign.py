"""One kind of collection, killed and called again until it is done, over and over; what was lost on the way."""

from __future__ import annotations

import hashlib
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from metasim.benchmarks.datasets.victim import GROUP, PARENT, WORKER, Death, Run, Scenario, Timeline, published
from metasim.core.errors import DatasetError, InvalidConfig
from metasim.datasets import Dataset, EpisodeInfo, checking, hdf5, writer

_WORLDS = (1, 3, 8)
LOST, UNREADABLE, DIFFERENT, LEFT = "lost", "unreadable", "different", "left"
BROKEN = {
    LOST: "finished episodes lost",
    UNREADABLE: "unreadable files",
    DIFFERENT: "datasets that differ from the uninterrupted one",
    LEFT: "files left over",
}
"""What must not be, and a name for it."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """When and whom to kill.

    Args:
        kills: How many kills, over all scenarios and numbers of workers.
        aimed: Share of the kills that wait for the merge; the others come at any moment of a run's whole length.
        alone: Share of the kills that end the parent, or one worker, instead of all processes.
        seed: Of all choices.
        lanes: Collections at a time.

    Raises:
        InvalidConfig: For a value that makes no sense.
    """

    kills: int = 200
    aimed: float = 0.25
    alone: float = 0.3
    seed: int = 0
    lanes: int = 1

    def __post_init__(self) -> None:
        """Check each value."""
        if self.kills < 1 or self.lanes < 1 or not (0 <= self.aimed <= 1 and 0 <= self.alone <= 1):
            raise InvalidConfig("kills and lanes must be at least 1, aimed and alone must lie in [0, 1]")


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """What must still be there: a file's digest, and, unless it is the mark of a failure, the episode in it."""

    digest: str
    info: EpisodeInfo | None


class Campaign:
    """Kills of one scenario with one number of workers.

    Args:
        scenario: What is collected.
        workers: Processes.
        folder: Where.
        plan: When and whom to kill.
        luck: Of all choices.
        told: Called after each kill.

    Attributes:
        counts: Kills, by phase and by victim; datasets; episodes at stake; what was broken.
        timeline: Of the uninterrupted run.
    """

    timeline: Timeline

    def __init__(
        self,
        scenario: Scenario,
        workers: int,
        folder: Path,
        plan: Plan,
        luck: random.Random,
        told: Callable[[], None],
    ) -> None:
        self._scenario, self._workers, self._folder = scenario, workers, folder
        self._plan, self._luck, self._told = plan, luck, told
        self._whole = b""
        self.counts = Counter[str]()

    def run(self, kills: int) -> None:
        """Kill so many times, and let every dataset be finished.

        Raises:
            EngineFailure: If a run fails that was not killed.
        """
        self._folder.mkdir()
        whole = self._folder / "whole.h5"
        with closing(Run(self._scenario, whole, self._workers, _WORLDS[-1], self._luck)) as undisturbed:
            self.timeline = undisturbed.timed()
        self._whole = whole.read_bytes()
        while self.counts["kills"] < kills:
            with tempfile.TemporaryDirectory(dir=self._folder) as inner:
                self._dataset(Path(inner) / "demos.h5", kills)

    def _dataset(self, out: Path, kills: int) -> None:
        """Kill a collection, and call it again, until a run comes to its end; then compare the file."""
        runs, kept = list[Run](), dict[str, _Kept]()
        try:
            while True:
                done = out.exists()
                run = Run(self._scenario, out, self._workers, self._luck.choice(_WORLDS), self._luck)
                runs.append(run)
                death = self._killed(run) if self.counts["kills"] < kills and not done else run.finished()
                if not death.phase:
                    break
                self.counts.update(("kills", death.phase, death.victim))
                self._told()
                kept = self._look(out, kept)
        finally:
            for run in runs:
                run.close()
        self._compare(out, kept)

    def _killed(self, run: Run) -> Death:
        plan, luck, time = self._plan, self._luck, self.timeline
        several = self._workers > 1
        victim = luck.choice((PARENT, WORKER)) if several and luck.random() < plan.alone else GROUP
        if luck.random() < plan.aimed:
            return run.killed_in_merge(luck.uniform(0.0, time.named_s - time.merge_s), victim)
        return run.killed_after(luck.uniform(0.0, time.total_s), victim)

    def _look(self, out: Path, kept: Mapping[str, _Kept]) -> dict[str, _Kept]:
        """Look for what there was before, and at what is new, and return what there is."""
        if out.exists():  # with all episodes in it: those beside it are on their way out
            self.counts[DIFFERENT] += out.read_bytes() != self._whole
            self.counts["at stake"] += len(kept)
            return dict(kept)
        found = dict[str, _Kept]()
        for path in sorted(published(out)):
            name, digest = f"{path.parent.name}/{path.name}", hashlib.sha256(path.read_bytes()).hexdigest()
            known = kept.get(name)
            try:
                info = known.info if known and known.digest == digest else _episode(path)
            except DatasetError:
                self.counts[UNREADABLE] += 1
                continue
            found[name] = _Kept(digest=digest, info=info)
        self.counts[LOST] += sum(found.get(name) != what for name, what in kept.items())
        self.counts["at stake"] += len(found)
        return found

    def _compare(self, out: Path, kept: Mapping[str, _Kept]) -> None:
        self.counts["datasets"] += 1
        self.counts[DIFFERENT] += out.read_bytes() != self._whole
        self.counts[LEFT] += len({p.name for p in out.parent.iterdir()} - {out.name, out.name + ".log.json"})
        try:
            with Dataset(out) as data:
                checking.check(data.file, out)
                final = {(info.task, info.episode): info.sha256 for info in data.infos()}
        except DatasetError:
            self.counts[UNREADABLE] += 1
            return
        last = {task: episode for task, episode in sorted(final)}
        for info in (what.info for what in kept.values() if what.info):
            inside = final.get((info.task, info.episode))
            surplus = self._scenario.keep == "successes" and info.episode > last[info.task]
            self.counts[LOST] += not surplus and inside != info.sha256


def _episode(path: Path) -> EpisodeInfo | None:
    """Return what a finished episode is, after a look at every number in it; None for the mark of a failure.

    Raises:
        DatasetError: If the file is not what it should be.
    """
    if path.suffix != ".h5":
        return None
    info, row = writer.read_part(path)
    with hdf5.opened(path) as file:
        return checking.check_demo(file[writer.PART], {info.task: row}, str(path))  # type: ignore[arg-type]
