"""The blocks of docs/adapters.md and docs/training.md run; only the lengths of trainings are cut."""

import contextlib
import importlib.util
import io
import re
import shlex
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from metasim.benchmarks.throughput.__main__ import main as throughput
from metasim.cli import main
from metasim.core.policy import POLICIES
from metasim.core.task import TASKS

DOCS = Path(__file__).resolve().parents[2] / "docs"
PACKAGES = ("stable_baselines3", "rsl_rl", "torchrl")
SHORT = ("--evaluation-episodes", "2", "--horizon", "50", "--set", "rollout=512", "--set", "batch_size=128")
SHORT_SAC = ("--evaluation-episodes", "2", "--horizon", "50", "--set", "warmup=100", "--set", "batch_size=16")


def blocks(document: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", (DOCS / document).read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to run in; registries are as before in the end."""
    monkeypatch.chdir(tmp_path)
    TASKS.discover()
    policies = dict(POLICIES._items)
    yield tmp_path
    POLICIES._items.clear()
    POLICIES._items.update(policies)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize(
    "block", blocks("adapters.md", "python"), ids=("gymnasium", "sb3", "rsl_rl", "torchrl", "lerobot")
)
def test_blocks_about_adapters(block: str, folder: Path) -> None:
    for package in PACKAGES:
        if package in block and importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        exec(compile(block, "adapters.md", "exec"), {})


def test_the_command_that_measures_them(folder: Path) -> None:
    pytest.importorskip("stable_baselines3", reason="Stable-Baselines3 is not installed (extra learn)")
    (command,) = (line for block in blocks("adapters.md", "console") for line in block.splitlines())
    words = shlex.split(command.removeprefix("$ python -m metasim.benchmarks.throughput "))
    out = io.StringIO()
    assert throughput([*words, "--seconds", "0.02", "--rounds", "1", "--num-envs", "2"], out) == 0
    assert "sb3 cost percent" in out.getvalue()


def test_commands_and_blocks_about_training(folder: Path) -> None:
    pytest.importorskip("stable_baselines3", reason="Stable-Baselines3 is not installed (extra learn)")
    pytest.importorskip("safetensors", reason="safetensors is not installed (extra learn)")
    commands = [line for block in blocks("training.md", "console") for line in block.splitlines()]
    assert all(line.startswith("$ metasim ") for line in commands)
    for line in commands:
        words = shlex.split(line.removeprefix("$ metasim "))
        if words[0] == "train":
            words[words.index("--steps") + 1] = "512"
            words += SHORT if words[1] == "ppo" else SHORT_SAC
        if words[0] in ("eval", "collect"):
            words += ["--horizon", "20"]
        if words[0] == "play":
            words += ["--size", "32", "32"]
        assert main(words) == 0, line
    assert len(list(folder.glob("*.gif"))) == 1
    for block in blocks("training.md", "python"):
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(block, "training.md", "exec"), {})
    assert (folder / "runs" / "small" / "policy.safetensors").exists()
