"""What is distributed is complete, light to import, declared, and free of traces of one machine."""

import ast
import importlib
import json
import re
import runpy
import subprocess
import sys
import tomllib
import warnings
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import setuptools

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("metasim", "tasks", "datasets", "policies", "benchmarks")
SOURCES = sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))
PACKAGES = [file for file in SOURCES if file.name == "__init__.py"]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
HEAVY = {"mujoco", "pybullet", "torch", "gymnasium", "scipy", "h5py", "trimesh", "stable_baselines3", "ray"}
PROVIDERS = packages_distributions()  # importable name -> the distributions installed here that bring it
NOT_CALLED_ALIKE = {"rsl_rl": "rsl-rl-lib"}  # needed where the distribution is not installed
ELSEWHERE = {"isaacgym"}  # on no index; lives in an interpreter of its own, and is never imported in this one
LONG, TOO_LONG = 200, 400  # lines


def module_name(file: Path) -> str:
    """The name by which a source file of the distribution is imported."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join([*(() if parts[0] == "metasim" else ("metasim",)), *parts]).removesuffix(".__init__")


@pytest.fixture
def mapping(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What setup.py tells setuptools."""
    said: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **keywords: said.update(keywords))
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py")
    return said


def test_every_folder_with_code_is_a_package_of_the_distribution(mapping: dict[str, Any]) -> None:
    folders = {file.parent for file in SOURCES}
    bare = sorted(str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").exists())
    assert not bare, f"folders with code but without __init__.py: {bare}"
    assert {module_name(folder / "__init__.py") for folder in folders} == set(mapping["packages"])


def test_type_checkers_are_shown_the_same_folders_as_setuptools(mapping: dict[str, Any]) -> None:
    links = {str(link.resolve().relative_to(ROOT)) for link in (ROOT / "typings" / "metasim").iterdir()}
    assert links == {"metasim/__init__.py", *mapping["package_dir"].values()} - {"metasim"}


@pytest.mark.parametrize("file", SOURCES, ids=module_name)
def test_every_exported_name_resolves(file: Path) -> None:
    if file.name == "__main__.py":
        return
    try:
        module = importlib.import_module(module_name(file))
    except ImportError as error:  # ours, too, which says how to install what is missing
        name = getattr(error.__cause__, "name", None) or error.name or ""
        if not comes_with(name, requirements(extras=True) - requirements(extras=False)):
            raise
        pytest.skip(f"{name} comes with an extra that is not installed")
    names = getattr(module, "__all__", ())
    assert len(set(names)) == len(names)
    assert [name for name in names if not hasattr(module, name)] == []


@pytest.mark.parametrize("file", PACKAGES, ids=module_name)
def test_every_package_says_what_it_is_and_what_it_exports(file: Path) -> None:
    tree = ast.parse(file.read_text())
    assigned = {ast.unparse(node).partition(" =")[0].partition(":")[0] for node in tree.body}
    assert ast.get_docstring(tree)
    assert "__all__" in assigned


def test_importing_metasim_is_light() -> None:
    code = "import json, sys, metasim; print(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY & set(json.loads(run.stdout)) == set()


def test_every_library_the_code_imports_is_a_declared_dependency() -> None:
    missing = {
        f"{file.relative_to(ROOT)} imports {library}"
        for file in SOURCES
        for library in imported_libraries(ast.parse(file.read_text())) - ELSEWHERE
        if not comes_with(library, requirements(extras=True))
    }
    assert missing == set()


def test_the_command_is_there() -> None:
    module, _, function = PROJECT["scripts"]["metasim"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.filterwarnings("default:.*lines:UserWarning")
def test_files_stay_short_enough_to_read() -> None:
    lines = {file.relative_to(ROOT): len(file.read_text().splitlines()) for file in [*SOURCES, *TESTS]}
    long = {str(file): count for file, count in lines.items() if count > LONG}
    if long:
        warnings.warn(f"over {LONG} lines: {long}", UserWarning, stacklevel=1)
    assert {file: count for file, count in long.items() if count > TOO_LONG} == {}


def test_no_path_of_one_machine_is_written_down() -> None:
    private = re.compile(r"(?<![\w.*}])/(?:(?:root|work|farm|Users|home/\w+)/|tmp/\w)")
    kinds = {".py", ".pyi", ".md", ".toml", ".txt", ".json", ".csv", ".cff", ".html", ".jinja", ".sh", ""}
    folders = [file for name in (*FOLDERS, "tests", "docs") for file in (ROOT / name).rglob("*")]
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for file in [*folders, *ROOT.glob("*"), ROOT / ".ci" / "run"]
        if file.is_file() and file.suffix in kinds
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), start=1)
        if private.search(line)
    ]
    assert found == []


def imported_libraries(tree: ast.AST) -> set[str]:
    """Top-level names of what a module imports from outside the standard library and this distribution."""
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.partition(".")[0] for name in names} - {"metasim"} - sys.stdlib_module_names


def comes_with(library: str, distributions: set[str]) -> bool:
    """Whether one of these distributions brings an importable name (or is called that)."""
    found = PROVIDERS.get(library) or [NOT_CALLED_ALIKE.get(library, library)]
    return not distributions.isdisjoint(normal(name) for name in found)


def requirements(extras: bool) -> set[str]:
    """Names of the distributions that pyproject.toml asks for, with or without those of the extras."""
    wanted = list(PROJECT["dependencies"])
    if extras:
        wanted += [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    return {normal(re.split(r"[\s\[<>=!~;]", line, maxsplit=1)[0]) for line in wanted}


def normal(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
