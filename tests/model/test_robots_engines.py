"""Every robot of the table in both engines: PyBullet is asked what it has, link by link, and MuJoCo what it has.

Armature and dampers are set to zero where inertia is compared, as PyBullet's links carry those besides their own.
Robots whose extra is not installed are skipped.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
import pybullet as p
import pytest
from scipy.spatial.transform import Rotation

from metasim.core.backend import launch
from metasim.core.errors import MissingDependency
from metasim.core.reads import Reads
from metasim.core.scene import Physics, Robot, Scene
from metasim.model import Model, compile_scene
from metasim.model.assets import locate
from metasim.model.compile import finish
from metasim.model.robots import ROBOTS

Array = Any
ENGINES = ("mujoco", "pybullet")
WEIGHTLESS = Physics(gravity=(0.0, 0.0, 0.0))


def needs(name: str) -> None:
    """Skip where the package that brings a robot is not installed."""
    try:
        locate(ROBOTS[name].file)
    except MissingDependency as missing:
        pytest.skip(str(missing))


def bare(model: Model) -> Model:
    """Leave links and joints only: no contact, armature or damper."""
    model.mj.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
    model.mj.dof_armature[:] = model.mj.dof_damping[:] = 0.0
    return model


@dataclass(frozen=True)
class Both:
    """A robot in PyBullet, and MuJoCo's data at the same coordinates."""

    backend: Any
    model: Model
    data: mujoco.MjData

    def go(self, qpos: Array) -> None:
        self.backend.write_state(qpos[None], np.zeros((1, self.model.mj.nv)))
        self.data.qpos[:] = qpos
        mujoco.mj_forward(self.model.mj, self.data)

    @property
    def world(self) -> Any:
        return self.backend._pool.crew.here

    @property
    def client(self) -> int:
        return self.world.clients[0]

    def inertial(self, group: int) -> tuple[float, Array, Array]:
        """Mass, centre (3,) and inertia about it (3, 3), world axes, of the link of a rigid group in Bullet."""
        body, link = self.world.wired.links[group]
        info = p.getDynamicsInfo(body, link, physicsClientId=self.client)
        if link < 0:
            pos, quat = p.getBasePositionAndOrientation(body, physicsClientId=self.client)
        else:
            pos, quat = p.getLinkState(body, link, computeForwardKinematics=1, physicsClientId=self.client)[:2]
        turn = Rotation.from_quat(quat).as_matrix()
        return info[0], np.array(pos), turn @ np.diag(info[2]) @ turn.T

    def frame(self, group: int) -> tuple[Array, Array]:
        """Position (3,) and rotation (3, 3) of a rigid group's frame in Bullet."""
        body, link = self.world.wired.links[group]
        if link < 0:
            com = p.getBasePositionAndOrientation(body, physicsClientId=self.client)
            local = p.getDynamicsInfo(body, -1, physicsClientId=self.client)[3:5]
            pos, quat = p.multiplyTransforms(*com, *p.invertTransform(*local))
        else:
            pos, quat = p.getLinkState(body, link, computeForwardKinematics=1, physicsClientId=self.client)[4:6]
        turn = Rotation.from_quat(quat).as_matrix()
        return np.array(pos) - turn @ self.world.wired.offsets[group], turn


def random_qpos(model: Model, rng: np.random.Generator) -> Array:
    """Coordinates within the limits, base turned anyhow, no two joints alike."""
    m = model.mj
    qpos = np.array(model.info.home_qpos)
    for j in range(m.njnt):
        at = int(m.jnt_qposadr[j])
        if int(m.jnt_type[j]) == int(mujoco.mjtJoint.mjJNT_FREE):
            qpos[at : at + 3] = rng.uniform(-1, 1, 3)
            qpos[at + 3 : at + 7] = Rotation.random(rng=rng).as_quat(scalar_first=True)
        else:
            low, high = m.jnt_range[j] if m.jnt_limited[j] else (-2.5, 2.5)
            qpos[at] = rng.uniform(low, high)
    return qpos


def merged(masses: Array, centres: Array, inertias: Array) -> tuple[float, Array, Array]:
    """Mass, centre of mass and centroidal inertia of bodies, by parallel axes."""
    mass = float(np.sum(masses))
    com = masses @ centres / mass
    arms = centres - com
    steiner = np.einsum("b,bij->ij", masses, np.einsum("bk,bk->b", arms, arms)[:, None, None] * np.eye(3))
    return mass, com, inertias.sum(axis=0) + steiner - np.einsum("b,bi,bj->ij", masses, arms, arms)


def compare_frames(both: Both) -> None:
    for group in both.world.wired.links:
        name = both.model.mj.body(group).name
        pos, turn = both.frame(group)
        np.testing.assert_allclose(pos, both.data.xpos[group], atol=2e-6, err_msg=name)
        np.testing.assert_allclose(turn, both.data.xmat[group].reshape(3, 3), atol=5e-6, err_msg=name)


