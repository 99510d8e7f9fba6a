"""The robot table against its sources: PyBullet's own loader of each URDF, and Meta-World's scenes."""

from __future__ import annotations

import contextlib
import functools
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import mujoco
import numpy as np
import pybullet
import pytest
from scipy.spatial.transform import Rotation

from metasim.core.errors import InvalidModel, UnknownName
from metasim.model.assets import locate, metaworld_scene, pybullet_data_path
from metasim.model.robots import ROBOTS
from metasim.model.urdf import spec_from_urdf

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
    spec, home = entry.load()
    model = spec.compile()
    for joint, value in home.items():
        low, high = model.joint(joint).range
        assert not model.jnt_limited[model.joint(joint).id] or low <= value <= high, joint
    for body in (*entry.feet, *([entry.effector] if entry.effector else [])):
        assert model.body(body).id > 0
    single = [int(t) in (2, 3) for t in model.jnt_type]  # slide, hinge
    if entry.feet:
        assert int(model.jnt_type[0]) == 0 and all(single[1:])  # free
        assert set(home) == {model.joint(i).name for i in range(1, model.njnt)}


@pytest.mark.parametrize("name", WALKERS)
def test_a_walker_stands_on_its_feet_at_home(name: str) -> None:
    entry = ROBOTS[name]
    spec, home = entry.load()
    model = spec.compile()
    data = mujoco.MjData(model)
    data.qpos[2] = entry.height_m
    for joint, value in home.items():
        data.joint(joint).qpos[0] = value
    mujoco.mj_forward(model, data)
    feet = np.array([data.body(foot).xpos for foot in entry.feet])
    soles = [model.geom(f"{foot}_collision_0").size[0] for foot in entry.feet]
    np.testing.assert_allclose(feet[:, 2], soles, atol=5e-4)
    low, high = feet[:, :2].min(axis=0), feet[:, :2].max(axis=0)
    assert np.all(low < data.subtree_com[0, :2]) and np.all(data.subtree_com[0, :2] < high)
    assert 0.3 < data.subtree_com[0, 2] / entry.height_m < 1.0


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
