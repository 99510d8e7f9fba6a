"""Without a framework, its adapter says what to install, and nothing else is the worse for it."""

import subprocess
import sys

import pytest

BLOCKED = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {packages}:
            raise ModuleNotFoundError('no ' + name, name=name)
sys.meta_path.insert(0, Missing())
"""


def said(packages: tuple[str, ...], code: str) -> str:
    """The last line that a new process writes, in which some packages are not to be found."""
    program = BLOCKED.format(packages=packages) + code
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    return (ran.stdout + ran.stderr).strip().splitlines()[-1]


@pytest.mark.parametrize(("module", "package", "install"), [
    ("sb3", "stable_baselines3", "metasim-robotics[learn]"),
    ("rsl_rl", "rsl_rl", "rsl-rl-lib>=5,<6"),
    ("torchrl", "torchrl", "torchrl>=0.14,<0.15"),
])  # fmt: skip
def test_an_adapter_without_its_framework(module: str, package: str, install: str) -> None:
    packages = ("torch", "stable_baselines3", "rsl_rl", "torchrl", "tensordict")
    line = said(packages, f"import metasim.adapters.{module}")
    assert "MissingDependency: this adapter needs" in line and install in line
    assert package in line or "torch" in line


def test_training_without_the_extra() -> None:
    code = "from metasim.cli import main; main(['train', 'ppo', 'metaworld/reach-v3'])"
    line = said(("torch", "stable_baselines3", "safetensors"), code)
    assert line.startswith("error: training needs ") and "metasim-robotics[learn]" in line


def test_adapters_and_policies_import_no_framework() -> None:
    code = (
        "import metasim.adapters, metasim.adapters.lerobot, metasim.policies, metasim.policies.training\n"
        "print({'torch', 'stable_baselines3', 'rsl_rl', 'torchrl', 'safetensors'} & set(sys.modules) or 'none')"
    )
    assert said((), code) == "none"
