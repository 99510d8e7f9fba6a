"""The robot table against its sources: PyBullet's own loader of each URDF, and Meta-World's scenes."""

from __future__ import annotations

import contextlib
import functools
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np
import pybullet
import pytest
from scipy.spatial.transform import Rotation

from metasim.core.errors import InvalidModel, MissingDependency, UnknownName
from metasim.core.registry import Registry
from metasim.core.scene import Robot, Scene
from metasim.model import compile_scene
from metasim.model.assets import locate, metaworld_scene, pybullet_data_path
from metasim.model.robots import ROBOTS, RobotEntry
from metasim.model.urdf import read_urdf, spec_from_urdf

FILES = {name: entry.file for name, entry in ROBOTS.items() if entry.source == "pybullet"}
AWKWARD = {  # malformed in one way or another, and so worth comparing too
    "laikago_toes": "pybullet:laikago/laikago_toes.urdf",
    "xarm6_with_gripper": "pybullet:xarm/xarm6_with_gripper.urdf",
    "microtaur": "pybullet:quadruped/microtaur/microtaur.urdf",
    "bicycle": "pybullet:bicycle/bike.urdf",
    "minitaur": "pybullet:quadruped/minitaur.urdf",
}
# Links whose stated inertia no rigid body has: PyBullet zeroes it, or keeps one that has no mass to it
REPAIRED = {
    "xarm6": {"link2", "link3"},
    "mini_cheetah": {"thigh_fr", "thigh_fl", "thigh_hr", "thigh_hl"},
    "panda": {"panda_link8", "panda_grasptarget"},
    "kuka_iiwa": {"lbr_iiwa_link_0"},
}
WALKERS = [name for name, entry in ROBOTS.items() if entry.feet]
PLAIN = [
    "kuka_iiwa",
    "a1",
    "aliengo",
    "laikago",
    "spirit40",
    "vision60",
]  # nothing in their dynamics is repaired


def loaded(name: str) -> tuple[mujoco.MjSpec, Mapping[str, float]]:
    """A robot's spec and home; skips where the package that brings it is not installed."""
    try:
        return ROBOTS[name].load()
    except MissingDependency as missing:
        pytest.skip(str(missing))


@functools.cache
def compiled(file: str) -> mujoco.MjModel:
    return spec_from_urdf(locate(file)).compile()


