"""The verb ``convert``: a URDF robot as an MJCF with its meshes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from metasim.cli.options import MaybeOut, OneFile
from metasim.cli.output import as_json, note, plain, stdout_kept
from metasim.core.errors import InvalidConfig, InvalidModel, nearest

Folders = Annotated[tuple[Path, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="FOLDER")]


@dataclass(frozen=True, kw_only=True)
class Convert:
    """Convert a URDF robot to an MJCF that plain MuJoCo loads; what had to be repaired is said.

    Meshes go into the folder NAME_meshes beside the MJCF, which names them relative to itself.

    Args:
        file: The URDF.
        out: The MJCF to write (.xml); the URDF's name beside it if not given.
        floating: Give the base a free joint; else it is fixed in the world.
        search: A folder to look for meshes in, such as the parent of a ROS package; may be given several times.
        force: Overwrite what is there.
        json: Print the report as JSON.
    """

    file: OneFile
    out: MaybeOut = None
    floating: bool = False
    search: Folders = ()
    force: bool = False
    json: bool = False

    def run(self) -> int:
        """Read, convert and write."""
        self._check_file()
        out = self.out or self.file.with_suffix(".xml")
        folder = out.with_name(f"{out.stem}_meshes")
        self._check_out(out, folder)
        with stdout_kept():
            from metasim.model.robots.conversion import convert_urdf
            from metasim.work import write_atomically

            made = convert_urdf(self.file, meshes=folder.name, floating_base=self.floating, search=self.search)
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
        if self.json:
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

    def _check_file(self) -> None:
        if not self.file.is_file():
            there = sorted(p.name for p in self.file.parent.glob("*.urdf")) if self.file.parent.is_dir() else []
            raise InvalidModel(
                f"no file {self.file}; {nearest(self.file.name, there) if there else 'expected a URDF (.urdf)'}"
            )

    def _check_out(self, out: Path, folder: Path) -> None:
        if out.suffix.lower() not in (".xml", ".mjcf") or out.is_dir():
            raise InvalidConfig(f"convert writes MJCF: --out must be a file that ends in .xml, got {str(out)!r}")
        if out.exists() and out.samefile(self.file):
            raise InvalidConfig(f"--out {out} is the file to be converted; give another name")
        for path in (out, folder):
            if path.exists() and not self.force:
                raise InvalidConfig(f"{path} exists already; give another --out, or --force to overwrite it")
