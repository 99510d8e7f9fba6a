"""The example package, installed as a user installs it, among others that are broken."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "metasim-example-plugin"
BROKEN = {  # name: group, entry point, module, what it needs
    "their-tasks": ("tasks", "x = their_tasks", "import no_such_engine", ""),
    "their-robot": ("robots", "anvil = their_robot:ANVIL", "raise SystemExit('no anvils left')", ""),
    "their-engine": ("backends", "mujoco = their_engine:Engine", "", ""),
    "new-engine": ("backends", "warp = new_engine:Engine", "", "metasim-robotics>=99"),
    "odd-engine": ("backends", "odd = odd_engine:Engine", "class Engine: pass", ""),
    "their-policy": ("policies", "sage = their_policy:Sage", "", ""),
}
USE = """
import json, sys
import numpy as np
import metasim
from metasim.cli import findings, main
from metasim.core.policy import POLICIES

envs = metasim.make_vec("example/cart-v0", 4, backend="example-counting")
observation, _ = envs.reset(seed=0)
won = np.zeros(4, bool)
for _ in range(99):
    action = np.asarray(metasim.TASKS["example/cart-v0"].expert(observation), np.float32)
    observation, _, _, _, info = envs.step(action)
    won |= info["success"]
used = {
    "won": int(won.sum()),
    "substeps": envs.unwrapped.episodes.backend.substeps,
    "eager": POLICIES["example-eager"](None, 2).act(None).tolist(),
}
envs.close()
findings.attempt = lambda code: ("not tried", "")
sys.stdout.write(json.dumps(used) + "\\n")
codes = [main(words.split()) for words in ("list plugins --json", "list robots --json", "list backends", "doctor")]
sys.stdout.write(json.dumps(codes) + "\\n")
"""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example installed in it, without a network."""
    folder = tmp_path_factory.mktemp("plugins")
    shutil.copytree(EXAMPLE, folder / "source")  # the build writes beside the sources
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", folder / "site", folder / "source"]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    for name, (group, entry, source, needs) in BROKEN.items():
        info = folder / "site" / f"{name.replace('-', '_')}-2.0.dist-info"
        info.mkdir()
        requires = f"Requires-Dist: {needs}\n" if needs else ""
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.0\n{requires}\n")
        (info / "entry_points.txt").write_text(f"[metasim.{group}]\n{entry}\n")
        (folder / "site" / f"{name.replace('-', '_')}.py").write_text(source)
    return folder / "site"


def test_everything_it_brings_works_and_the_broken_ones_are_named(target: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(target), str(ROOT)])}
    command = [sys.executable, "-W", "error::RuntimeWarning", "-c", USE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    first, rest = done.stdout.split("\n", 1)
    assert json.loads(first) == {"won": 4, "substeps": 99 * 20, "eager": [[1.0], [1.0]]}
    plugins, end = json.JSONDecoder().raw_decode(rest)
    reasons = {row["plug-in"]: row["problem"] for row in plugins}
    assert {row["brings"] for row in plugins if not row["problem"]} == {
        "task example/cart-v0",
        "robot example_cart",
        "backend example-counting",
        "policy example-eager",
    }
    assert reasons["x (their-tasks 2.0)"] == "ModuleNotFoundError: No module named 'no_such_engine'"
    assert reasons["anvil (their-robot 2.0)"] == "SystemExit: no anvils left"
    assert "already registered" in reasons["mujoco (their-engine 2.0)"]
    assert "made for metasim-robotics >=99, and this is" in reasons["warp (new-engine 2.0)"]
    assert "which is no backend" in reasons["odd (odd-engine 2.0)"]
    assert reasons["sage (their-policy 2.0)"].startswith("AttributeError")
    robots, end = json.JSONDecoder().raw_decode(rest[end:].lstrip())
    named = {row["robot"] for row in robots}
    assert {"example_cart", "panda"} <= named and "anvil" not in named
    assert json.loads(rest.strip().splitlines()[-1]) == [0, 0, 0, 0]
    assert "plug-in anvil (their-robot 2.0) was not loaded: SystemExit: no anvils left" in done.stderr
    for name in ("x (their-tasks 2.0)", "sage (their-policy 2.0)", "warp (new-engine 2.0)"):
        assert f"plug-in {name}: repair or uninstall the package it is in" in done.stderr  # says the doctor