@dataclass(frozen=True)
class Bullet:
    """A URDF in PyBullet's own reading; links by name, -1 is the base."""

    client: int
    body: int
    links: dict[str, int]
    joints: dict[str, int]

    def inertial(self, link: str) -> tuple[float, np.ndarray, np.ndarray]:
        info = pybullet.getDynamicsInfo(self.body, self.links[link], physicsClientId=self.client)
        turn = Rotation.from_quat(info[4]).as_matrix()
        return info[0], np.array(info[3]), turn @ np.diag(info[2]) @ turn.T

    def poses(self, q: dict[str, float]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Link frames (not centres of mass) relative to the base link's frame."""
        where = {"physicsClientId": self.client}
        for joint, value in q.items():
            pybullet.resetJointState(self.body, self.joints[joint], value, **where)
        com = pybullet.getBasePositionAndOrientation(self.body, **where)
        offset = pybullet.getDynamicsInfo(self.body, -1, **where)[3:5]
        base = pybullet.multiplyTransforms(*com, *pybullet.invertTransform(*offset))
        inverse = pybullet.invertTransform(*base)
        found = {}
        for name, index in self.links.items():
            if index >= 0:
                state = pybullet.getLinkState(self.body, index, computeForwardKinematics=True, **where)
                pos, quat = pybullet.multiplyTransforms(*inverse, *state[4:6])
                found[name] = (np.array(pos), Rotation.from_quat(quat).as_matrix())
        return found


@contextlib.contextmanager
def bullet(file: str, *, fixed: bool) -> Iterator[Bullet]:
    client = pybullet.connect(pybullet.DIRECT)
    try:
        pybullet.setAdditionalSearchPath(str(pybullet_data_path("plane.urdf").parent), physicsClientId=client)
        body = pybullet.loadURDF(
            str(locate(file)),
            useFixedBase=fixed,
            flags=pybullet.URDF_USE_INERTIA_FROM_FILE,
            physicsClientId=client,
        )
        count = pybullet.getNumJoints(body, physicsClientId=client)
        infos = [pybullet.getJointInfo(body, i, physicsClientId=client) for i in range(count)]
        root = pybullet.getBodyInfo(body, physicsClientId=client)[0].decode()
        links = {root: -1, **{info[12].decode(): info[0] for info in infos}}
        moving = (pybullet.JOINT_REVOLUTE, pybullet.JOINT_PRISMATIC)
        yield Bullet(client, body, links, {i[1].decode(): i[0] for i in infos if i[2] in moving})
    finally:
        pybullet.disconnect(client)


def inertia(model: mujoco.MjModel, body: str) -> np.ndarray:
    """Inertia (3, 3) about the body's centre of mass, in the body's axes."""
    turn = Rotation.from_quat(model.body(body).iquat, scalar_first=True).as_matrix()
    return turn @ np.diag(model.body(body).inertia) @ turn.T


@pytest.mark.parametrize("name", [*FILES, *AWKWARD])
def test_links_are_where_pybullet_puts_them(name: str) -> None:
    file = {**FILES, **AWKWARD}[name]
    model = compiled(file)
    data = mujoco.MjData(model)
    rng = np.random.default_rng(7)
    with bullet(file, fixed=True) as other:
        assert set(other.joints) == {model.joint(i).name for i in range(model.njnt)}
        for _ in range(20):
            q = {joint: float(rng.uniform(-2.5, 2.5)) for joint in other.joints}
            for joint, value in q.items():
                data.qpos[model.joint(joint).qposadr[0]] = value
            mujoco.mj_kinematics(model, data)
            poses = other.poses(q)
            assert set(poses) <= {model.body(i).name for i in range(model.nbody)}
            for link, (pos, turn) in poses.items():
                np.testing.assert_allclose(data.body(link).xpos, pos, atol=1e-6, err_msg=link)
                mine = data.body(link).xmat.reshape(3, 3)
                np.testing.assert_allclose(mine, turn, atol=5e-6, err_msg=link)  # single precision quaternions


@pytest.mark.parametrize("name", FILES)
def test_links_weigh_what_pybullet_reads(name: str) -> None:
    model = compiled(FILES[name])
    with bullet(FILES[name], fixed=False) as other:
        for link in sorted(set(other.links) - {"world"}):
            mass, com, about = other.inertial(link)
            assert model.body(link).mass[0] == pytest.approx(mass, rel=1e-9), link
            np.testing.assert_allclose(model.body(link).ipos, com, atol=1e-9, err_msg=link)
            if link not in REPAIRED.get(name, ()):
                scale = max(np.abs(about).max(), 1e-12)
                np.testing.assert_allclose(inertia(model, link) / scale, about / scale, atol=1e-7, err_msg=link)


@pytest.mark.parametrize("name", REPAIRED)
def test_repaired_inertias_are_the_only_ones_repaired(name: str) -> None:
    """Where the file is impossible: no mass means no inertia, and moments obey the triangle inequality."""
    model = compiled(FILES[name])
    for link in REPAIRED[name]:
        low, mid, high = np.sort(model.body(link).inertia)
        if model.body(link).mass[0] == 0:
            assert high == 0
        else:
            assert high == pytest.approx(low + mid, rel=1e-6)  # the nearest possible lies on the boundary


@pytest.mark.parametrize("name", PLAIN)
def test_joint_space_inertia_is_pybullets(name: str) -> None:
    """The mass matrix sees every mass, inertia, axis and offset at once."""
    model = compiled(FILES[name])
    data = mujoco.MjData(model)
    q = np.random.default_rng(3).uniform(-1, 1, model.nq)
    data.qpos[:] = q
    mujoco.mj_forward(model, data)
    mine = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, mine)
    names = [model.joint(i).name for i in range(model.njnt)]
    with bullet(FILES[name], fixed=True) as other:
        order = [names.index(joint) for joint in other.joints]
        theirs = pybullet.calculateMassMatrix(other.body, list(q[order]), physicsClientId=other.client)
    np.testing.assert_allclose(mine[np.ix_(order, order)], theirs, atol=1e-6 * np.abs(mine).max())


def test_sawyer_is_the_one_in_meta_worlds_scenes() -> None:
    spec, home = ROBOTS["sawyer"].load()
    alone = spec.compile()
    scene = mujoco.MjModel.from_xml_path(str(metaworld_scene("sawyer_reach_v3")))
    a, b = mujoco.MjData(alone), mujoco.MjData(scene)
    rng = np.random.default_rng(1)
    for _ in range(5):
        for joint in (f"right_j{i}" for i in range(7)):
            a.joint(joint).qpos[0] = b.joint(joint).qpos[0] = rng.uniform(-2, 2)
        mujoco.mj_kinematics(alone, a)
        mujoco.mj_kinematics(scene, b)
        for i in range(1, alone.nbody):
            body = alone.body(i).name
            np.testing.assert_allclose(a.body(body).xpos, b.body(body).xpos, atol=1e-12)
            assert alone.body(body).mass[0] == scene.body(body).mass[0]
            np.testing.assert_array_equal(alone.body(body).inertia, scene.body(body).inertia)
    assert [alone.actuator(i).name for i in range(alone.nu)] == ["r_close", "l_close"]
    for field in ("gainprm", "biasprm", "ctrlrange", "ctrllimited", "forcerange"):
        np.testing.assert_array_equal(getattr(alone, f"actuator_{field}"), getattr(scene, f"actuator_{field}"))
    assert set(home) <= {alone.joint(i).name for i in range(alone.njnt)}


