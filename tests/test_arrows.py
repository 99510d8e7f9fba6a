"""The arrows between the folders point one way: who may import whom, as a table."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"metasim": "metasim"} | {f"metasim.{name}": name for name in ("tasks", "datasets", "policies", "benchmarks")}
ALL = {"*"}

# Left: a package, with everything under it that has no line of its own. Right: the metasim packages it may
# import; itself is always allowed. Environments, datasets and benchmarks reach tasks, policies and engines by
# name only (through a registry), and so do not list them.
MAY = {
    "metasim": ALL,  # the façade, which imports on demand: test_packaging.py holds that it stays light
    "metasim.core": set[str](),
    "metasim.model": {"core"},
    "metasim.backends": {"core", "model"},
    "metasim.backends.mujoco": {"core", "model", "backends"},
    "metasim.backends.pybullet": {"core", "model", "work", "backends"},
    "metasim.backends.isaacgym": {"core", "model", "backends", "backends.mujoco"},  # whose batch is its mirror
    "metasim.control": {"core"},
    "metasim.disturb": {"core"},
    "metasim.randomize": {"core", "model", "disturb"},
    "metasim.envs": {"core", "model", "control", "randomize", "disturb", "work"},
    "metasim.adapters": {"core", "envs"},
    "metasim.work": {"core"},
    "metasim.view": {"core", "envs"},
    "metasim.view.live": {"core", "model", "envs"},  # recordings are handed in: it knows no file format
    "metasim.conformance": {"core", "model", "envs"},  # the engine under test comes by name
    "metasim.cli": ALL,
    "metasim.tasks": {"core", "model", "control"},
    "metasim.datasets": {"core", "envs", "work"},
    "metasim.datasets.training": {"core", "datasets", "datasets.tools"},
    "metasim.datasets.tools": {"core", "envs", "work", "view", "datasets"},
    "metasim.policies": {"core", "envs", "disturb", "datasets", "work", "adapters", "policies.cloning"},
    "metasim.policies.remote": {"core", "policies", "work"},
    "metasim.policies.cloning": {"core", "work", "policies", "datasets.training"},
    "metasim.benchmarks": {"core", "envs", "work", "view", "datasets"},
    "metasim.benchmarks.generalization": {"core", "model", "envs", "randomize", "work", "view", "benchmarks"},
    "metasim.benchmarks.cameras": {"core", "envs", "benchmarks", "benchmarks.throughput"},
    "metasim.benchmarks.datasets": {
        *("core", "envs", "work", "benchmarks", "benchmarks.metaworld", "benchmarks.throughput"),
        *("datasets", "datasets.training"),
    },
    "metasim.benchmarks.metaworld": {"core", "envs", "work", "benchmarks"},
    "metasim.benchmarks.throughput": {"core", "control", "envs", "work", "benchmarks", "adapters"},
}

# Left: a library that decides how heavy or how portable a package is. Right: the packages that may import it.
# MuJoCo stands in the PyBullet backend because the canonical model, which that one translates, is MuJoCo's; so does
# what the live view draws.
ONLY_IN = {
    "mujoco": {
        *("backends.mujoco", "backends.pybullet", "backends.isaacgym"),
        *("model", "view.live", "benchmarks.throughput", "cli"),
    },
    "isaacgym": {"backends.isaacgym"},
    "pybullet": {"backends.pybullet", "benchmarks.throughput", "cli"},
    "gymnasium": {"envs", "adapters", "datasets", "policies", "benchmarks", "benchmarks.throughput", "cli"},
    "torch": {"adapters", "policies", "policies.cloning", "datasets.training", "benchmarks.throughput", "cli"},
    "stable_baselines3": {"adapters", "policies", "cli"},
    "rsl_rl": {"adapters"},
    "tensordict": {"adapters"},
    "torchrl": {"adapters"},
    "ray": {"work", "cli"},
    "viser": {"view.live", "cli"},
    "trimesh": {"model", "backends.pybullet", "view.live", "backends.isaacgym", "cli"},
    "h5py": {"datasets", "datasets.tools", "datasets.training", "benchmarks.datasets", "benchmarks.metaworld", "cli"},
}
CORE_LIBRARIES = {"numpy", "array_api_compat"}


def test_every_import_follows_an_arrow() -> None:
    wrong = [line for name, file in modules() for line in violations(name, file.read_text(), file.relative_to(ROOT))]
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    ("name", "source", "refused"),
    [
        ("metasim.core.state", "import metasim.tasks.reach", "1: metasim.tasks.reach"),
        ("metasim.core.state", "import os\nfrom ..model import a", "2: metasim.model.a"),
        ("metasim.core.state", "from .. import model", "1: metasim.model"),
        ("metasim.core.__init__", "from .. import model", "1: metasim.model"),
        ("metasim.core.state", "def f():\n  import scipy.linalg", "2: scipy.linalg"),
        ("metasim.envs.env", "from metasim import tasks", "1: metasim.tasks"),
        ("metasim.tasks.reach", "import mujoco as m", "1: mujoco"),
        ("metasim.tasks.reach", "from metasim import make", "1: metasim.make"),
        ("metasim.backends.mujoco.state", "from ..pybullet import a", "1: metasim.backends.pybullet.a"),
        ("metasim.tasks.reach", "from metasim.core.state import State\nimport numpy, os.path", None),
        ("metasim.backends.mujoco.state", "from metasim.backends import base\nimport mujoco.batch", None),
        ("metasim.cli.list", "import metasim.tasks, metasim.backends.pybullet, mujoco", None),
    ],
)
def test_the_checker_sees_each_kind_of_import(name: str, source: str, refused: str | None) -> None:
    found = [line.replace(f" {owner_of(name)} may not import", "") for line in violations(name, source, Path("x"))]
    assert found == ([f"x:{refused}"] if refused else [])


def test_a_package_without_a_row_is_reported() -> None:
    assert [*violations("metasim.attic.old", "", Path("x"))] == ["x: metasim.attic is not in the table here"]


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of the distribution: its full name (a package's ends in `.__init__`) and its file."""
    for package, folder in FOLDERS.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield ".".join([package, *file.relative_to(ROOT / folder).with_suffix("").parts]), file


def violations(name: str, source: str, file: Path) -> Iterator[str]:
    """One line for each import in `source`, the text of module `name`, that the tables do not allow."""
    owner = owner_of(name)
    if owner == "metasim" and name.count(".") > 1:
        yield f"{file}: {name.rpartition('.')[0]} is not in the table here"
        return
    for line, target in imports(name, ast.parse(source)):
        if not allowed(owner, target):
            yield f"{file}:{line}: {owner} may not import {target}"


def owner_of(name: str) -> str:
    """The longest package of the table that `name` lies in."""
    return max((package for package in MAY if f"{name}.".startswith(f"{package}.")), key=len)


def imports(name: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and absolute name of everything that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(name.split(".")[: -node.level] if node.level else [])
            origin = ".".join(filter(None, (base, node.module)))
            if origin.partition(".")[0] == "metasim":
                yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, origin


def allowed(owner: str, target: str) -> bool:
    """Whether the tables let the package `owner` import `target`."""
    library = target.partition(".")[0]
    here = owner.removeprefix("metasim").removeprefix(".")
    if library == "metasim":
        there = owner_of(target)
        return there == owner or MAY[owner] == ALL or there.removeprefix("metasim.") in MAY[owner]
    if here == "core":
        return library in CORE_LIBRARIES or library in sys.stdlib_module_names
    return here == "" or library not in ONLY_IN or here in ONLY_IN[library]