def compare_inertia(both: Both) -> None:
    m, links = both.model.mj, sorted(both.world.wired.links)
    theirs = merged(*(np.array(part) for part in zip(*map(both.inertial, links), strict=True)))
    moving = [b for b in range(m.nbody) if m.body_weldid[b] in links]
    turns = both.data.ximat[moving].reshape(-1, 3, 3)
    own = np.einsum("bij,bj,bkj->bik", turns, m.body_inertia[moving], turns)
    ours = merged(m.body_mass[moving], both.data.xipos[moving], own)
    assert theirs[0] == pytest.approx(ours[0], rel=1e-6)
    np.testing.assert_allclose(theirs[1], ours[1], atol=2e-6)
    np.testing.assert_allclose(theirs[2], ours[2], atol=1e-5 * np.abs(ours[2]).max())


def compare_mass_matrix(both: Both) -> None:
    """Bullet's own, tree by tree, against MuJoCo's; the order of its rows is that of its joints."""
    m = both.model.mj
    wanted, found = np.zeros((m.nv, m.nv)), np.zeros((m.nv, m.nv))
    mujoco.mj_fullM(m, both.data, wanted)
    for tree in both.world.wired.trees:
        order = np.argsort(tree.links)
        q = (both.data.qpos[tree.qpos] - m.qpos0[tree.qpos])[order]
        block = p.calculateMassMatrix(tree.body, q.tolist(), physicsClientId=both.client)
        found[np.ix_(tree.dofs[order], tree.dofs[order])] = block
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())


def scene_model(name: str) -> Model:
    return bare(compile_scene(Scene(robot=Robot(model=name), ground=False)))


def anchored_model(name: str) -> Model:
    """The robot with its base fixed: Bullet's own mass matrix is in no known order with a free one."""
    spec, _ = ROBOTS[name].load()
    for joint in [j for j in spec.joints if j.type == mujoco.mjtJoint.mjJNT_FREE]:
        spec.delete(joint)
    return bare(finish(spec, Reads(), {}, {}))


def opened(model: Model) -> Both:
    backend = launch("pybullet", 1)
    backend.load(model)
    return Both(backend, model, mujoco.MjData(model.mj))


@pytest.fixture(params=ROBOTS)
def free(request: pytest.FixtureRequest) -> Iterator[Both]:
    needs(request.param)
    both = opened(scene_model(request.param))
    yield both
    both.backend.close()


@pytest.fixture(params=ROBOTS)
def anchored(request: pytest.FixtureRequest) -> Iterator[Both]:
    needs(request.param)
    both = opened(anchored_model(request.param))
    yield both
    both.backend.close()


def test_frames_mass_and_centroidal_inertia_are_the_same_in_both_engines(free: Both) -> None:
    rng = np.random.default_rng(11)
    for _ in range(5):
        free.go(random_qpos(free.model, rng))
        compare_frames(free)
        compare_inertia(free)


def test_joint_space_inertia_is_the_same_in_both_engines(anchored: Both) -> None:
    rng = np.random.default_rng(12)
    for _ in range(3):
        anchored.go(random_qpos(anchored.model, rng))
        compare_mass_matrix(anchored)


def heavier(both: Both, body: int, link: int) -> None:
    mass = p.getDynamicsInfo(body, link, physicsClientId=both.client)[0]
    moments = p.getDynamicsInfo(body, link, physicsClientId=both.client)[2]
    p.changeDynamics(body, link, mass=1.02 * mass, physicsClientId=both.client)
    p.changeDynamics(body, link, localInertiaDiagonal=moments, physicsClientId=both.client)


def rounder(both: Both, body: int, link: int) -> None:
    moments = np.array(p.getDynamicsInfo(body, link, physicsClientId=both.client)[2])
    p.changeDynamics(body, link, localInertiaDiagonal=(1.5 * moments).tolist(), physicsClientId=both.client)


def swapped(both: Both, body: int, link: int) -> None:
    tree = next(t for t in both.world.wired.trees if t.body == body)
    a, b = tree.links[:2]
    for at, value in ((a, both.data.qpos[tree.qpos[1]]), (b, both.data.qpos[tree.qpos[0]])):
        p.resetJointState(body, at, value, physicsClientId=both.client)


