"""Controls against what their actions should do."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from metasim.control import EndEffectorDelta, JointEffort, JointPosition, JointVelocity
from metasim.core.backend import Backend, launch
from metasim.core.errors import InvalidConfig, UnknownName, UnsupportedFeature
from metasim.core.reads import Reads
from metasim.core.scene import Drive, Robot, Scene
from metasim.model import compile_scene

ARM = tuple(f"panda_joint{k}" for k in range(1, 8))
TIP = "panda_grasptarget"


def panda(engine: str, **drive: object) -> Backend:
    scene = Scene(robot=Robot(model="panda", drive=Drive(**drive)))  # type: ignore[arg-type]
    backend = launch(engine, 2)
    backend.load(compile_scene(scene, Reads(joints=ARM, bodies=(TIP,))))
    return backend


@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
def test_end_effector_goes_where_it_is_told(engine: str) -> None:
    with panda(engine, kind="position", stiffness=2000.0, damping=100.0) as backend:
        control = EndEffectorDelta(frame=TIP, kind="body", step_rad=0.1).bind(backend)
        state = backend.state
        control.reset(state, np.arange(2))
        start, turned = state.body(TIP).pos.copy(), state.body(TIP).quat.copy()
        for k in range(60):
            action = np.zeros((2, control.size), np.float32)
            if k < 10:
                action[0, 0], action[1, 2], action[1, 5] = 0.5, -0.5, 0.3
            control.apply(action, state)
            backend.step(20)
        moved = state.body(TIP).pos - start
        np.testing.assert_allclose(moved, [[0.1, 0, 0], [0, 0, -0.1]], atol=2e-3)
        angle = 2 * np.arccos(np.abs((state.body(TIP).quat * turned).sum(axis=1)))
        np.testing.assert_allclose(angle, [0.0, 0.3], atol=1e-2)


@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
def test_joint_position_reaches_its_target(engine: str) -> None:
    with panda(engine, kind="position", stiffness=2000.0, damping=200.0) as backend:
        control = JointPosition(actuators=ARM, delta=0.1).bind(backend)
        control.reset(backend.state, np.arange(2))
        before = backend.state.joint("panda_joint1").pos.copy()
        action = np.zeros((2, 7), np.float32)
        action[1, 0] = 1.0
        control.apply(action, backend.state)
        backend.step(1000)
        # the axis of joint 1 is vertical, so gravity leaves no steady error
        np.testing.assert_allclose(backend.state.joint("panda_joint1").pos - before, [[0.0], [0.1]], atol=1e-3)


@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
def test_joint_velocity_reaches_its_speed(engine: str) -> None:
    with panda(engine, kind="velocity", damping=200.0) as backend:
        control = JointVelocity(actuators=ARM, limit=0.5).bind(backend)
        control.reset(backend.state, np.arange(2))
        action = np.zeros((2, 7), np.float32)
        action[1, 0] = 1.0
        control.apply(action, backend.state)
        backend.step(300)
        np.testing.assert_allclose(backend.state.joint("panda_joint1").vel, [[0.0], [0.5]], atol=0.02)


@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
def test_joint_effort_accelerates_by_the_inertia(engine: str) -> None:
    with panda(engine, kind="effort") as backend:
        control = JointEffort(actuators=ARM, limit=2.0).bind(backend)
        control.reset(backend.state, np.arange(2))
        action = np.zeros((2, 7), np.float32)
        action[1, 0] = 0.5
        control.apply(action, backend.state)
        inertia = backend.mass_matrix()[1]
        backend.step(1)
        # gravity turns no vertical axis; what the other joints do under it is the same in both worlds
        change = backend.state.qvel[1] - backend.state.qvel[0]
        effort = np.zeros(len(inertia))
        effort[0] = 1.0
        damping = np.diag([backend.get_parameter("damping", joint)[1] for joint in backend.info.joints])
        step = backend.info.timestep_s
        expected = np.linalg.solve(inertia + step * damping, effort) * step  # damping is implicit
        np.testing.assert_allclose(change[0], expected[0], rtol=1e-3)


@pytest.mark.parametrize(
    ("control", "drive"),
    [
        (partial(JointPosition, delta=0.1), {"kind": "position", "stiffness": 2000.0, "damping": 200.0}),
        (JointVelocity, {"kind": "velocity", "damping": 200.0}),
        (JointEffort, {"kind": "effort"}),
    ],
)
def test_one_last_component_moves_the_gripper(control: Any, drive: dict[str, Any]) -> None:
    fingers = {f"panda_finger_joint{k}": (0.04, -0.01 * k) for k in (1, 2)}
    with panda("mujoco", **drive) as backend:
        bound = control(grip=fingers).bind(backend)
        assert bound.size == len(ARM) + 1
        bound.reset(backend.state, np.arange(2))
        columns = [backend.info.index("actuator", name) for name in fingers]
        others = [backend.info.index("actuator", name) for name in ARM]
        held = backend.targets.ctrl[:, others].copy()
        action = np.zeros((2, 8), np.float32)
        action[:, -1] = -1.0, 0.5
        bound.apply(action, backend.state)
        np.testing.assert_allclose(backend.targets.ctrl[:, columns], [[0.04, 0.04], [0.0025, -0.005]], atol=1e-9)
        np.testing.assert_array_equal(backend.targets.ctrl[:, others], held)


def test_wrong_actuators_are_named() -> None:
    with panda("mujoco", kind="position", stiffness=100.0) as backend:
        with pytest.raises(UnsupportedFeature, match="effort"):
            JointEffort(limit=1.0).bind(backend)
        with pytest.raises(UnknownName, match="panda_joint1"):
            JointPosition(actuators=("panda_joint11",)).bind(backend)
    with panda("mujoco", kind="effort") as backend, pytest.raises(InvalidConfig, match="not position"):
        JointPosition(actuators=("panda_joint1",)).bind(backend)
