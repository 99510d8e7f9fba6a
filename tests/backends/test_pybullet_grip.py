"""Fingers and friction in PyBullet against formulas: grip force, a grip that stays, wedged bodies that yield."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest

from metasim.backends.pybullet.friction import SLIP_M_S
from metasim.backends.pybullet.surface import _impedance
from metasim.core.backend import Start, launch
from metasim.core.reads import Reads
from metasim.core.scene import Asset, Scene
from metasim.model import Model, compile_scene

KP, CLOSED = 400.0, 0.4
FINGERS = """
<mujoco><option timestep="0.0025" cone="elliptic" gravity="0 0 0"/>
<default><geom solref="0.01 1" solimp="0.95 0.99 0.01" friction="2 0.1 0.002" condim="4"/></default>
<worldbody>
  <body name="palm"><joint name="palm" type="slide" axis="0 0 1" damping="50"/>
    <geom type="box" size="0.05 0.1 0.01" pos="0 0 0.1" mass="1" contype="0" conaffinity="0"/>
    <body name="right" pos="0 -0.05 0"><joint name="right" type="slide" axis="0 1 0" damping="1000" armature="100"/>
      <geom name="right" type="box" size="0.045 0.003 0.015" mass="0.02"/></body>
    <body name="left" pos="0 0.05 0"><joint name="left" type="slide" axis="0 -1 0" damping="1000" armature="100"/>
      <geom name="left" type="box" size="0.045 0.003 0.015" mass="0.02"/></body>
  </body>
  <body name="held"><freejoint name="held"/><geom name="held" type="box" size="0.05 0.02 0.02" mass="{mass}"/></body>
</worldbody>
<actuator><position name="right" joint="right" kp="400" ctrlrange="-1 1"/>
  <position name="left" joint="left" kp="400" ctrlrange="-1 1"/></actuator></mujoco>"""

WEDGE_KG, OVERLAP_M, TIME_CONSTANT_S, IMPEDANCE = 0.1, 0.008, 0.01, 0.99
WEDGED = f"""
<mujoco><option timestep="0.0025" cone="elliptic" gravity="0 0 0"/>
<default><geom solref="{TIME_CONSTANT_S} 1" solimp="{IMPEDANCE} {IMPEDANCE} 0.01" friction="1 0 0"/></default>
<worldbody>
  <geom name="upper" type="box" size="0.5 0.1 0.05" pos="0 0 {0.03 - OVERLAP_M + 0.05}"/>
  <geom name="lower" type="box" size="0.5 0.1 0.05" pos="0 0 {-0.03 + OVERLAP_M - 0.05}"/>
  <body name="ball"><joint name="x" type="slide" axis="1 0 0"/><joint name="z" type="slide" axis="0 0 1"/>
    <geom name="ball" type="sphere" size="0.03" mass="{WEDGE_KG}"/></body>
</worldbody></mujoco>"""


def _model(text: str, folder: Path, reads: Reads) -> Model:
    path = folder / "scene.xml"
    path.write_text(text)
    return compile_scene(Scene(base=Asset(path=path)), reads)


@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
@pytest.mark.parametrize("mass", [0.1, 1.1])
def test_fingers_grip_with_the_force_of_their_drives_and_do_not_wander(
    engine: str, mass: float, tmp_path: Path
) -> None:
    """At rest the contact carries kp (u - q); nothing pushes aside, so the two fingers stay each other's mirror image.

    Symptom: what the solver left undone was taken for motion of the fingers' 100 kg, so that both went aside together
    and gripped with two thirds of the force.
    """
    reads = Reads(joints=("right", "left", "held"), bodies=("held",), contacts=(("held", "right"), ("held", "left")))
    with launch(engine, 1) as backend:
        backend.load(_model(FINGERS.format(mass=mass), tmp_path, reads))
        backend.targets.ctrl[:] = CLOSED
        for _ in range(12):
            state = backend.step(50)
        right, left = (float(state.joint(name).pos[0, 0]) for name in ("right", "left"))
        push = float(state.contact("held", "right").force[0, 1])
        assert push == pytest.approx(KP * (CLOSED - right), rel=0.03)
        assert float(state.contact("held", "left").force[0, 1]) == pytest.approx(-push, rel=0.03)
        assert abs(right - left) < 1e-3
        assert 0.0268 < right < 0.0325  # the faces meet at 0.027; contacts are soft
        np.testing.assert_allclose(state.body("held").quat[0], [1, 0, 0, 0], atol=0.05)


def test_impedance_is_mujocos_own() -> None:
    """MuJoCo leaves the impedance of every contact in ``efc_KBIP``."""
    text = (
        '<mujoco><worldbody><geom type="plane" size="1 1 1" {0}/>'
        '<body pos="0 0 {1}"><freejoint/><geom size="0.1" {0}/></body></worldbody></mujoco>'
    )
    for curve in ("0.8 0.95 0.01 0.5 2", "0.5 0.9 0.004 0.3 3", "0.9 0.95 0.001 0.5 1"):
        for depth in (0.0, 0.0005, 0.002, 0.006, 0.02):
            m = mujoco.MjModel.from_xml_string(text.format(f'solimp="{curve}" condim="1"', 0.1 - depth - 1e-12))
            data = mujoco.MjData(m)
            mujoco.mj_forward(m, data)
            numbers = np.array([float(v) for v in curve.split()])
            assert _impedance(numbers, depth) == pytest.approx(data.efc_KBIP[0, 2], abs=1e-6)


@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
def test_a_wedged_body_yields_to_a_force_far_below_mu_n(engine: str, tmp_path: Path) -> None:
    """MuJoCo's friction is viscous, v = F / (2 D) with D = 2 / (tc (1 - d) / m) at each of two points, up to mu N.

    In PyBullet it sticks below the force of SLIP_M_S, and gives way above; mu N is several times that force.
    """
    damping = 2 / (TIME_CONSTANT_S * (1 - IMPEDANCE) / WEDGE_KG)
    normal = OVERLAP_M * WEDGE_KG / (TIME_CONSTANT_S**2 * (1 - IMPEDANCE))
    reads = Reads(joints=("x",), bodies=("ball",), contacts=(("ball", "upper"),))
    reached = 2 * damping * SLIP_M_S
    assert reached < 0.3 * 2 * normal
    moved = {}
    for share in (0.5, 1.5):
        with launch(engine, 1) as backend:
            backend.load(_model(WEDGED, tmp_path, reads))
            backend.write(Start(joints={"x": np.zeros((1, 1))}))
            state = backend.step(20)
            assert abs(state.contact("ball", "upper").force[0, 2]) == pytest.approx(normal, rel=0.02)
            begin = float(backend.state.joint("x").pos[0, 0])
            backend.apply_wrench("ball", np.array([[share * reached, 0, 0, 0, 0, 0]], float))
            for _ in range(4):
                state = backend.step(5)
            moved[share] = (float(state.joint("x").pos[0, 0]) - begin) / 0.05
    if engine == "mujoco":
        assert moved[0.5] == pytest.approx(0.5 * SLIP_M_S, rel=0.15)
        assert moved[1.5] == pytest.approx(1.5 * SLIP_M_S, rel=0.15)
    else:
        assert abs(moved[0.5]) < 0.1 * SLIP_M_S
        assert moved[1.5] > SLIP_M_S