@pytest.mark.parametrize("name", ROBOTS)
def test_home_is_within_the_limits_and_names_what_is_there(name: str) -> None:
    entry = ROBOTS[name]
    spec, home = loaded(name)
    model = spec.compile()
    for joint, value in home.items():
        low, high = model.joint(joint).range
        assert not model.jnt_limited[model.joint(joint).id] or low <= value <= high, joint
    for body in (*entry.feet, *([entry.effector] if entry.effector else [])):
        assert model.body(body).id > 0
    single = [int(t) in (2, 3) for t in model.jnt_type]  # slide, hinge
    if entry.floating:
        assert int(model.jnt_type[0]) == 0 and all(single[1:])  # free
        np.testing.assert_array_equal(model.qpos0[:3], 0)  # where height_m counts from
    assert set(home) == {model.joint(i).name for i in range(entry.floating, model.njnt)}


@pytest.mark.parametrize("name", WALKERS)
def test_a_walker_stands_on_its_feet_at_home(name: str) -> None:
    """On flat ground at its height: each foot just touches, nothing is in the ground, the weight is above the feet."""
    entry = ROBOTS[name]
    spec, home = loaded(name)
    ground = spec.worldbody.add_geom(name="ground", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[5, 5, 0.1])
    ground.margin = 0.005
    model = spec.compile()
    data = mujoco.MjData(model)
    data.qpos[2] = entry.height_m
    for joint, value in home.items():
        data.joint(joint).qpos[0] = value
    mujoco.mj_forward(model, data)
    plane, depth, points = model.geom("ground").id, {}, []
    for contact in data.contact:
        assert plane in (contact.geom1, contact.geom2), "the robot touches itself at home"
        foot = model.body(model.geom_bodyid[max(contact.geom1, contact.geom2)]).name
        depth[foot] = min(contact.dist, depth.get(foot, np.inf))
        points.append(contact.pos[:2])
    soles = [depth.pop(foot) for foot in entry.feet]
    np.testing.assert_allclose(soles, 0.0, atol=5e-4)
    assert min(depth.values(), default=0.0) > -5e-4  # what else is within 5 mm of the ground is not in it
    low, high = np.min(points, axis=0), np.max(points, axis=0)
    assert np.all(low < data.subtree_com[0, :2]) and np.all(data.subtree_com[0, :2] < high)
    assert 0.3 < data.subtree_com[0, 2] / entry.height_m < 1.1


@pytest.mark.parametrize("name", FILES)
def test_joints_have_the_limits_that_pybullet_reads(name: str) -> None:
    """Names, kinds, ranges, efforts and speeds, from PyBullet's own reading of the file."""
    urdf = read_urdf(locate(FILES[name]))
    model = urdf.spec.compile()
    with bullet(FILES[name], fixed=True) as other:
        infos = [pybullet.getJointInfo(other.body, i, physicsClientId=other.client) for i in other.joints.values()]
    assert {info[1].decode() for info in infos} == set(urdf.joints)
    for info in infos:
        joint = model.joint(info[1].decode())
        assert int(joint.type[0]) == {pybullet.JOINT_REVOLUTE: 3, pybullet.JOINT_PRISMATIC: 2}[info[2]]
        assert bool(model.jnt_limited[joint.id]) == (info[8] < info[9])
        if info[8] < info[9]:
            np.testing.assert_allclose(joint.range, info[8:10], atol=1e-9)
        if info[10] > 0 and model.jnt_actfrclimited[joint.id]:
            np.testing.assert_allclose(model.jnt_actfrcrange[joint.id], [-info[10], info[10]])
        if joint.name in urdf.velocity_limits:
            assert urdf.velocity_limits[joint.name] == pytest.approx(info[11])


