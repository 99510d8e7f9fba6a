"""What docs/robots.md shows is what comes out; what its blocks do is tested with all others, in tests/docs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metasim.cli import main
from metasim.core.errors import MissingDependency
from metasim.model import robots
from metasim.model.robots import ROBOTS

DOCS = Path(__file__).resolve().parents[2] / "docs"
TUTORIAL = (DOCS / "tutorials" / "own_robot.md").read_text()
TABLE = (DOCS / "robots.md").read_text()


def installed() -> None:
    try:
        for _, entry in ROBOTS.items():
            entry.load()
    except MissingDependency as missing:
        pytest.skip(f"the table has every robot in it: {missing}")


def test_the_entry_point_is_of_the_group_that_is_looked_at() -> None:
    (text,) = re.findall(r"^```toml\n(.*?)^```$", TUTORIAL, flags=re.MULTILINE | re.DOTALL)
    (group,) = tomllib.loads(text)["project"]["entry-points"]
    assert group == "metasim.robots"
    assert f'group="{group}"' in Path(robots.__file__).read_text()


def test_the_table_is_the_one_that_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    installed()
    builtin = [name for name, entry in ROBOTS.items() if entry.source != "file"]
    capfd.readouterr()
    assert main(["robots", *builtin, "--markdown"]) == 0
    assert capfd.readouterr().out in TABLE


def test_the_picture_is_small_and_shows_every_robot() -> None:
    path = DOCS / "pictures" / "robots.jpg"
    assert path.stat().st_size < 400_000
    with Image.open(path) as picture:
        assert picture.format == "JPEG" and picture.size[0] == 5 * 320


def test_a_robot_is_drawn_and_described(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "sheet.png"
    capfd.readouterr()
    assert main(["robots", "panda", "a1", "--size", "48", "40", "--out", str(out)]) == 0
    with Image.open(out) as picture:
        assert picture.size[0] == 96 and len(picture.convert("RGB").getcolors(10000) or ()) > 100
    capfd.readouterr()
    assert main(["robots", "panda"]) == 0
    assert "Franka Robotics" in capfd.readouterr().out
    assert main(["robots", "pandaa"]) == 2
    assert "did you mean ['panda'" in capfd.readouterr().err
    assert main(["robots", "panda", "--out", "sheet.txt"]) == 2


def test_meshes_of_many_triangles_are_drawn_in_pybullet(tmp_path: Path) -> None:
    """PyBullet takes at most 131072 corners of a mesh, and LEAP Hand's palm has 87 thousand triangles."""
    try:
        ROBOTS["leap_right"].load()
    except MissingDependency as missing:
        pytest.skip(str(missing))
    out = tmp_path / "hand.png"
    assert main(["robots", "leap_right", "--backend", "pybullet", "--size", "64", "64", "--out", str(out)]) == 0
    with Image.open(out) as picture:
        pixels = np.asarray(picture.convert("L"))[16:]
    assert pixels.min() < 90 and pixels.max() > 150  # a dark hand before a light floor
