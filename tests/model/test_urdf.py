"""URDF files: what is repaired, and what stands in the spec afterwards."""

from __future__ import annotations

import math
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import mujoco
import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from metasim.core.errors import InvalidModel, MetasimError
from metasim.model.urdf import read_urdf, spec_from_urdf
from metasim.model.urdf_inertia import nearest_physical

INERTIAL = '<inertial><mass value="{0}"/><inertia ixx="{1}" iyy="{1}" izz="{1}" ixy="0" ixz="0" iyz="0"/></inertial>'
HEAVY = INERTIAL.format(1, 0.01)
BALL = '<collision><geometry><sphere radius="0.1"/></geometry></collision>'


def link(name: str, *content: str) -> str:
    return f'<link name="{name}">{"".join(content)}</link>'


def joint(name: str, parent: str, child: str, kind: str = "revolute", *content: str) -> str:
    ends = f'<parent link="{parent}"/><child link="{child}"/>'
    return f'<joint name="{name}" type="{kind}">{ends}{"".join(content)}</joint>'


def write(folder: Path, *content: str) -> Path:
    path = folder / "robot.urdf"
    path.write_text(f'<robot name="r">{"".join(content)}</robot>')
    return path


ARM = (
    '<material name="red"><color rgba="1 0 0 1"/></material>',
    link(
        "base",
        HEAVY,
        '<visual><origin xyz="0 0 0.1"/><geometry><mesh filename="part.stl"/></geometry>'
        '<material name="red"/></visual>',
        '<visual><geometry><box size="0.1 0.2 0.3"/></geometry></visual>',
        '<collision><geometry><mesh filename="part.stl" scale="2 2 2"/></geometry></collision>',
    ),
    joint(
        "hinge",
        "base",
        "tip",
        "revolute",
        '<origin xyz="1 0 0" rpy="0 0 0.5"/><axis xyz="0 0 2"/>',
        '<limit lower="-1" upper="2" effort="5" velocity="3"/><dynamics damping="0.3" friction="0.2"/>',
    ),
    link(
        "tip",
        '<inertial><origin xyz="0.1 0 0" rpy="0.3 0 0"/><mass value="2"/>'
        '<inertia ixx="0.02" iyy="0.03" izz="0.04" ixy="0.001" ixz="0" iyz="0"/></inertial>',
        '<contact><lateral_friction value="0.7"/><rolling_friction value="0.01"/></contact>',
        '<collision><geometry><cylinder radius="0.1" length="0.4"/></geometry></collision>',
        '<collision name="ear"><geometry><capsule radius="0.1" length="0.4"/></geometry></collision>',
    ),
)


@pytest.fixture
def arm(tmp_path: Path) -> Path:
    trimesh.creation.box((0.2, 0.4, 0.6)).export(tmp_path / "part.stl")
    return write(tmp_path, *ARM)


def test_what_a_file_says_is_what_the_model_has(arm: Path) -> None:
    urdf = read_urdf(arm)
    model = urdf.spec.compile()
    assert (urdf.root, urdf.joints, dict(urdf.velocity_limits)) == ("base", ("hinge",), {"hinge": 3.0})
    assert (urdf.repairs, urdf.ignored) == ((), ())
    hinge = model.joint("hinge")
    np.testing.assert_allclose([*hinge.range, *hinge.axis], [-1, 2, 0, 0, 1])
    np.testing.assert_allclose(model.jnt_actfrcrange[0], [-5, 5])
    assert (hinge.damping[0], hinge.frictionloss[0]) == (0.3, 0.2)
    tip = model.body("tip")
    stated = np.array([[0.02, 0.001, 0], [0.001, 0.03, 0], [0, 0, 0.04]])
    frame = Rotation.from_quat(tip.iquat, scalar_first=True).as_matrix()
    turn = Rotation.from_euler("xyz", [0.3, 0, 0]).as_matrix()
    np.testing.assert_allclose(frame @ np.diag(tip.inertia) @ frame.T, turn @ stated @ turn.T, atol=1e-12)
    np.testing.assert_allclose(tip.pos, [1, 0, 0])
    np.testing.assert_allclose(tip.quat, [math.cos(0.25), 0, 0, math.sin(0.25)])


