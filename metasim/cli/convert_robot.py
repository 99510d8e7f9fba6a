"""URDF to MJCF, for the verb ``convert``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from metasim.cli.output import as_json, note, plain, stdout_kept
from metasim.core.errors import InvalidConfig, InvalidModel, nearest

Folders = Annotated[tuple[Path, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="FOLDER")]


@dataclass(frozen=True, kw_only=True)
class RobotOptions:
    """A URDF as an MJCF that plain MuJoCo loads; what had to be repaired is said.

    Meshes go into the folder NAME_meshes beside the MJCF, which names them relative to itself.

    Args:
        floating: Give the base a free joint; else it is fixed in the world.
        search: A folder to look for meshes in, such as the parent of a ROS package; may be given several times.
    """

    floating: bool = False
    search: Folders = ()


def convert_robot(file: Path, out: Path | None, options: RobotOptions, *, force: bool, json: bool) -> int:
    """Read, convert and write."""
    _check_file(file)
    out = out or file.with_suffix(".xml")
    folder = out.with_name(f"{out.stem}_meshes")
    _check_out(file, out, folder, force)
    with stdout_kept():
        from metasim.model.robots.conversion import convert_urdf
        from metasim.work import write_atomically

        made = convert_urdf(file, meshes=folder.name, floating_base=options.floating, search=options.search)
        for name, content in made.meshes.items():
            write_atomically(out.parent / name, content)
        write_atomically(out, made.xml.encode())
    report = {
        "out": str(out),
        "links": made.links,
        "joints": list(made.urdf.joints),
        "mass_kg": made.mass_kg,
        "meshes": len(made.meshes),
        "repairs": list(made.urdf.repairs),
        "ignored": list(made.urdf.ignored),
        "velocity_limits": dict(made.urdf.velocity_limits),
    }
    if json:
        as_json(report)
        return 0
    for repair in made.urdf.repairs:
        note(f"repaired: {repair}", "yellow")
    if made.urdf.ignored:
        note(f"left out, no meaning in MuJoCo: {', '.join(made.urdf.ignored)}")
    counts = f"{made.links} links, {len(made.urdf.joints)} joints, {made.mass_kg:.6g} kg, {len(made.meshes)} meshes"
    note(f"{counts}; repairs: {len(made.urdf.repairs)}")
    plain(str(out))
    return 0


def _check_file(file: Path) -> None:
    if not file.is_file():
        there = sorted(p.name for p in file.parent.glob("*.urdf")) if file.parent.is_dir() else []
        expected = nearest(file.name, there) if there else "expected a URDF (.urdf), or a dataset (.h5, .hdf5)"
        raise InvalidModel(f"no file {file}; {expected}")


def _check_out(file: Path, out: Path, folder: Path, force: bool) -> None:
    if out.suffix.lower() not in (".xml", ".mjcf") or out.is_dir():
        raise InvalidConfig(f"convert writes MJCF: --out must be a file that ends in .xml, got {str(out)!r}")
    if out.exists() and out.samefile(file):
        raise InvalidConfig(f"--out {out} is the file to be converted; give another name")
    for path in (out, folder):
        if path.exists() and not force:
            raise InvalidConfig(f"{path} exists already; give another --out, or --force to overwrite it")
