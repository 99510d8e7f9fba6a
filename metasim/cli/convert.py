"""The verb ``convert``: robots and datasets, each by what the file is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from metasim.cli.convert_data import FromOptions, ToOptions, convert_data, is_dataset, told
from metasim.cli.convert_robot import RobotOptions, convert_robot
from metasim.cli.options import MaybeOut, MaybeStr, OneFile
from metasim.core.errors import InvalidConfig

Robot = Annotated[RobotOptions, tyro.conf.OmitArgPrefixes]
Written = Annotated[ToOptions, tyro.conf.OmitArgPrefixes]
Read = Annotated[FromOptions, tyro.conf.OmitArgPrefixes]


@dataclass(frozen=True, kw_only=True)
class Convert:
    """Convert a robot or a dataset; what it is decides.

    ROBOT.urdf becomes an MJCF. A dataset of ours is written for another project with --to. Any other HDF5 file is read
    into a dataset of ours; what the format has no place for is kept in it.

    Args:
        file: A URDF, a dataset of ours, or one of another project.
        out: What to write; needed for datasets. A robot's is the URDF's name with .xml if not given.
        task: Of a dataset of several tasks, the one to write; or the task id of what is read.
        robot: For a URDF.
        export: For a dataset of ours.
        imported: For a dataset of another project.
        force: Overwrite a file that is there.
        json: Print the report as JSON.
    """

    file: OneFile
    out: MaybeOut = None
    task: MaybeStr = None
    robot: Robot = RobotOptions()
    export: Written = ToOptions()
    imported: Read = FromOptions()
    force: bool = False
    json: bool = False

    def run(self) -> int:
        """Convert."""
        data = is_dataset(self.file)
        stray = told(self.robot) if data else [*told(self.export), *told(self.imported)]
        if self.task is not None and not data:
            stray.append("--task")
        if stray:
            kind = "a dataset" if data else "no dataset (.h5, .hdf5)"
            raise InvalidConfig(f"{self.file} is {kind}, which {', '.join(stray)} does not go with")
        common = {"force": self.force, "json": self.json}
        if data:
            return convert_data(self.file, self.out, self.task, self.export, self.imported, **common)
        return convert_robot(self.file, self.out, self.robot, **common)