def test_shapes_are_sorted_named_and_coloured(arm: Path) -> None:
    model = spec_from_urdf(arm).compile()
    table = {
        model.geom(i).name: (
            int(model.geom_group[i]),
            int(model.geom_contype[i]),
            int(model.geom_conaffinity[i]),
        )
        for i in range(model.ngeom)
    }
    looks, touches = (2, 0, 0), (3, 1, 1)
    assert table == {
        "base_visual_0": looks,
        "base_visual_1": looks,
        "base_collision_0": touches,
        "tip_collision_0": touches,
        "ear": touches,
    }
    np.testing.assert_allclose(model.geom("base_visual_0").rgba, [1, 0, 0, 1])
    np.testing.assert_allclose(model.geom("base_visual_1").rgba, [0.5, 0.5, 0.5, 1])  # not the one before's red
    np.testing.assert_allclose(model.geom("ear").friction, [0.7, 0.005, 0.01])
    np.testing.assert_allclose(model.geom("ear").size[:2], [0.1, 0.2])  # full length in URDF, half in MuJoCo
    corners = {model.mesh(i).name: np.ptp(_vertices(model, i), axis=0) for i in range(model.nmesh)}
    assert sorted(sorted(v.round(6)) for v in corners.values()) == [[0.2, 0.4, 0.6], [0.4, 0.8, 1.2]]


def _vertices(model: mujoco.MjModel, mesh: int) -> np.ndarray:
    start = model.mesh_vertadr[mesh]
    return model.mesh_vert[start : start + model.mesh_vertnum[mesh]]


def test_nothing_depends_on_files_after_reading(arm: Path) -> None:
    alone = spec_from_urdf(arm)
    expected = alone.copy().compile()
    shutil.rmtree(arm.parent)
    world = mujoco.MjSpec()
    for side in ("left", "right"):
        child = alone.copy()
        world.attach(child, prefix=f"{side}/", frame=world.worldbody.add_frame(pos=[len(side), 0, 0]))
    model = world.compile()
    assert model.nmesh == 2 * expected.nmesh
    for side in ("left", "right"):
        np.testing.assert_array_equal(model.joint(f"{side}/hinge").range, [-1, 2])  # still radians
        np.testing.assert_allclose(model.body(f"{side}/tip").inertia, expected.body("tip").inertia)
    again = mujoco.MjModel.from_xml_string(world.to_xml())
    assert again.nmesh == model.nmesh


def test_a_floating_base_falls_as_one_body(arm: Path) -> None:
    model = spec_from_urdf(arm, floating_base=True).compile()
    data = mujoco.MjData(model)
    assert (model.nq, model.nv, model.joint(0).name) == (8, 7, "base_free")
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
    mujoco.mj_forward(model, data)
    np.testing.assert_allclose(data.qacc, [0, 0, -9.81, 0, 0, 0, 0], atol=1e-9)


def test_a_mimic_joint_follows(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        link("base", HEAVY),
        joint("leader", "base", "a", "revolute", '<axis xyz="0 0 1"/>'),
        link("a", HEAVY),
        joint(
            "follower",
            "base",
            "b",
            "revolute",
            '<axis xyz="0 0 1"/><mimic joint="leader" multiplier="-2" offset="0.1"/>',
        ),
        link("b", HEAVY),
    )
    model = spec_from_urdf(path).compile()
    data = mujoco.MjData(model)
    data.joint("leader").qvel[0] = 0.5
    mujoco.mj_step(model, data, 2000)
    leader, follower = data.joint("leader").qpos[0], data.joint("follower").qpos[0]
    assert abs(leader) > 0.1
    assert follower == pytest.approx(-2 * leader + 0.1, abs=1e-3)  # a soft constraint


