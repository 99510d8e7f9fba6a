"""Build the wheel, install it in a new environment far from the checkout, and use it as a stranger would.

`python tests/smoke_wheel.py` does all of it, in an environment that has the package `build`; `--inside` is
the part that the new environment runs.
"""

import argparse
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"metasim": "metasim"} | {name: f"metasim/{name}" for name in ("tasks", "datasets", "policies", "benchmarks")}
LEFT_OUT = {".md", ".pyc"}  # kinds of files that may lie in a package folder and stay out of the wheel
HEAVY = {"mujoco", "pybullet", "gymnasium", "torch", "scipy", "h5py", "trimesh"}
TASK = "metaworld/reach-v3"
ENGINES = ("mujoco", "pybullet")

log = logging.getLogger("smoke")


def build(folder: Path) -> Path:
    """Build the wheel from a copy of the sources, so that no left-over of an earlier build gets into it."""
    copy = folder / "source"
    for name in (*FOLDERS, "pyproject.toml", "setup.py", "README.md", "LICENSE", "THIRD_PARTY_NOTICES.md"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            copy.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(copy)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        sys.exit(f"the wheel cannot be built:\n{run.stdout}{run.stderr}")
    (wheel,) = folder.glob("*.whl")
    return wheel


def check_contents(wheel: Path) -> int:
    """Hold the wheel against the folders, both ways; returns how many files it holds."""
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    wanted = {
        f"{target}/{file.relative_to(ROOT / folder).as_posix()}"
        for folder, target in FOLDERS.items()
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and file.suffix not in LEFT_OUT
    }
    if held != wanted:
        sys.exit(f"not in the wheel: {sorted(wanted - held)}; in the wheel only: {sorted(held - wanted)}")
    return len(held)


def install(wheel: Path, folder: Path) -> Path:
    """Make an environment with the wheel and what it depends on, and nothing else; returns its `bin`."""
    venv.create(folder, with_pip=True)
    binaries = folder / "bin"
    pip = [str(binaries / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", str(wheel)], check=True, cwd=folder)
    subprocess.run([*pip, "check"], check=True, cwd=folder)
    return binaries


def use() -> None:
    """What the new environment runs: import, list the tasks, and one episode in each engine."""
    import metasim

    heavy = HEAVY.intersection(name.partition(".")[0] for name in sys.modules)
    if heavy:
        sys.exit(f"`import metasim` has imported {sorted(heavy)}")
    home = Path(metasim.__path__[0]).resolve()
    if not home.is_relative_to(Path(sys.prefix).resolve()) or not (home / "py.typed").is_file():
        sys.exit(f"metasim comes from {home}, or has no py.typed there")
    for engine in ENGINES:
        log.info("%s, %s: %s", TASK, engine, episode(engine))


def episode(engine: str) -> str:
    """Run one episode of random actions the way a gymnasium user would."""
    import gymnasium

    env = gymnasium.make(f"metasim.envs:{TASK}", backend=engine)
    env.action_space.seed(0)
    observation, _ = env.reset(seed=0)
    steps, total, done = 0, 0.0, False
    while not done:
        observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        steps, total, done = steps + 1, total + float(reward), terminated or truncated
    if not env.observation_space.contains(observation):
        sys.exit(f"{engine}: the last observation is not in the observation space")
    env.close()
    return f"{steps} steps, return {total:.2f}"


def main() -> None:
    """Build, install and use, in a temporary folder; where something is wrong, end with a sentence and 1."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="metasim smoke ") as name:
        folder = Path(name)
        wheel = build(folder)
        log.info("%s: %d files, %d KiB", wheel.name, check_contents(wheel), wheel.stat().st_size // 1024)
        binaries = install(wheel, folder / "env")
        log.info("installed with its dependencies after %.0f s", time.monotonic() - started)
        clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        command = [str(binaries / "metasim"), "list", "tasks"]
        listed = subprocess.run(command, check=True, cwd=folder, env=clean, capture_output=True, text=True).stdout
        if TASK not in listed:
            sys.exit(f"`metasim list tasks` does not name {TASK}:\n{listed}")
        subprocess.run([str(binaries / "python"), "-I", __file__, "--inside"], check=True, cwd=folder, env=clean)
    log.info("the wheel works; %.0f s", time.monotonic() - started)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    parser = argparse.ArgumentParser(description="build the wheel, install it elsewhere, and use it")
    parser.add_argument("--inside", action="store_true", help="only use what is installed beside this interpreter")
    use() if parser.parse_args().inside else main()