@pytest.mark.parametrize("name", [name for name, entry in ROBOTS.items() if entry.source == "menagerie"])
def test_a_menagerie_robot_is_what_its_file_says(name: str) -> None:
    """In a scene, against MuJoCo's own reading of the file: order, limits, drives, links, inertia; base aside."""
    loaded(name)
    scene = compile_scene(Scene(robot=Robot(model=name), ground=False)).mj
    alone = mujoco.MjModel.from_xml_path(str(locate(ROBOTS[name].file)))
    assert [scene.joint(i).name for i in range(scene.njnt)] == [alone.joint(i).name for i in range(alone.njnt)]
    assert [scene.actuator(i).name for i in range(scene.nu)] == [alone.actuator(i).name for i in range(alone.nu)]
    for field in ("jnt_range", "jnt_axis", "dof_damping", "dof_armature", "dof_frictionloss", "actuator_gainprm"):
        np.testing.assert_array_equal(getattr(scene, field), getattr(alone, field), err_msg=field)
    for field in ("actuator_ctrlrange", "actuator_forcerange", "actuator_trnid", "body_mass", "body_inertia"):
        np.testing.assert_allclose(getattr(scene, field), getattr(alone, field), rtol=1e-12, err_msg=field)
    a, b = mujoco.MjData(scene), mujoco.MjData(alone)
    a.qpos[:] = b.qpos[:] = np.random.default_rng(5).uniform(-1, 1, scene.nq)
    for data, model in ((a, scene), (b, alone)):
        mujoco.mj_forward(model, data)
    np.testing.assert_allclose(a.xpos, b.xpos, atol=1e-12)
    np.testing.assert_allclose(a.qfrc_bias, b.qfrc_bias, atol=1e-9)


def test_the_home_of_a_menagerie_robot_is_its_keyframe() -> None:
    for name in ("go1", "aloha", "g1"):
        _, home = loaded(name)
        alone = mujoco.MjModel.from_xml_path(str(locate(ROBOTS[name].file)))
        for joint, value in home.items():
            assert alone.key_qpos[0, alone.joint(joint).qposadr[0]] == pytest.approx(value), joint


def test_a_package_adds_robots_with_files_of_its_own(tmp_path: Path) -> None:
    """As an entry point of the group metasim.robots does when it is loaded."""
    path = tmp_path / "box.urdf"
    inertial = '<mass value="2"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/>'
    path.write_text(f'<robot name="r"><link name="box"><inertial>{inertial}</inertial></link></robot>')
    registry: Registry[RobotEntry] = Registry("robot", group="metasim.robots")
    entry = RobotEntry(file=str(path), maker="us", floating=True)
    registry.register("box", entry)
    assert registry["box"] is entry and (entry.source, entry.extra) == ("file", "")
    spec, home = entry.load()
    assert spec.compile().body("box").mass[0] == 2 and home == {}
    assert entry.resolve()[0].floating
    path.with_suffix(".xml").write_text("<mujoco><worldbody><body/></worldbody></mujoco>")
    with pytest.raises(InvalidModel, match="0 bodies with a free joint"):
        RobotEntry(file=str(path.with_suffix(".xml")), maker="us", floating=True).load()


def test_entries_say_which_extra_brings_them() -> None:
    assert {name for name, entry in ROBOTS.items() if entry.extra} == {"go1", "g1", "aloha", "leap_right", "leap_left"}
    assert {entry.extra for entry in ROBOTS.values()} == {"", "robots"}
    assert all(entry.licence and entry.maker for entry in ROBOTS.values())


def test_links_fixed_in_the_world_do_not_touch_what_they_carry() -> None:
    """KUKA's base and first link overlap by 1 cm in every posture, and used to be pushed apart."""
    for name in ("kuka_iiwa", "xarm6", "panda"):
        spec, home = ROBOTS[name].load()
        model = spec.compile()
        data = mujoco.MjData(model)
        for joint, value in home.items():
            data.joint(joint).qpos[0] = value
        mujoco.mj_forward(model, data)
        assert data.ncon == 0, name
        assert model.nexclude > 0


def test_unknown_robots_and_files_name_the_nearest() -> None:
    with pytest.raises(UnknownName, match="no robot named 'pandaa'; did you mean"):
        ROBOTS["pandaa"]
    with pytest.raises(UnknownName, match="sawyer_reach_v3"):
        metaworld_scene("sawyer_reach_v2")
    with pytest.raises(UnknownName, match=r"a1/a1\.urdf"):
        pybullet_data_path("a1/a2.urdf")
    with pytest.raises(UnknownName):
        pybullet_data_path("../pybullet_data/a1/a1.urdf")
    with pytest.raises(InvalidModel, match="fragment"):
        ROBOTS["sawyer"].resolve()


def test_files_are_found_without_importing_an_engine() -> None:
    code = (
        "import sys; from metasim.model.assets import locate;"
        "assert locate('pybullet:a1/a1.urdf').is_file();"
        "assert locate('metaworld:sawyer_xyz/sawyer_drawer.xml').is_file();"
        "assert not {'pybullet', 'pybullet_data', 'envpool_assets'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