def test_a_root_called_world_is_the_world(tmp_path: Path) -> None:
    path = write(tmp_path, link("world"), joint("fix", "world", "base", "fixed"), link("base", HEAVY))
    assert spec_from_urdf(path).compile().nbody == 2
    free = read_urdf(path, floating_base=True)
    assert (free.root, free.spec.compile().nv) == ("base", 6)
    path = write(tmp_path, link("world"), joint("free", "world", "base", "floating"), link("base", HEAVY))
    assert spec_from_urdf(path).compile().nv == spec_from_urdf(path, floating_base=True).compile().nv == 6
    two = [part for name in "ab" for part in (link(name, HEAVY), joint(f"j{name}", "world", name, "fixed"))]
    with pytest.raises(InvalidModel, match=r"\['a', 'b'\].*floating_base=False"):
        spec_from_urdf(write(tmp_path, link("world"), *two), floating_base=True)


def chain(first: str, second: str = HEAVY, kind: str = "revolute", *content: str) -> tuple[str, ...]:
    return link("base", first), joint("j", "base", "tip", kind, *content), link("tip", second)


REPAIRS = {
    "commas": (chain(HEAVY, HEAVY, "fixed", '<origin xyz="0.1, 0.2, 0.3"/>'), "read as '0.1 0.2 0.3'"),
    "surplus": (chain(HEAVY, HEAVY, "fixed", '<origin rpy="1 2 3 4"/>'), "read as '1 2 3'"),
    "optenv": (chain(HEAVY, HEAVY, "fixed", '<origin xyz="$(optenv X_Y 1 2 3)"/>'), "read as '1 2 3'"),
    "crossed": (chain(HEAVY, HEAVY, "revolute", '<limit lower="1" upper="-1"/>'), "unlimited"),
    "endless": (
        chain(HEAVY, HEAVY, "revolute", '<limit lower="-inf" upper="1e16" effort="inf"/>'),
        "endless",
    ),
    "continuous": (chain(HEAVY, HEAVY, "continuous", '<limit lower="-1" upper="1"/>'), "do not apply"),
    "twice": (chain(HEAVY, HEAVY, "revolute", '<axis xyz="0 0 1"/><axis xyz="0 1 0"/>'), "the first is used"),
    "zero size": (chain(HEAVY + BALL.replace("0.1", "0")), "size of zero and was dropped"),
    "triangle": (chain(HEAVY, HEAVY.replace('izz="0.01"', 'izz="0.03"')), "no rigid body has"),
    "no inertia": (chain(HEAVY, INERTIAL.format(2, 0) + BALL), "zero inertia replaced"),
    "no mass": (chain(HEAVY, INERTIAL.format(0, 1), "fixed"), "inertia was set to zero"),
    "no inertial": (chain(HEAVY, BALL), "it moves but has no mass; 4.19 kg given"),
    "speck": (chain(HEAVY, ""), "it moves but has no mass; 0.0001 kg given"),
    "one factor": (
        chain(HEAVY + '<visual><geometry><mesh filename="part.stl" scale="0.1"/></geometry></visual>'),
        "read as '0.1 0.1 0.1'",
    ),
}


