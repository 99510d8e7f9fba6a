"""Files of one quality each: the episodes of one policy, of several in turn, or of two files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from metasim.core.errors import DatasetError, InvalidConfig
from metasim.datasets import writer
from metasim.datasets.collection import collect
from metasim.datasets.config import CollectConfig, Progress
from metasim.datasets.goals import goal_count
from metasim.datasets.merging import merge
from metasim.datasets.parts import difference
from metasim.datasets.reader import Dataset
from metasim.datasets.schema import Header
from metasim.work import remove_drafts

QUALITIES = ("random", "medium", "expert", "mixed", "replay")
Report = Callable[[Progress], None]
_STAGES = ".stages"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Episodes of one policy.

    Args:
        policy: Its name, as collections take it.
        episodes: Episodes of each task (goal).
        seed: Root seed.
    """

    policy: str
    episodes: int
    seed: int


def collect_stages(base: CollectConfig, stages: Sequence[Stage], report: Report | None = None) -> Path:
    """Collect episodes of several policies into ``base.out`` and return it; a finished file is left untouched.

    A killed call goes on where it was. Each stage is collected into ``FILE.stages`` first, unless there is only one.

    Args:
        base: All else: task, goals, engine, processes. Its policy, seed and number of episodes are the stages'.
        stages: The policies, in the order of the file.
        report: Called after every finished episode.

    Raises:
        DatasetError: If the file is there and was made of something else.
        InvalidConfig: Without stages, or goals.
    """
    if not stages or not base.goals:
        raise InvalidConfig(f"collect_stages needs stages and the goals of a protocol, got {stages!r}, {base.goals!r}")
    goals = goal_count(base.goals, base.tasks[0], base.seed)
    configs = [
        base.replace(policy=s.policy, seed=s.seed, episodes=goals * s.episodes, keep="all", tail=None) for s in stages
    ]
    if len(configs) == 1:
        return collect(configs[0], report)
    total, before = sum(config.episodes for config in configs), 0
    folder = base.out.with_name(base.out.name + _STAGES)
    if not _is_made(base.out, [config.arguments() for config in configs]):
        parts = list[Path]()
        for i, config in enumerate(configs):
            parts.append(collect(config.replace(out=folder / f"{i:03d}.h5"), _from(report, before, total)))
            before += config.episodes
        merge(parts, base.out)
    shutil.rmtree(folder, ignore_errors=True)
    return base.out


def mix(out: str | Path, files: Sequence[str | Path], shares: Sequence[float]) -> Path:
    """Write a dataset with a share of the episodes of each of several files, and return it.

    The files must have the same number of episodes of every task and goal. Of E episodes of a goal, the first file
    gives the first ``shares[0]`` E, the second the next ``shares[1]`` E, and so on; each has a mask of the new file,
    named like it. A finished ``out`` is left untouched.

    Args:
        out: The new file.
        files: Datasets of one task, collected with the goals of a protocol.
        shares: One per file; they add up to 1.

    Raises:
        InvalidConfig: If the shares do not.
        DatasetError: If the files do not belong together, or ``out`` is something else already.
    """
    target, paths = Path(out), [Path(file) for file in files]
    if len(shares) != len(paths) or abs(sum(shares) - 1.0) > 1e-9 or min(shares, default=0.0) < 0:
        raise InvalidConfig(f"mix needs a share of 0 or more for each file, which add up to 1, got {list(shares)}")
    remove_drafts(target)
    headers = [_header(path) for path in paths]
    collections = [collection for header in headers for collection in header.collections]
    if _is_made(target, collections):
        return target
    first = headers[0]
    sources, masks, begun = list[writer.Source](), dict[str, list[int]](), 0.0
    for path, header, share in zip(paths, headers, shares, strict=True):
        if (header.tasks, header.versions) != (first.tasks, first.versions):
            raise DatasetError(f"{path} has another task or other versions than {paths[0]}; they cannot be mixed")
        picked = _rounds(path, begun, begun + share)
        masks[path.stem] = list(range(len(sources), len(sources) + len(picked)))
        sources += [writer.Source(path=path, group=f"data/demo_{i}") for i in picked]
        begun += share
    writer.write_dataset(target, sources, first.tasks, first.versions, collections, masks)
    return target


def _header(path: Path) -> Header:
    with Dataset(path) as data:
        return data.header


def _from(report: Report | None, before: int, total: int) -> Report | None:
    """Return a report of a part as one of the whole."""
    if report is None:
        return None
    return lambda progress: report(replace(progress, done=before + progress.done, wanted=total))


def _rounds(path: Path, low: float, high: float) -> list[int]:
    """Return numbers of the demos between two shares of each goal's episodes."""
    with Dataset(path) as data:
        infos = data.infos()
    counts = {goal_count(info.goals, info.task, info.seed) if info.goals else 0 for info in infos}
    if len(counts) != 1 or 0 in counts:
        raise DatasetError(f"{path} was not collected with the goals of one protocol; it cannot be mixed")
    goals = counts.pop()
    total = len(infos) // goals
    chosen = range(round(low * total), round(high * total))
    return [i for i, info in enumerate(infos) if info.episode // goals in chosen]


def _is_made(out: Path, collections: Sequence[Any]) -> bool:
    """Tell whether a file is there and made of these collections; raises DatasetError if of others."""
    if not out.exists():
        return False
    there = list(_header(out).collections)
    if there == list(collections):
        return True
    differs = f"of {len(there)} collections instead of {len(collections)}"
    if len(there) == len(collections):
        differs = next(difference(a, b) for a, b in zip(there, collections, strict=True) if a != b)
    raise DatasetError(f"{out} exists and was made otherwise: {differs}. Delete it, or choose another folder")
