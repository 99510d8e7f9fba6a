"""``metasim convert``: what is written loads in plain MuJoCo from another folder and is the robot that was read."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mujoco
import numpy as np
import pytest
import trimesh

from metasim.model.assets import locate
from metasim.model.robots import ROBOTS
from metasim.model.urdf import read_urdf

ARM = """<robot name="arm">
  <link name="base"><visual><geometry><mesh filename="package://arm/meshes/part.stl"/></geometry></visual></link>
  <joint name="hinge" type="revolute"><parent link="base"/><child link="tip"/><origin xyz="0, 0, 0.1"/>
    <axis xyz="0 1 0"/><limit lower="-1.2345678901" upper="2" effort="5" velocity="3"/></joint>
  <link name="tip"><inertial><origin xyz="0.1234567890123 0 0"/><mass value="2"/>
      <inertia ixx="0.01" iyy="0.01" izz="0.05" ixy="0" ixz="0" iyz="0"/></inertial>
    <collision><geometry><mesh filename="package://arm/meshes/part.stl" scale="2 1 1"/></geometry></collision></link>
</robot>"""
FIELDS = ("body_mass", "body_inertia", "body_ipos", "body_pos", "body_quat", "geom_pos", "geom_size", "geom_friction")
MORE = ("jnt_range", "jnt_axis", "jnt_pos", "jnt_type", "jnt_actfrcrange", "dof_damping", "dof_frictionloss")
EXACT = (*MORE, "geom_contype", "geom_group", "geom_type", "exclude_signature", "mesh_vertnum", "mesh_facenum")
SAFE = "import mujoco, sys; m = mujoco.MjModel.from_xml_path(sys.argv[1]); print(m.nq, m.nmesh)"


@pytest.fixture
def arm(tmp_path: Path) -> Path:
    (tmp_path / "arm" / "meshes").mkdir(parents=True)
    (tmp_path / "arm" / "urdf").mkdir()
    trimesh.creation.box((0.1, 0.2, 0.3)).export(tmp_path / "arm" / "meshes" / "part.stl")
    path = tmp_path / "arm" / "urdf" / "arm.urdf"
    path.write_text(ARM)
    return path


def test_the_result_is_whole_and_says_what_was_repaired(run: Callable, arm: Path, tmp_path: Path) -> None:
    ran = run("convert", arm, "-o", "made/arm.xml")
    assert (ran.code, ran.out) == (0, "made/arm.xml\n")
    assert "read as '0 0 0.1'" in ran.err and "no rigid body has the principal inertias" in ran.err
    assert "2 links, 1 joints, 2 kg, 2 meshes; repairs: 2" in ran.err
    shutil.rmtree(arm.parent.parent)  # nothing of the source is needed, nor the folder it was written to
    shutil.move(tmp_path / "made", tmp_path / "moved")
    text = (tmp_path / "moved" / "arm.xml").read_text()
    assert str(tmp_path) not in text and "Repaired: link 'tip'" in text and "hinge 3" in text
    plain = [sys.executable, "-c", SAFE, str(tmp_path / "moved" / "arm.xml")]
    done = subprocess.run(plain, capture_output=True, text=True, cwd="/", check=False)
    assert done.stdout == "1 2\n", done.stderr
    model = mujoco.MjModel.from_xml_path(str(tmp_path / "moved" / "arm.xml"))
    assert model.joint("hinge").range[0] == -1.2345678901 and model.body("tip").ipos[0] == 0.1234567890123
    np.testing.assert_allclose(np.ptp(model.mesh_vert[:8], axis=0), (0.1, 0.2, 0.3), atol=1e-6)


@pytest.mark.parametrize(
    "file",
    [
        *(entry.file for entry in ROBOTS.values() if entry.source == "pybullet" and entry.file.endswith(".urdf")),
        "pybullet:xarm/xarm6_with_gripper.urdf",
    ],
)
def test_converted_robots_are_the_ones_that_were_read(run: Callable, file: str, tmp_path: Path) -> None:
    floating = ["--floating"] if any(e.floating for e in ROBOTS.values() if e.file == file) else []
    assert run("convert", locate(file), "-o", "robot.xml", *floating).code == 0
    made = mujoco.MjModel.from_xml_path(str(tmp_path / "robot.xml"))
    read = read_urdf(locate(file), floating_base=bool(floating)).spec.compile()
    assert made.names == read.names or sorted(made.names.split(b"\0")) == sorted(read.names.split(b"\0"))
    for field in EXACT:
        np.testing.assert_array_equal(getattr(made, field), getattr(read, field), err_msg=field)
    for field in FIELDS:
        np.testing.assert_allclose(getattr(made, field), getattr(read, field), atol=2e-8, err_msg=field)
    np.testing.assert_allclose(made.mesh_vert, read.mesh_vert, atol=1e-6)
    a, b = mujoco.MjData(made), mujoco.MjData(read)
    for data, model in ((a, made), (b, read)):
        data.qpos[:] = np.random.default_rng(2).uniform(-1, 1, model.nq)
        data.qvel[:] = np.random.default_rng(3).uniform(-1, 1, model.nv)
        mujoco.mj_forward(model, data)
    np.testing.assert_allclose(a.xpos, b.xpos, atol=1e-9)
    np.testing.assert_allclose(a.qfrc_bias, b.qfrc_bias, atol=1e-7 * max(1.0, np.abs(b.qfrc_bias).max()))


def test_the_report_as_json(run: Callable, arm: Path) -> None:
    report = json.loads(run("convert", arm, "-o", "a.xml", "--json").out)
    assert (report["out"], report["links"], report["joints"], report["mass_kg"]) == ("a.xml", 2, ["hinge"], 2.0)
    assert (len(report["repairs"]), report["velocity_limits"], report["meshes"]) == (2, {"hinge": 3.0}, 2)


def test_a_floating_base_gets_its_joint(run: Callable, arm: Path) -> None:
    assert run("convert", arm, "-o", "a.xml", "--floating").code == 0
    assert mujoco.MjModel.from_xml_path("a.xml").nq == 8


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("</robot>", "", "not well-formed XML"),
        (
            "</robot>",
            '<link name="e"/><joint name="hinge" type="fixed"><parent link="tip"/><child link="e"/></joint></robot>',
            "two <joint> elements are named 'hinge'; rename one",
        ),
        ("meshes/part.stl", "meshes/prt.stl", "mesh file 'package://arm/meshes/prt.stl' does not exist"),
        ('child link="tip"', 'child link="tpi"', "did you mean ['tip']?"),
        ('mass value="2"', 'mass value="-2"', "must not be negative"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_a_sentence(
    run: Callable, arm: Path, old: str, new: str, message: str
) -> None:
    arm.write_text(ARM.replace(old, new, 1))
    ran = run("convert", arm, "-o", "a.xml")
    assert ran.code == 2 and ran.out == "" and ran.err.startswith("error: ") and ran.err.count("\n") == 1
    assert message in ran.err and str(arm) in ran.err
    assert not Path("a.xml").exists() and not Path("a_meshes").exists()


def test_a_missing_mesh_names_the_nearest(run: Callable, arm: Path) -> None:
    arm.write_text(ARM.replace("meshes/part.stl", "meshes/parts.stl"))
    ran = run("convert", arm, "-o", "a.xml")
    assert "did you mean" in ran.err and str(arm.parent.parent / "meshes" / "part.stl") in ran.err
    arm.write_text(ARM.replace("arm/meshes/part.stl", "elsewhere/quite.stl"))
    assert "did you mean" not in run("convert", arm, "-o", "a.xml").err


def test_meshes_are_looked_for_where_one_says(run: Callable, arm: Path, tmp_path: Path) -> None:
    shutil.move(arm.parent.parent / "meshes", tmp_path / "elsewhere")
    assert run("convert", arm, "-o", "a.xml").code == 2
    assert run("convert", arm, "-o", "a.xml", "--search", tmp_path / "elsewhere").code == 0


def test_what_exists_is_overwritten_only_by_force(run: Callable, arm: Path) -> None:
    Path("a.xml").write_text("mine")
    ran = run("convert", arm, "-o", "a.xml")
    assert ran.code == 2 and "a.xml exists already; give another --out, or --force" in ran.err
    assert Path("a.xml").read_text() == "mine"
    assert run("convert", arm, "-o", "a.xml", "--force").code == 0
    Path("a.xml").unlink()
    assert "a_meshes exists already" in run("convert", arm, "-o", "a.xml").err


def test_a_wrong_name_is_refused(run: Callable, arm: Path) -> None:
    assert "did you mean ['arm.urdf']?" in run("convert", arm.with_name("amr.urdf"), "-o", "a.xml").err
    assert "ends in .xml" in run("convert", arm, "-o", "a.urdf").err
    Path("folder.xml").mkdir()
    assert "must be a file" in run("convert", arm, "-o", "folder.xml", "--force").err
    assert "no file .;" in run("convert", ".").err
    same = arm.with_suffix(".xml")
    shutil.copy(arm, same)
    assert "is the file to be converted" in run("convert", same, "--force").err
    Path("robot.xml").write_text("<mujoco/>")
    assert "that is MJCF" in run("convert", "robot.xml", "-o", "b.xml").err


def test_odd_names_and_mimic_joints_survive(run: Callable, arm: Path) -> None:
    """Signs that mean something in XML, two dashes that no comment may contain, and every digit of a ratio."""
    odd, name = "a --- &quot;b&quot; &lt;c&gt;", 'a --- "b" <c>'
    follower = '<joint name="m" type="continuous"><parent link="base"/><child link="f"/><axis xyz="1 0 0"/>'
    follower += '<mimic joint="hinge" multiplier="0.3333333333" offset="0.123456789"/></joint>'
    end = f'{follower}<link name="f"><inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1"/></inertial></link>'
    (arm.parent.parent / "meshes" / "part.stl").rename(arm.parent.parent / "meshes" / "a part (1).stl")
    text = ARM.replace("part.stl", "a part (1).stl").replace('"tip"', f'"{odd}"').replace("</robot>", f"{end}</robot>")
    arm.write_text(text)
    assert run("convert", arm, "-o", "a.xml").code == 0
    model = mujoco.MjModel.from_xml_path("a.xml")
    assert model.body(name).mass[0] == 2
    np.testing.assert_array_equal(model.eq_data[0, :2], [0.123456789, 0.3333333333])