@pytest.mark.parametrize("name", REPAIRS)
def test_a_repair_is_made_and_said(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    trimesh.creation.box((1, 1, 1)).export(tmp_path / "part.stl")
    content, message = REPAIRS[name]
    caplog.set_level("INFO")
    urdf = read_urdf(write(tmp_path, *content))
    urdf.spec.compile()
    assert any(message in repair for repair in urdf.repairs), urdf.repairs
    assert message in caplog.text


def test_the_nearest_possible_inertia() -> None:
    """Second moments of (1, 1, 3) are (1.5, 1.5, -0.5): without the last, the moments are (1.5, 1.5, 3)."""
    np.testing.assert_allclose(np.diag(nearest_physical(np.diag([1.0, 1, 3]))), [1.5, 1.5, 3], atol=1e-6)
    np.testing.assert_array_equal(nearest_physical(np.diag([1.0, 1, 1.5])), np.diag([1.0, 1, 1.5]))


@pytest.mark.parametrize(
    ("shape", "geom"),
    [
        ('<box size="0.1 0.2 0.3"/>', 'type="box" size="0.05 0.1 0.15"'),
        ('<sphere radius="0.1"/>', 'type="sphere" size="0.1"'),
        ('<cylinder radius="0.1" length="0.5"/>', 'type="cylinder" size="0.1 0.25"'),
        ('<capsule radius="0.1" length="0.5"/>', 'type="capsule" size="0.1 0.25"'),
        ('<mesh filename="part.stl"/>', 'type="mesh" mesh="part"'),
    ],
)
def test_invented_masses_are_mujocos(tmp_path: Path, shape: str, geom: str) -> None:
    """Two copies of a shape, turned and apart, weigh what MuJoCo makes of them at the density of water."""
    wedge = trimesh.convex.convex_hull(np.array([[0, 0, 0], [1, 0, 0], [0, 0.5, 0], [0, 0, 0.3], [0.2, 0.2, 0.4]]))
    wedge.export(tmp_path / "part.stl")
    places = (([0.1, 0.2, 0.3], [0.4, -0.5, 0.6]), ([-0.2, 0.0, 0.1], [1.0, 0.3, -0.2]))
    text = geoms = ""
    for xyz, rpy in places:
        numbers = [" ".join(map(str, v)) for v in (xyz, rpy)]
        origin = f'<origin xyz="{numbers[0]}" rpy="{numbers[1]}"/>'
        text += f"<collision>{origin}<geometry>{shape}</geometry></collision>"
        x, y, z, w = Rotation.from_euler("xyz", rpy).as_quat()
        geoms += f'<geom {geom} pos="{numbers[0]}" quat="{w} {x} {y} {z}"/>'
    model = spec_from_urdf(write(tmp_path, *chain(HEAVY, text))).compile()
    mesh = f'<asset><mesh name="part" file="{tmp_path / "part.stl"}"/></asset>' if "mesh" in geom else ""
    body = f'<worldbody><body name="tip"><freejoint/>{geoms}</body></worldbody>'
    theirs = mujoco.MjModel.from_xml_string(f"<mujoco>{mesh}{body}</mujoco>")
    for field in ("mass", "ipos", "inertia"):
        mine, other = (getattr(m.body("tip"), field) for m in (model, theirs))
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6, err_msg=field)


def test_an_inertia_of_zero_is_replaced_in_the_axes_of_its_frame(tmp_path: Path) -> None:
    """A box turned against the link, in a frame turned otherwise: m/12 (b^2 + c^2) in the box's axes."""
    origin = '<origin xyz="0.1 0.2 0.3" rpy="0.3 -0.4 0.5"/>'
    text = INERTIAL.format(2, 0).replace("<inertial>", f"<inertial>{origin}")
    text += '<collision><origin rpy="1 0.2 -0.3"/><geometry><box size="0.1 0.2 0.3"/></geometry></collision>'
    tip = spec_from_urdf(write(tmp_path, *chain(HEAVY, text))).compile().body("tip")
    np.testing.assert_allclose(tip.ipos, [0.1, 0.2, 0.3])
    turn = Rotation.from_euler("xyz", [1, 0.2, -0.3]).as_matrix()
    x, y, z = np.square([0.1, 0.2, 0.3]) * 2 / 12
    frame = Rotation.from_quat(tip.iquat, scalar_first=True).as_matrix()
    expected = turn @ np.diag([y + z, x + z, x + y]) @ turn.T
    np.testing.assert_allclose(frame @ np.diag(tip.inertia) @ frame.T, expected, atol=1e-9)


def test_shapes_weigh_nothing_where_a_mass_is_stated_or_none_is_needed(tmp_path: Path) -> None:
    path = write(tmp_path, *chain(HEAVY + BALL, BALL, "fixed"))
    np.testing.assert_array_equal(spec_from_urdf(path).compile().body_mass, [0, 1, 0])
    urdf = read_urdf(write(tmp_path, link("base", BALL)), floating_base=True)
    assert urdf.spec.compile().body("base").mass[0] == pytest.approx(4000 / 3 * math.pi * 0.1**3)
    assert "it moves but has no mass" in urdf.repairs[0]


def test_a_missing_limit_is_zero(tmp_path: Path) -> None:
    path = write(tmp_path, *chain(HEAVY, HEAVY, "prismatic", '<limit upper="0.5"/>'))
    np.testing.assert_array_equal(spec_from_urdf(path).compile().joint("j").range, [0, 0.5])


