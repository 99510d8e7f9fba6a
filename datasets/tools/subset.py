"""Writes chosen episodes of a dataset into a new one: checked, renumbered, with masks that mean the same episodes."""

from __future__ import annotations

import filecmp
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from metasim.core.errors import DatasetError, InvalidConfig
from metasim.datasets import writer
from metasim.datasets.reader import Dataset
from metasim.datasets.tools.masks import given_masks, task_masks
from metasim.work import remove_drafts


def write_subset(
    source: str | Path, demos: Sequence[int], out: str | Path, masks: Mapping[str, Sequence[int]] | None = None
) -> Path:
    """Write some episodes of a dataset, in the order given, into ``out`` and return it.

    An ``out`` that has the very bytes already is left as it is.

    Args:
        source: The dataset.
        demos: Numbers of its episodes.
        out: The new one.
        masks: Masks to add: name to numbers of episodes of ``source``.

    Raises:
        InvalidConfig: If no episode is chosen, or a mask to add is there already.
        DatasetError: If an episode fails its check, or ``out`` is something else already.
    """
    path, target = Path(source), Path(out)
    if not demos:
        raise InvalidConfig(f"no episode of {path} is left for {target}")
    if target.exists() and path.exists() and target.samefile(path):
        raise DatasetError(f"{target} is the file that is read; give the new one another name")
    with Dataset(path) as data:
        header, tasks = data.header, {data.episode(i).info.task for i in demos}
        kept = given_masks(data)
        taken = sorted({*kept, *task_masks(data)} & set(masks or {}))
    if taken:
        raise InvalidConfig(f"{path} has a mask {taken[0]!r} already; give the part another name")
    place = {demo: i for i, demo in enumerate(demos)}
    renumbered = {
        name: [place[demo] for demo in members if demo in place] for name, members in {**kept, **(masks or {})}.items()
    }

    def write(name: Path) -> None:
        writer.write_dataset(
            name,
            [writer.Source(path=path, group=f"data/demo_{i}") for i in demos],
            {name: task for name, task in header.tasks.items() if name in tasks},
            header.versions,
            header.collections,
            renumbered,
        )

    return published(target, write)


def published(target: Path, write: Callable[[Path], None]) -> Path:
    """Write a file unless it is there with the same bytes, and return it.

    Raises:
        DatasetError: If it is there with others.
    """
    remove_drafts(target)
    if not target.exists():
        write(target)
        return target
    twin = target.with_name(f".{target.name}.twin")
    remove_drafts(twin)
    twin.unlink(missing_ok=True)  # of a process that was killed
    try:
        write(twin)
        if not target.is_file() or not filecmp.cmp(twin, target, shallow=False):
            raise DatasetError(f"{target} exists and is something else; delete it or choose another name")
    finally:
        twin.unlink(missing_ok=True)
    return target
