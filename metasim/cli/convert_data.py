"""Datasets to and from the formats of other projects, for the verb ``convert``."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from metasim.cli.options import MaybeInt, MaybeStr
from metasim.cli.output import as_json, note, plain, stdout_kept
from metasim.core.errors import DatasetError, InvalidConfig

if TYPE_CHECKING:
    from metasim.datasets.exchange import Converted

SIGNATURE = b"\x89HDF\r\n\x1a\n"
ENDINGS = (".h5", ".hdf5", ".hdf")
To = Annotated[str | None, tyro.conf.arg(metavar="minari|robomimic|d4rl|lerobot")]
From = Annotated[str | None, tyro.conf.arg(name="from", metavar="robomimic|libero|isaaclab|robosuite")]
Names = Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME")]
Observations = Annotated[str | None, tyro.conf.arg(metavar="flat|named")]
Seen = Annotated[str | None, tyro.conf.arg(metavar="before|after")]
MaybeFloat = Annotated[float | None, tyro.conf.arg(metavar="HZ")]
MaybeFile = Annotated[Path | None, tyro.conf.arg(metavar="FILE")]


@dataclass(frozen=True, kw_only=True)
class ToOptions:
    """A dataset of ours for another project.

    Args:
        to: The format.
        name: What Minari's dataset, or LeRobot's repository, is called.
        observations: For Minari: one vector, or one entry for each name.
        state: For LeRobot: an observation that is the robot's own; may be given several times; the first one if not
            given.
        fps: For LeRobot, where the control rate is unknown or no whole number.
        python: For LeRobot: an interpreter that has lerobot and h5py; METASIM_LEROBOT_PYTHON if not given.
    """

    to: To = None
    name: MaybeStr = None
    observations: Observations = None
    state: Names = ()
    fps: MaybeInt = None
    python: MaybeFile = None


@dataclass(frozen=True, kw_only=True)
class FromOptions:
    """A dataset of another project as one of ours.

    Args:
        source: Its layout; found out if not given.
        instruction: What to do, in words, where the file does not say.
        policy: Who acted; tells recordings of one task apart when they are merged.
        scale_actions: Divide each column of the actions by its largest magnitude in the file, if that exceeds 1.
        successful: Every demo succeeded at its last step, though the file does not say so.
        seen: Whether a row of observations was seen before or after the action of that row, where it is not known.
        control_hz: Actions per second, where the file does not say.
        leave_out: An observation, or another entry of the demos, that is not wanted; may be given several times.
    """

    source: From = None
    instruction: MaybeStr = None
    policy: str = "unknown"
    scale_actions: bool = False
    successful: bool = False
    seen: Seen = None
    control_hz: MaybeFloat = None
    leave_out: Names = ()


def is_dataset(file: Path) -> bool:
    """Tell whether a file is, or is called like, HDF5."""
    if file.suffix.lower() in ENDINGS:
        return True
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.read(len(SIGNATURE)) == SIGNATURE


def convert_data(
    file: Path, out: Path | None, task: str | None, to: ToOptions, source: FromOptions, *, force: bool, json: bool
) -> int:
    """Convert a dataset and print what was written."""
    if out is None:
        raise InvalidConfig("say where the converted dataset is to stand (--out)")
    if not file.is_file():
        raise DatasetError(f"no dataset {file}")
    writes, reads = told(to), told(source)
    if writes and reads:
        raise InvalidConfig(f"{', '.join(writes)} and {', '.join(reads)} go different ways: leave one out")
    if writes and to.to is None:
        raise InvalidConfig(f"{', '.join(writes)} needs a format to write: say --to")
    with stdout_kept():
        done = _export(file, out, task, to, force) if writes else _import(file, out, task, source, force)
    if json:
        paths = [str(path) for path in done.paths]
        as_json({"out": paths, "episodes": done.episodes, "steps": done.steps, "notes": list(done.notes)})
        return 0
    for sentence in done.notes:
        note(sentence, "yellow")
    note(f"{done.episodes} episodes, {done.steps} steps")
    for path in done.paths:
        plain(str(path))
    return 0


def _export(file: Path, out: Path, task: str | None, to: ToOptions, force: bool) -> Converted:
    from metasim.datasets.exchange import ExportOptions, export_dataset

    options = {name: value for name, value in vars(to).items() if name != "to"}
    return export_dataset(file, str(to.to), out, ExportOptions(task=task, **options), force=force)


def _import(file: Path, out: Path, task: str | None, source: FromOptions, force: bool) -> Converted:
    from metasim.datasets.exchange import ImportOptions, import_dataset

    options = {name: value for name, value in vars(source).items() if name != "source"}
    return import_dataset(file, out, source.source, ImportOptions(task=task, **options), force=force)


def told(options: object) -> list[str]:
    """Return the options that are not as they are by default."""
    names = [f.name for f in fields(options) if getattr(options, f.name) != f.default]  # type: ignore[arg-type]
    return [f"--{'from' if name == 'source' else name.replace('_', '-')}" for name in names]
