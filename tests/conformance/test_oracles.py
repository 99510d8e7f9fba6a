"""The formulas that engines are held against, held against mj_kinematics, SciPy and each other."""

import mujoco
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import ellipk

from metasim.conformance import oracles
from metasim.conformance.scenes import SCENES, model
from metasim.core.rotation import normalize


@pytest.mark.parametrize("scene", ["tree", "arm", "offset", "heap", "drives"])
def test_forward_kinematics_is_that_of_mujoco(scene: str) -> None:
    mj, rng = model(scene).mj, np.random.default_rng(0)
    for _ in range(5):
        data = mujoco.MjData(mj)
        data.qpos[:] = rng.uniform(-1, 1, mj.nq)
        for j in range(mj.njnt):
            if int(mj.jnt_type[j]) == oracles.FREE:
                a = int(mj.jnt_qposadr[j]) + 3
                data.qpos[a : a + 4] = normalize(rng.normal(size=4))
        mujoco.mj_kinematics(mj, data)
        found = oracles.forward_kinematics(mj, data.qpos.copy())
        theirs = {"body": (data.xpos, data.xmat), "site": (data.site_xpos, data.site_xmat)}
        theirs["geom"] = (data.geom_xpos, data.geom_xmat)
        for kind, (pos, mat) in theirs.items():
            np.testing.assert_allclose(found[kind][0], pos, atol=1e-12)
            quats = np.array([_quat(m) for m in mat]).reshape(-1, 4)
            assert oracles.turn_between(found[kind][1], quats).max(initial=0) < 1e-7  # arcsin near zero


def test_ball_joints_turn_about_their_anchor() -> None:
    mj = mujoco.MjModel.from_xml_string(
        """<mujoco><worldbody><body pos="1 2 3" quat=".9 .1 .3 .2"><joint type="ball" pos=".1 .2 .3"/>
        <geom size=".1" pos=".3 0 0"/></body></worldbody></mujoco>"""
    )
    data = mujoco.MjData(mj)
    data.qpos[:] = normalize(np.array([0.5, -0.2, 0.7, 0.1]))
    mujoco.mj_kinematics(mj, data)
    found = oracles.forward_kinematics(mj, data.qpos.copy())
    np.testing.assert_allclose(found["geom"][0], data.geom_xpos, atol=1e-12)


def test_the_arm_formulas_are_those_of_mujoco() -> None:
    mj = model("arm").mj
    for shoulder, elbow in ((0.3, -1.0), (2.0, 0.7)):
        data = mujoco.MjData(mj)
        data.qpos[:] = shoulder, elbow
        mujoco.mj_forward(mj, data)
        full = np.zeros((2, 2))
        mujoco.mj_fullM(mj, data, full)
        np.testing.assert_allclose(oracles.arm_mass_matrix(elbow), full, atol=1e-12)
        np.testing.assert_allclose(oracles.arm_gravity_torque(shoulder, elbow), data.qfrc_bias, atol=1e-12)


def test_the_pendulum_period_is_the_elliptic_integral() -> None:
    small, large = (oracles.pendulum_period(0.48, 1.3, 0.6, 9.81, a) for a in (1e-6, 1.2))
    assert small == pytest.approx(2 * np.pi * np.sqrt(0.48 / (1.3 * 9.81 * 0.6)), rel=1e-12)
    assert large == pytest.approx(small * 2 / np.pi * ellipk(np.sin(0.6) ** 2), rel=1e-9)


@pytest.mark.parametrize("zeta", [0.3, 1.0])
def test_step_responses_solve_their_equations(zeta: float) -> None:
    omega, times = 10.0, np.linspace(0, 1, 50)
    solved = solve_ivp(
        lambda _, x: [x[1], omega**2 * (1 - x[0]) - 2 * zeta * omega * x[1]],
        (0, 1),
        [0, 0],
        t_eval=times,
        rtol=1e-9,
    ).y[0]
    if zeta < 1:
        found = oracles.second_order_step(times, omega, zeta)
    else:
        found = oracles.critically_damped_step(times, 1 / omega)
    np.testing.assert_allclose(found, solved, atol=1e-5)


@pytest.mark.parametrize("scene", SCENES)
def test_scenes_compile(scene: str) -> None:
    assert model(scene).info.timestep_s == 0.002


def _quat(matrix: np.ndarray) -> np.ndarray:
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, np.ascontiguousarray(matrix).reshape(9))
    return quat