def test_a_massless_link_that_carries_a_fixed_one_is_left_alone(tmp_path: Path) -> None:
    path = write(tmp_path, *chain(HEAVY, ""), joint("f", "tip", "tool", "fixed"), link("tool", HEAVY))
    urdf = read_urdf(path)
    assert urdf.repairs == ()
    assert urdf.spec.compile().body("tip").mass[0] == 0


def test_meshes_are_found_as_ros_and_pybullet_would(tmp_path: Path) -> None:
    folder = tmp_path / "my_robot" / "urdf"
    folder.mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    for home in (tmp_path / "my_robot" / "meshes", elsewhere):
        home.mkdir()
        trimesh.creation.box((1, 1, 1)).export(home / "part.stl")
    (tmp_path / "my_robot" / "meshes" / "part.stl").rename(tmp_path / "my_robot" / "meshes" / "own.stl")
    for name, search in {
        "package://my_robot/meshes/own.stl": (),
        "package://meshes/own.stl": (),
        "package://another_name/meshes/own.stl": (),
        "../meshes/own.stl": (),
        "..\\meshes\\own.stl": (),
        f"file://{elsewhere}/part.stl": (),
        str(elsewhere / "part.stl"): (),
        "package://any/where/part.stl": (elsewhere,),
    }.items():
        text = f'<visual><geometry><mesh filename="{name}"/></geometry></visual>'
        assert spec_from_urdf(write(folder, link("base", HEAVY, text)), search=search).compile().nmesh == 1
    with pytest.raises(InvalidModel, match=r"'gone.stl' does not exist.*search="):
        spec_from_urdf(write(folder, link("base", '<visual><geometry><mesh filename="gone.stl"/></geometry></visual>')))


def test_a_convex_decomposition_collides_part_by_part(tmp_path: Path) -> None:
    """Two boxes in one file: a ball between them touches neither, though their common hull holds it."""
    lines, base = [], 1
    for x in (-1.0, 1.0):
        box = trimesh.creation.box((0.2, 0.2, 0.2))
        lines += [f"o box{x}"] + [f"v {vx + x} {vy} {vz}" for vx, vy, vz in box.vertices]
        lines += ["f " + " ".join(str(i + base) for i in face) for face in box.faces]
        base += 8
    (tmp_path / "pair.obj").write_text("\n".join(lines))
    text = "".join(f'<{k}><geometry><mesh filename="pair.obj"/></geometry></{k}>' for k in ("visual", "collision"))
    spec = spec_from_urdf(write(tmp_path, link("base", HEAVY, text)))
    ball = spec.worldbody.add_body(name="ball")
    ball.add_freejoint()
    ball.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.1, 0, 0])
    model = spec.compile()
    assert [model.geom(i).name for i in range(3)] == ["base_visual_0", "base_collision_0", "base_collision_1"]
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    assert data.ncon == 0
    data.qpos[0] = 0.85
    mujoco.mj_forward(model, data)
    assert data.ncon > 0


SPOILT = ("x", "nan", "-1", "0", "1e30")


def test_any_single_defect_is_refused_or_still_compiles(arm: Path) -> None:
    """Every attribute and element of a file, spoilt in turn: never another error, never a crash."""
    whole = ET.fromstring(arm.read_text())
    accepted = refused = 0
    for index, element in enumerate(whole.iter()):
        spoilt = [None, *((key, value) for key in element.attrib for value in (None, *SPOILT))]
        for change in spoilt:
            copy = ET.fromstring(arm.read_text())
            target = list(copy.iter())[index]
            if change is None:
                target[:] = []
            elif change[1] is None:
                del target.attrib[change[0]]
            else:
                target.set(*change)
            arm.with_name("spoilt.urdf").write_text(ET.tostring(copy, encoding="unicode"))
            try:
                spec_from_urdf(arm.with_name("spoilt.urdf"), floating_base=index % 2 == 0).compile()
                accepted += 1
            except MetasimError as error:
                assert "spoilt.urdf" in str(error)
                refused += 1
    assert accepted > 50 and refused > 100