@pytest.mark.parametrize(
    ("plant", "caught_by"),
    [(heavier, compare_inertia), (rounder, compare_inertia), (swapped, compare_frames), (swapped, compare_inertia)],
)
@pytest.mark.parametrize("name", ["panda", "a1"])
def test_a_planted_difference_is_seen(
    name: str, plant: Callable[[Both, int, int], None], caught_by: Callable[[Both], None]
) -> None:
    both = opened(scene_model(name))
    try:
        both.go(random_qpos(both.model, np.random.default_rng(11)))
        caught_by(both)
        tree = both.world.wired.trees[0]
        plant(both, tree.body, tree.links[2])
        with pytest.raises(AssertionError):
            caught_by(both)
    finally:
        both.backend.close()


def test_another_order_of_joints_would_be_seen_in_the_mass_matrix() -> None:
    both = opened(anchored_model("kuka_iiwa"))
    try:
        both.go(random_qpos(both.model, np.random.default_rng(12)))
        compare_mass_matrix(both)
        both.data.qpos[[1, 3]] = both.data.qpos[[3, 1]]
        with pytest.raises(AssertionError):
            compare_mass_matrix(both)
    finally:
        both.backend.close()


@functools.cache
def targeted(name: str) -> Model:
    """Actuated, weightless and touching nothing, so that a target is where the joint must end."""
    model = compile_scene(Scene(robot=Robot(model=name, drive=ROBOTS[name].hold), ground=False, physics=WEIGHTLESS))
    model.mj.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
    return model


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ROBOTS)
def test_each_actuator_moves_its_own_joint_to_its_own_target(name: str, engine: str) -> None:
    needs(name)
    model = targeted(name)
    info = model.info
    steps = 0.02 + 0.1 * np.linspace(0, 1, len(info.actuators)) * (-1.0) ** np.arange(len(info.actuators))
    slides = model.mj.jnt_type[info.actuator_joints] == int(mujoco.mjtJoint.mjJNT_SLIDE)
    wanted = np.clip(info.home_ctrl + np.where(slides, 0.0, steps), *info.ctrl_range.T)
    with launch(engine, 1) as backend:
        backend.load(model)
        for part in np.linspace(0, 1, 20):  # a jump would ask for more than the effort limits, and shake light wrists
            backend.targets.ctrl[0] = info.home_ctrl + part * (wanted - info.home_ctrl)
            backend.step(round(0.05 / info.timestep_s))
        backend.step(round(0.5 / info.timestep_s))
        assert backend.failures == {}
        reached = backend.state.qpos[0][info.qpos_start[info.actuator_joints]]
    hinges = ~slides
    np.testing.assert_allclose(reached[hinges], wanted[hinges], atol=0.02)  # dry friction keeps some of it


@pytest.mark.parametrize("name", ROBOTS)
def test_limits_stop_the_joints_alike_in_both_engines(name: str) -> None:
    """Thrown at their upper limits, joints stop there; without contact the two engines see the same motion."""
    needs(name)
    model = compile_scene(Scene(robot=Robot(model=name), ground=False, physics=WEIGHTLESS))
    m, info = model.mj, model.info
    m.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT) | int(mujoco.mjtDisableBit.mjDSBL_ACTUATION)
    limited = np.flatnonzero(np.array(m.jnt_limited, bool) & (m.jnt_type == int(mujoco.mjtJoint.mjJNT_HINGE)))
    qpos, qvel = np.array(info.home_qpos), np.zeros(m.nv)
    qpos[m.jnt_qposadr[limited]] = m.jnt_range[limited, 1] - 0.01
    qvel[m.jnt_dofadr[limited]] = 0.5
    paths = []
    for engine in ENGINES:
        with launch(engine, 1) as backend:
            backend.load(model)
            backend.write_state(qpos[None], qvel[None])
            path = []
            for _ in range(10):
                backend.step(10)
                path.append(backend.state.qpos[0][m.jnt_qposadr[limited]].copy())
        paths.append(np.array(path))
    assert np.all(paths[0] < m.jnt_range[limited, 1] + 0.05)
    np.testing.assert_allclose(paths[1], paths[0], atol=2e-3)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ROBOTS)
def test_a_robot_held_at_home_stays_there(name: str, engine: str) -> None:
    """For one second, walkers on their feet: what a position drive lets sag stays within a tenth of a radian."""
    needs(name)
    entry = ROBOTS[name]
    model = compile_scene(Scene(robot=Robot(model=name, drive=entry.hold), ground=entry.floating))
    info = model.info
    with launch(engine, 1) as backend:
        backend.load(model)
        fastest = 0.0
        for _ in range(20):
            backend.step(round(0.05 / info.timestep_s))
            fastest = max(fastest, float(np.abs(backend.state.qvel[0]).max()))
        assert backend.failures == {}
        away = backend.state.qpos[0] - info.home_qpos
    assert fastest < 10.0
    joints = away[7:] if entry.floating else away
    assert np.abs(joints).max() < 0.1
    if entry.floating:
        assert np.abs(away[:3]).max() < 0.05 and np.abs(away[3:7]).max() < 0.02
