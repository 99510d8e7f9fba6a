"""What ``doctor`` looks at; each finding says how it stands and what to install.

Engines are tried in processes of their own: a broken library may end the process that imports it.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from metasim.core.versions import within

DISTRIBUTION = "metasim-robotics"
WHEEL_PYTHON = (3, 11)  # the Python that PyBullet has a Linux wheel for
TIMEOUT_S = 120.0
State = Literal["ok", "missing", "optional"]

TRY_MUJOCO = "import mujoco; mujoco.MjModel.from_xml_string('<mujoco/>'); print(mujoco.__version__)"
TRY_PYBULLET = "import pybullet as p; c = p.connect(p.DIRECT); p.stepSimulation(c); p.disconnect(c)"
TRY_OPENGL = """
import os
from metasim.model.gl import choose_gl
choose_gl()
import mujoco
model = mujoco.MjModel.from_xml_string('<mujoco><worldbody><geom size="1"/></worldbody></mujoco>')
with mujoco.Renderer(model, 16, 16) as renderer:
    renderer.update_scene(mujoco.MjData(model))
    renderer.render()
print(os.environ.get('MUJOCO_GL') or 'display ' + os.environ.get('DISPLAY', '?'))
"""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What it is.
        state: ``"ok"``, ``"missing"`` (needed) or ``"optional"`` (something works less well without it).
        detail: The version, or what is wrong.
        fix: What to do about it; empty where nothing is to be done.
    """

    name: str
    state: State
    detail: str
    fix: str = ""


def examine() -> Iterator[Finding]:
    """Look at everything, one finding after the other."""
    yield python()
    yield from packages()
    yield engine("mujoco", TRY_MUJOCO, 'pip install "mujoco>=4.0,<5"')
    yield engine("pybullet", TRY_PYBULLET, how_to_get_pybullet())
    yield opengl()
    yield ffmpeg()
    yield from assets()
    yield from plugins()


def python() -> Finding:
    """Look at the interpreter."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < WHEEL_PYTHON:
        return Finding(name="python", state="missing", detail=version, fix="install Python 3.11 or newer")
    if sys.version_info[:2] != WHEEL_PYTHON:
        version += "; the reference is 3.11, elsewhere PyBullet may have to be built"
    return Finding(name="python", state="ok", detail=version)


def packages() -> Iterator[Finding]:
    """Look at what the distribution depends on, as its metadata says; engines are tried separately."""
    try:
        needed = [line for line in importlib.metadata.requires(DISTRIBUTION) or () if "extra ==" not in line]
    except importlib.metadata.PackageNotFoundError:
        yield Finding(
            name=DISTRIBUTION,
            state="missing",
            detail="it runs from its sources, without being installed",
            fix="pip install -e . in the checkout, or make setup",
        )
        return
    yield Finding(name=DISTRIBUTION, state="ok", detail=importlib.metadata.version(DISTRIBUTION))
    for line in needed:
        match = re.match(r"([\w.-]+)\s*([^;]*)", line)
        if match:
            yield package(match[1], match[2].strip().strip("()"))


def package(name: str, wanted: str) -> Finding:
    """Look at one package; ``wanted`` is a range such as ``">=4.0,<5"``."""
    fix = f'pip install "{name}{wanted}"'
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name=name, state="missing", detail="not installed", fix=fix)
    if not within(version, wanted):
        return Finding(name=name, state="missing", detail=f"{version} is not {wanted}", fix=fix)
    return Finding(name=name, state="ok", detail=version)


def engine(name: str, code: str, fix: str) -> Finding:
    """Import an engine and use it, in another process."""
    said, problem = attempt(code)
    if problem:
        return Finding(name=f"{name} runs", state="missing", detail=problem, fix=fix)
    return Finding(name=f"{name} runs", state="ok", detail=said)


def how_to_get_pybullet() -> str:
    """Return what to do where PyBullet is missing: take the wheel, or build it."""
    if sys.version_info[:2] == WHEEL_PYTHON and sys.platform == "linux":
        return 'pip install "pybullet>=3.2.7,<4"'
    build = "pip install pybullet builds it (about ten minutes)"
    if shutil.which("g++") or shutil.which("clang++"):
        return f"{build}; or use Python 3.11, which has a wheel"
    return f"apt-get install build-essential python3-dev, then {build}; or use Python 3.11, which has a wheel"


def opengl() -> Finding:
    """Draw one small picture with MuJoCo."""
    said, problem = attempt(TRY_OPENGL)
    if not problem:
        return Finding(name="OpenGL", state="ok", detail=said)
    return Finding(
        name="OpenGL",
        state="optional",
        detail=f"pictures come from PyBullet's software renderer: {problem}",
        fix="apt-get install libegl1 libgl1-mesa-dri (or libosmesa6)",
    )


def ffmpeg() -> Finding:
    """Look for the ffmpeg of the extra ``video``."""
    from metasim.core.errors import MissingDependency

    try:
        from metasim.view.video import ffmpeg as find

        return Finding(name="ffmpeg", state="ok", detail=os.path.basename(find()))
    except (MissingDependency, ImportError) as missing:
        fix = f'pip install "{DISTRIBUTION}[video]"'
        return Finding(name="ffmpeg", state="optional", detail=f"no MP4 videos: {missing}", fix=fix)


def assets() -> Iterator[Finding]:
    """Look for the files that scenes and robots are made of."""
    try:
        from metasim.core.errors import MetasimError
        from metasim.model import assets as files
    except ImportError as missing:
        yield Finding(name="assets", state="missing", detail=str(missing), fix=f"pip install {DISTRIBUTION}")
        return
    needed = (
        ("Meta-World's scenes", lambda: files.metaworld_scene("sawyer_reach_v3"), "missing"),
        ("PyBullet's robots", lambda: files.pybullet_data_path("franka_panda/panda.urdf"), "missing"),
        ("Menagerie's robots", lambda: files.menagerie("franka_emika_panda"), "optional"),
    )
    fixes = ("envpool-assets", "pybullet", f'"{DISTRIBUTION}[robots]"')
    for (name, find, state), fix in zip(needed, fixes, strict=True):
        try:
            find()
            yield Finding(name=name, state="ok", detail="")
        except MetasimError as missing:
            yield Finding(name=name, state=state, detail=str(missing), fix=f"pip install {fix}")  # type: ignore[arg-type]


def plugins() -> Iterator[Finding]:
    """Load the tasks and what other packages bring, and look at the plug-ins that failed."""
    from metasim.cli import plugins as others

    try:
        from metasim.core.task import TASKS

        count = len(TASKS)
    except Exception as error:  # whatever a task file raises is the finding
        yield Finding(name="tasks", state="missing", detail=f"{type(error).__name__}: {error}")
        return
    yield Finding(name="tasks", state="ok", detail=f"{count} registered")
    for row in others.rows():
        broken = str(row["problem"])
        yield Finding(
            name=f"plug-in {row['plug-in']}",
            state="optional" if broken else "ok",
            detail=broken or str(row["brings"]),
            fix="repair or uninstall the package it is in" if broken else "",
        )


def attempt(code: str) -> tuple[str, str]:
    """Run Python code in another process; return the last line it wrote and what went wrong, if anything."""
    try:
        ran = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return "", f"no answer in {TIMEOUT_S:.0f} s"
    if ran.returncode == 0:
        return (ran.stdout.strip().splitlines() or [""])[-1], ""
    words = ran.stderr.strip().splitlines()
    return "", words[-1] if words else f"ended with {ran.returncode}"
