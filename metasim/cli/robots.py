"""The verb ``robots``: what each robot of the table is, and how it looks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from metasim.cli.options import MaybeOut, Size
from metasim.cli.output import as_json, note, plain, stdout_kept, table
from metasim.cli.progress import Bars
from metasim.core.errors import InvalidConfig, MissingDependency

if TYPE_CHECKING:
    from metasim.core.scene import Scene
    from metasim.core.task import Task

Names = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="ROBOT...")]
FOV = 0.6  # rad
DIRECTION = (0.77, 0.55, 0.5)  # of the camera, seen from the robot
SOURCES = {"pybullet": "PyBullet", "metaworld": "Meta-World", "menagerie": "MuJoCo Menagerie", "file": "a file"}


@dataclass(frozen=True, kw_only=True)
class Robots:
    """Describe robots: joints, mass, where the files come from and under which terms; or draw them at home.

    Args:
        names: Robots; all if none is given.
        out: Draw them on one sheet, into this .png or .jpg file, instead of describing them.
        backend: Engine that draws.
        size: Width and height of one robot's picture in pixels.
        columns: Columns of the sheet.
        markdown: Print the table as Markdown, as in docs/robots.md.
        json: Print it as JSON.
    """

    names: Names = ()
    out: MaybeOut = None
    backend: str = "mujoco"
    size: Size = (320, 320)
    columns: int = 5
    markdown: bool = False
    json: bool = False

    def run(self) -> int:
        """Draw, or print the table."""
        from metasim.model.robots import ROBOTS

        names = self.names or tuple(name for name, _ in ROBOTS.sound())
        for name in names:
            ROBOTS[name]
        if self.out is not None:
            return self._draw(names, self.out)
        with stdout_kept():
            rows = list(described(names))
        if self.json:
            as_json(rows)
        elif self.markdown:
            plain(markdown(rows))
        elif rows:
            table("", list(rows[0]), [[str(cell) for cell in row.values()] for row in rows])
        return 0

    def _draw(self, names: tuple[str, ...], out: Path) -> int:
        if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
            raise InvalidConfig(f"robots draws PNG or JPEG: --out must end in .png or .jpg, got {str(out)!r}")
        if self.columns < 1:
            raise InvalidConfig(f"columns must be at least 1, got {self.columns}")
        from metasim.view import grid, jpeg, label, png
        from metasim.work import write_atomically

        cells, renderers = [], dict[str, None]()
        with stdout_kept(), Bars("pictures") as bars:
            for k, name in enumerate(names):
                try:
                    drawn = portrait(name, self.backend, self.size)
                except MissingDependency as missing:
                    note(f"{name} is left out: {missing}", "yellow")
                    continue
                cells.append(label(drawn.rgb, name))
                renderers[drawn.renderer] = None
                bars.show("drawing", (k + 1) / len(names), name)
        if not cells:
            raise MissingDependency(f"none of {list(names)} is installed; `metasim list robots` says which are")
        rgb = grid(cells, min(self.columns, len(cells)))
        write_atomically(out, png(rgb) if out.suffix.lower() == ".png" else jpeg(rgb))
        note(f"{len(cells)} robots, drawn by {', '.join(renderers)}")
        plain(str(out))
        return 0


def described(names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield what is known of each robot; numbers are "" where its files are not installed."""
    import numpy as np

    from metasim.model.robots import ROBOTS

    for name in names:
        entry = ROBOTS[name]
        joints: int | str = ""
        actuators: int | str = ""
        mass = ""
        try:
            model = entry.load()[0].compile()
            joints, actuators = int(np.sum(model.jnt_type >= 2)), model.nu
            mass = f"{float(model.body_mass.sum()):.1f}"
        except MissingDependency:
            pass
        yield {
            "robot": name,
            "maker": entry.maker,
            "base": "free" if entry.floating else "fixed",
            "joints": joints,
            "actuators": actuators,
            "mass [kg]": mass,
            "source": SOURCES[entry.source],
            "licence": entry.licence,
            "extra": entry.extra,
        }


def markdown(rows: list[dict[str, Any]]) -> str:
    """Return rows as a table in Markdown."""
    lines = [list(rows[0]), ["---"] * len(rows[0])]
    lines += [[f"`{cell}`" if key == "extra" and cell else str(cell) for key, cell in row.items()] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def portrait(name: str, backend: str, size: tuple[int, int]) -> Any:
    """Return a picture of a robot at home on the ground, as large as fits."""
    import numpy as np

    from metasim.core.seeding import EpisodeSeed
    from metasim.envs import Episodes
    from metasim.view import picture

    episodes = Episodes(at_home(name), backend, 1)
    try:
        episodes.begin(np.arange(1), [EpisodeSeed(root=0, task="robot", episode=0)])
        return picture(episodes, "view", size)
    finally:
        episodes.close()


def at_home(name: str) -> type[Task]:
    """Return a task in which a robot stands at home and a camera looks at it."""
    from dataclasses import replace

    import numpy as np

    from metasim.control import JointPosition
    from metasim.core.scene import Camera, Light, Robot, Scene
    from metasim.core.task import Task
    from metasim.model.robots import ROBOTS

    scene = Scene(robot=Robot(model=name, drive=ROBOTS[name].hold))
    low, high = extent(scene)
    lift = max(0.0, -float(low[2]))  # of a pedestal that stands deeper than the base
    scene = Scene(robot=Robot(model=name, drive=ROBOTS[name].hold, pos=(0.0, 0.0, lift)))
    centre, radius = (low + high) / 2 + np.array([0.0, 0.0, lift]), np.linalg.norm(high - low) / 2
    away = np.array(DIRECTION) / np.linalg.norm(DIRECTION) * radius / np.sin(FOV / 2)
    x, y, z = (float(v) for v in centre + away)
    tx, ty, tz = (float(v) for v in centre)
    view = Camera(pos=(x, y, z), target=(tx, ty, tz), fov_rad=FOV)
    lamps = {
        "sun": Light(pos=(0.0, 0.0, 4.0), direction=(-0.3, 0.2, -1.0), colour=(0.6, 0.6, 0.6)),
        "camera": Light(pos=(x, y, z), direction=(tx - x, ty - y, tz - z), colour=(0.5, 0.5, 0.5)),
    }
    viewed = replace(scene, cameras={"view": view}, lights=lamps)

    class AtHome(Task):
        """A robot that has nothing to do."""

        scene, control, camera, id = viewed, JointPosition(delta=0.1), "view", name

        def observe(self, state: Any, memory: Any) -> dict[str, Any]:
            return {"last": state.qpos[:, -1:]}

    return AtHome


def extent(scene: Scene) -> tuple[Any, Any]:
    """Return the corners ``(3,)`` [m] of a box around everything in a scene but its ground."""
    import mujoco
    import numpy as np

    from metasim.model import compile_scene

    model = compile_scene(scene)
    m = model.visual
    data = mujoco.MjData(m)
    data.qpos[:] = model.info.home_qpos
    mujoco.mj_kinematics(m, data)
    solid = np.flatnonzero(m.geom_type != int(mujoco.mjtGeom.mjGEOM_PLANE))
    turns = data.geom_xmat[solid].reshape(-1, 3, 3)
    middle = data.geom_xpos[solid] + np.einsum("gij,gj->gi", turns, m.geom_aabb[solid, :3])
    half = np.einsum("gij,gj->gi", np.abs(turns), m.geom_aabb[solid, 3:])
    return (middle - half).min(axis=0), (middle + half).max(axis=0)
