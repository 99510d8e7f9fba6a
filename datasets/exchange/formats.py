"""The table of formats, and the two ways through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from metasim.core.errors import DatasetError, InvalidConfig, UnknownName
from metasim.datasets.exchange import d4rl, importing, lerobot, minari, robomimic
from metasim.datasets.exchange.layouts import LAYOUTS
from metasim.datasets.exchange.options import Converted, ExportOptions, ImportOptions, given
from metasim.datasets.reader import Dataset

Export = Callable[[Dataset, Path, ExportOptions], Converted]


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format of another project.

    Attributes:
        export: Writes a dataset of ours in it; None if only read.
        takes: The options that ``export`` looks at.
        folder: Whether ``export`` writes into a folder that may be there already.
        read: Whether it is read into ours.
    """

    export: Export | None = None
    takes: frozenset[str] = frozenset()
    folder: bool = False
    read: bool = False


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "minari": Format(export=minari.export, takes=frozenset({"task", "name", "observations"}), folder=True),
        "d4rl": Format(export=d4rl.export, takes=frozenset({"task"})),
        "lerobot": Format(export=lerobot.export, takes=frozenset({"task", "name", "state", "fps", "python"})),
        "robomimic": Format(export=robomimic.export, takes=frozenset({"task"}), read=True),
        **{name: Format(read=True) for name in LAYOUTS if name != "robomimic"},
    }
)


def export_dataset(
    file: str | Path, format: str, out: str | Path, options: ExportOptions | None = None, *, force: bool = False
) -> Converted:
    """Write a dataset of ours in the format of another project.

    Args:
        file: The dataset.
        format: ``"minari"``, ``"robomimic"``, ``"d4rl"`` or ``"lerobot"``.
        out: The file to write; a folder for LeRobot, a folder of datasets for Minari.
        options: What may be said about it.
        force: Overwrite a file; never a folder.

    Raises:
        UnknownName: For a format that is not written, or a task that the dataset has not.
        InvalidConfig: For options that the format does not take.
        DatasetError: If the dataset is damaged, or ``out`` is there already.
        MissingDependency: If the format needs a package that is not there.
    """
    options, path, target = options or ExportOptions(), Path(file), Path(out)
    written = [name for name, known in FORMATS.items() if known.export]
    if format not in written:
        raise UnknownName("format to write", format, written)
    known = FORMATS[format]
    stray = sorted(set(given(options)) - known.takes)
    if stray:
        raise InvalidConfig(f"{format} takes no {stray}; it takes {sorted(known.takes)}")
    with Dataset(path) as data:
        if target.exists():
            _check_target(path, target, known, force)
        assert known.export is not None
        return known.export(data, target, options)


def import_dataset(
    file: str | Path,
    out: str | Path,
    layout: str | None = None,
    options: ImportOptions | None = None,
    *,
    force: bool = False,
) -> Converted:
    """Read a file of another project into a dataset of ours; the same call again goes on where a killed one was.

    Args:
        file: The foreign file.
        out: Our dataset.
        layout: ``"robomimic"``, ``"libero"``, ``"isaaclab"`` or ``"robosuite"``; None to find out.
        options: How to read it.
        force: Overwrite ``out``.

    Raises:
        UnknownName: For a layout that is not read.
        DatasetError: If the file is damaged, of another layout, or holds what cannot be an episode of ours, with
            file, demo and reason; or if ``out`` is something else already.
    """
    path, target = Path(file), Path(out)
    read = [name for name, known in FORMATS.items() if known.read]
    if layout is not None and layout not in read:
        raise UnknownName("layout to read", layout, read)
    if target.exists() and path.exists() and target.samefile(path):
        raise DatasetError(f"{target} is the file to be converted; give another name")
    return importing.load(path, target, layout, options or ImportOptions(), force)


def _check_target(path: Path, target: Path, known: Format, force: bool) -> None:
    if target.samefile(path):
        raise DatasetError(f"{target} is the file to be converted; give another name")
    if known.folder:
        if not target.is_dir():
            raise DatasetError(f"{target} is a file; give a folder, which datasets are put into")
    elif target.is_dir():
        raise DatasetError(f"{target} is there already; delete it, or give another name")
    elif not force:
        raise DatasetError(f"{target} is there already; give another name, or --force to overwrite it")
