"""The real worker on a stand-in for Isaac Gym: the contract's checks, robots, and a task, through the protocol.

What it proves: translation, protocol, order and frames of everything that crosses the border. What it does not: that
the real engine reads the files, names and frames as the stand-in does, which was written after the same documents.
"""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import metasim
from metasim import Reads, Scene
from metasim.backends.isaacgym import IsaacGymBackend, engine
from metasim.backends.mujoco import MujocoBackend
from metasim.conformance import CHECKS, Measurement, run_check
from metasim.control import JointPosition
from metasim.core.factors import Place
from metasim.core.rewards import distance
from metasim.core.scene import Box, Drive, Robot
from metasim.core.task import TASKS, Task, register
from metasim.model import Model

STANDIN = Path(__file__).with_name("isaacgym_standin")
SINGLE = 1e-4
"""Least relative tolerance: states cross the border as float32, and accelerations are differences of these."""
QUICK = ("spin", "wrench", "shapes", "placing", "friction", "divergence")
LEFT_OUT = {
    "beginning": "has a mocap body",
    "gravity": "one gravity for all worlds",
    "travel": "one gravity for all worlds",
    "written_contacts": "contacts are not told",
    "friction_slide": "contact forces are not told, and it divides by them",
    "impulse_balance": "contact forces are not told",
    "snapshot": "a restored world continues alike in single precision, not to the bit",
    "one_of_many": "worlds stand beside each other, and round differently",
    "workers": "as above",
    "subsets": "as above",
    "side_by_side": "as above",
    "reset": "as above",
    "not_a_number": "as above",
}


class Whole(IsaacGymBackend):
    """Declares its parameters, gravity apart, and shows no forces where contacts are read."""

    capabilities = IsaacGymBackend.capabilities | {"parameters", "contact_force"}

    @staticmethod
    def _refuse_reads(model: Model) -> None: ...


@pytest.fixture(autouse=True)
def _standin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(engine.VARIABLE, sys.executable)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(STANDIN), os.environ.get("PYTHONPATH", "")])))


@pytest.mark.parametrize(
    "check",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in CHECKS if name not in LEFT_OUT],
)
def test_the_contract_is_kept_in_single_precision(check: str) -> None:
    outcome = run_check(Whole, check)
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    assert not outcome.error, outcome.error
    told = [m for m in outcome.measurements if not _untold(m)]
    assert told and [str(m) for m in told if not _within(m)] == []


def test_a_snapshot_brings_coordinates_targets_wrenches_and_parameters_back() -> None:
    with Whole(2) as backend:
        backend.load(_arm())
        backend.targets.ctrl[:] = [[0.2] * 7, [-0.1] * 7]
        backend.apply_wrench("lbr_iiwa_link_7", np.array([0, 0, 4.0, 0, 0, 0]))
        backend.set_parameter("gain", "lbr_iiwa_joint_2", np.array([900.0, 1100.0]))
        backend.step(20)
        kept, first = backend.snapshot(), backend.step(20).qpos.copy()
        backend.reset()
        assert np.abs(backend.state.qpos - first).max() > 0.01
        assert backend.get_parameter("gain", "lbr_iiwa_joint_2").tolist() == [1000.0, 1000.0]
        backend.restore(kept, np.array([0, 1]), rows=np.array([1, 1]))
        np.testing.assert_allclose(backend.step(20).qpos, first[[1, 1]], atol=1e-5)


@pytest.mark.parametrize(
    ("robot", "tolerance"),
    [
        pytest.param("kuka_iiwa", 1e-5, marks=pytest.mark.slow),
        ("panda", 1e-3),  # its second finger follows the first, and does not push back
        pytest.param("a1", 2e-2, marks=pytest.mark.slow),  # stands, on contacts of another softness
    ],
)
def test_a_robot_moves_as_in_mujoco(robot: str, tolerance: float) -> None:
    drive = Drive(kind="position", stiffness=200.0, damping=10.0)
    cube = Box(size_m=(0.05, 0.05, 0.05), mass_kg=0.1, pos=(0.5, 0.0, 0.025))
    model = metasim.compile_scene(Scene(robot=Robot(model=robot, drive=drive), objects={"cube": cube}))
    ends = []
    for backend in (MujocoBackend(2), IsaacGymBackend(2)):
        with backend:
            backend.load(model)
            backend.targets.ctrl[1] += 0.1
            for _ in range(5):
                backend.step(10)
            ends.append(backend.state.qpos.copy())
    assert np.abs(ends[0] - model.info.home_qpos).max() > 0.05
    np.testing.assert_allclose(ends[1], ends[0], atol=tolerance)


def test_a_task_runs_through_it_by_name() -> None:
    if "lab/point-v0" not in TASKS:
        register("lab/point-v0", horizon=20, instruction="point at the goal")(Point)
    seen = []
    for name in ("mujoco", "isaacgym"):
        envs = metasim.make_vec("lab/point-v0", 3, backend=name)
        observation, _ = envs.reset(seed=0)
        for _ in range(5):
            observation, reward, *_ = envs.step(np.full((3, 7), 0.1, np.float32))
        seen.append(np.column_stack([observation, reward]))
        envs.close()
    np.testing.assert_allclose(seen[1], seen[0], atol=1e-4)


class Point(Task):
    scene = Scene(robot=Robot(model="kuka_iiwa", drive=Drive(stiffness=1000.0, damping=60.0)), goals=("goal",))
    control = JointPosition(delta=0.05)
    reads = Reads(bodies=("lbr_iiwa_link_7",), sites=("goal",))
    factors = (Place("goal", (0.4, -0.2, 0.4), (0.6, 0.2, 0.6)),)

    def observe(self, state: Any, memory: Any) -> dict[str, Any]:
        return {"hand": state.body("lbr_iiwa_link_7").pos, "goal": state.site("goal").pos}

    def success(self, state: Any, memory: Any) -> Any:
        return distance(state.body("lbr_iiwa_link_7").pos, state.site("goal").pos) < 0.05


def _arm() -> Model:
    return metasim.compile_scene(Point.scene, Point.reads)


def _within(m: Measurement) -> bool:
    if isinstance(m.value, str) or isinstance(m.expected, str):
        return m.passed
    return abs(m.value - m.expected) <= max(m.tolerance, SINGLE * (1 + abs(m.expected)))


def _untold(m: Measurement) -> bool:
    """Whether a measurement is of contacts, which this engine does not tell."""
    return m.unit in ("N", "N s") or m.name.startswith("touching")
