"""The translation to Bullet against the canonical model: inertia, frames, shapes, softness, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import mujoco
import numpy as np
import pybullet as p
import pytest
import trimesh

from metasim.backends.pybullet.inertia import additions
from metasim.backends.pybullet.model import make_plan
from metasim.backends.pybullet.shapes import fixed_axis_rpy, outermost, shrunk_hull
from metasim.backends.pybullet.surface import find_contacts, solve_friction
from metasim.core.backend import Start, launch
from metasim.core.errors import InvalidState, UnsupportedFeature
from metasim.core.reads import Reads
from metasim.core.rotation import matrix_from_quat
from metasim.core.scene import Asset, Box, Physics, Scene, Sphere, Weld
from metasim.model import Model, compile_scene
from metasim.model.assets import metaworld_scene

SCENES = ("sawyer_pick_place_v3", "sawyer_plate_slide", "sawyer_door_pull", "sawyer_drawer")
WELD = Weld(mocap="mocap", body="hand", relative_quat=(-1, 0, 0, 0), torque_scale=5.0)
SPHERE_ON_FLOOR = """
<mujoco><option timestep="0.002" cone="{cone}"/><worldbody>
  <geom name="floor" type="plane" size="1 1 1" friction="{mu} 0 0" solref="{tc} 1" solimp="{d} {d} 0.001"/>
  <body name="ball" pos="0 0 0.05"><freejoint name="ball"/>
    <geom name="ball" size="0.05" mass="{mass}" friction="0 0 0" solref="{tc} 1" solimp="{d} {d} 0.001"/></body>
</worldbody></mujoco>"""


def _model(name: str) -> Model:
    scene = Scene(base=Asset(path=metaworld_scene(name)), welds=(WELD,), physics=Physics(multiccd=False))
    return compile_scene(scene, Reads(bodies=("hand",)))


def _from_text(text: str, folder: Path, reads: Reads | None = None) -> Model:
    path = folder / "scene.xml"
    path.write_text(text)
    return compile_scene(Scene(base=Asset(path=path)), reads)


@pytest.fixture(scope="module", params=SCENES)
def loaded(request: pytest.FixtureRequest) -> Iterator[tuple[Model, object, mujoco.MjData]]:
    """A Meta-World scene in Bullet, and MuJoCo's data at the same, moved coordinates."""
    model = _model(request.param)
    backend = launch("pybullet", 1)
    backend.load(model)
    m = model.mj
    rng = np.random.default_rng(0)
    qpos = np.array(model.info.home_qpos)
    for j in range(m.njnt):
        if m.jnt_type[j] >= int(mujoco.mjtJoint.mjJNT_SLIDE):
            qpos[m.jnt_qposadr[j]] += rng.uniform(-0.2, 0.2) * (0.05 if int(m.jnt_type[j]) == 2 else 1.0)
    backend.write_state(qpos[None], np.zeros((1, m.nv)))
    data = mujoco.MjData(m)
    data.qpos[:] = qpos
    mujoco.mj_forward(m, data)
    yield model, backend, data
    backend.close()


def test_mass_matrix_is_the_canonical_one(loaded: tuple[Model, object, mujoco.MjData]) -> None:
    model, backend, data = loaded
    wanted = np.zeros((model.mj.nv, model.mj.nv))
    mujoco.mj_fullM(model.mj, data, wanted)
    found = backend.mass_matrix()[0]  # type: ignore[attr-defined]
    assert np.abs(found - wanted).max() < 1e-9 * np.abs(wanted).max()


def test_bullets_own_kinematics_put_every_link_where_the_canonical_ones_do(
    loaded: tuple[Model, object, mujoco.MjData],
) -> None:
    model, backend, data = loaded
    m, worlds = model.mj, backend._pool.crew.here  # type: ignore[attr-defined]
    for group, (body, link) in worlds.wired.links.items():
        if link < 0:
            continue
        pos, quat = p.getLinkState(body, link, computeForwardKinematics=1, physicsClientId=worlds.clients[0])[4:6]
        turn = matrix_from_quat(np.array([quat[3], *quat[:3]]))
        wanted = data.xpos[group] + data.xmat[group].reshape(3, 3) @ worlds.wired.offsets[group]
        assert np.abs(np.array(pos) - wanted).max() < 1e-6, m.body(group).name
        assert np.abs(turn - data.xmat[group].reshape(3, 3)).max() < 1e-6, m.body(group).name


def test_no_mass_is_lost_or_made_up(loaded: tuple[Model, object, mujoco.MjData]) -> None:
    model, backend, _ = loaded
    m, worlds = model.mj, backend._pool.crew.here  # type: ignore[attr-defined]
    moving = [b for b in range(m.nbody) if m.body_dofnum[m.body_weldid[b]]]
    found = sum(
        p.getDynamicsInfo(*where, physicsClientId=worlds.clients[0])[0] for where in set(worlds.wired.links.values())
    )
    assert found == pytest.approx(m.body_mass[moving].sum() + additions(m)[0].sum(), rel=1e-9)


def test_gravity_and_motors_move_bullet_as_they_move_mujoco(loaded: tuple[Model, object, mujoco.MjData]) -> None:
    """Without contact the two engines integrate the same equations: welds, limits, dampers and armature included."""
    model, _, _ = loaded
    ends = []
    for engine in ("mujoco", "pybullet"):
        with launch(engine, 1) as backend:
            backend.load(model)
            backend.targets.mocap_quat[:] = [1, 0, 1, 0]
            backend.targets.ctrl[:] = [-1, 1]
            for k in range(40):
                backend.targets.mocap_pos[:] = [0.1 * np.sin(0.1 * k), 0.6, 0.25 + 0.05 * np.sin(0.17 * k)]
                backend.step(5)
            ends.append(backend.state.body("hand").pos[0].copy())
    assert np.abs(ends[0] - ends[1]).max() < 1e-5


@pytest.mark.parametrize(("cone", "mu"), [("elliptic", 0.5), ("pyramidal", 0.5), ("pyramidal", 2.0)])
@pytest.mark.parametrize(("mass", "tc", "d"), [(0.5, 0.02, 0.95), (2.0, 0.02, 0.9), (0.1, 0.04, 0.8)])
def test_a_resting_ball_sinks_in_as_deep_as_in_mujoco(
    tmp_path: Path, cone: str, mu: float, mass: float, tc: float, d: float
) -> None:
    """Depth ``g tc^2 (1 - d)``, of a spring ``m / (tc^2 (1 - d))``; a pyramid is ``2 / (mu^2 (1 + mu^2))`` as stiff."""
    depth = 9.81 * tc**2 * (1 - d) * (1.0 if cone == "elliptic" else mu**2 * (1 + mu**2) / 2)
    for engine in ("mujoco", "pybullet"):
        with launch(engine, 1) as backend:
            text = SPHERE_ON_FLOOR.format(cone=cone, mu=mu, mass=mass, tc=tc, d=d)
            backend.load(_from_text(text, tmp_path, Reads(joints=("ball",))))
            height = backend.step(2000).joint("ball").pos[0, 2]
        assert 0.05 - height == pytest.approx(depth, rel=0.01), engine


def test_friction_of_pairs_is_exact_where_bullets_product_allows_it(tmp_path: Path) -> None:
    """Boxes of different friction on one floor: MuJoCo takes the larger of each pair, Bullet the product."""
    boxes = {f"box{k}": Box(size_m=(0.1, 0.1, 0.1), pos=(k, 0, 0.05), friction=(0.3 * k + 0.2, 0, 0)) for k in range(4)}
    m = compile_scene(Scene(objects=boxes)).mj
    plan = make_plan(m, {}, tmp_path)
    contacts = find_contacts(m, plan.surfaces)
    sliding = solve_friction(m, contacts, plan.surfaces, m.geom_friction)[:, 0]
    own = np.array([m.geom_friction[s.geoms[0], 0] for s in plan.surfaces])
    floor = next(k for k, s in enumerate(plan.surfaces) if s.group == 0)
    for i, k in contacts.pairs:
        if floor in (i, k):
            assert sliding[i] * sliding[k] == pytest.approx(max(own[i], own[k]), rel=0.02)
    assert sum(floor in pair for pair in contacts.pairs.tolist()) == len(boxes)


def test_texts_have_no_line_that_bullet_would_cut(tmp_path: Path) -> None:
    """Bullet reads lines of about a thousand characters; a longer one ends in a parse error far from its cause."""
    plan = make_plan(_model("sawyer_drawer").mj, {}, tmp_path)
    assert max(len(line) for part in plan.parts for line in part.urdf.splitlines()) < 500


@pytest.mark.parametrize("seed", range(5))
def test_fixed_axis_angles_give_back_the_matrix(seed: int) -> None:
    quat = np.random.default_rng(seed).normal(size=4)
    matrix = matrix_from_quat(quat / np.linalg.norm(quat))
    if seed == 0:
        matrix = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # pitch of 90 degrees
    r, q, y = fixed_axis_rpy(matrix)
    x = np.array([[1, 0, 0], [0, np.cos(r), -np.sin(r)], [0, np.sin(r), np.cos(r)]])
    b = np.array([[np.cos(q), 0, np.sin(q)], [0, 1, 0], [-np.sin(q), 0, np.cos(q)]])
    z = np.array([[np.cos(y), -np.sin(y), 0], [np.sin(y), np.cos(y), 0], [0, 0, 1]])
    assert np.abs(z @ b @ x - matrix).max() < 1e-12


def test_a_shrunk_hull_lies_one_margin_inside() -> None:
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-2, 2) for z in (-3, 3)]) * 0.01
    assert np.abs(np.ptp(shrunk_hull(corners, 0.001).vertices, axis=0) - [0.018, 0.038, 0.058]).max() < 1e-9
    thin = shrunk_hull(corners * [1, 1, 0.01], 0.001)
    assert np.ptp(thin.vertices, axis=0)[2] > 0.0002


def test_a_fine_mesh_keeps_its_shape_with_few_corners() -> None:
    ball = trimesh.creation.icosphere(subdivisions=5, radius=0.1)
    few = trimesh.convex.convex_hull(outermost(np.asarray(ball.vertices)))
    assert len(few.vertices) <= 256 < len(ball.vertices)
    depths = np.einsum("ij,ij->i", few.face_normals, few.triangles[:, 0])
    assert depths.min() > 0.1 * (1 - 0.016)


REFUSED = {
    "ball joint": ('<body><joint name="hip" type="ball"/><geom size="0.1"/></body>', "", "'hip'"),
    "ellipsoid": ('<body><freejoint/><geom name="egg" type="ellipsoid" size="0.1 0.2 0.3"/></body>', "", "'egg'"),
    "tendon": (
        '<body><joint name="a"/><geom size="0.1"/></body>',
        '<tendon><fixed name="cord" stiffness="1"><joint joint="a" coef="1"/></fixed></tendon>',
        "'cord'",
    ),
    "site actuator": (
        '<body><freejoint/><geom size="0.1"/><site name="tip"/></body>',
        '<actuator><general name="jet" site="tip"/></actuator>',
        "'jet'",
    ),
    "joint on a mocap body": (
        '<body mocap="true"><geom size="0.1"/><body><joint name="knee"/><geom size="0.1"/></body></body>',
        "",
        "'knee'",
    ),
    "contact pair": (
        '<geom name="g" size="1 1 1" type="plane"/><body><freejoint/><geom name="h" size="0.1"/></body>',
        '<contact><pair name="twosome" geom1="g" geom2="h"/></contact>',
        "'twosome'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_bullet_cannot_express_is_refused_by_name(tmp_path: Path, case: str) -> None:
    bodies, rest, name = REFUSED[case]
    text = f"<mujoco><worldbody><geom type='plane' size='1 1 1'/>{bodies}</worldbody>{rest}</mujoco>"
    with launch("pybullet", 1) as backend, pytest.raises(UnsupportedFeature, match=re.escape(name)):
        backend.load(_from_text(text, tmp_path))


def test_a_body_within_a_moving_tree_cannot_be_placed() -> None:
    with launch("pybullet", 1) as backend:
        backend.load(_model("sawyer_pick_place_v3"))
        before = backend.state.qpos.copy()
        with pytest.raises(InvalidState, match="'rightpad'"):
            backend.write(Start(bodies={"rightpad": [[0.0, 0.0, 0.0]]}))
        assert np.array_equal(backend.state.qpos, before)


def test_the_mass_of_one_of_several_rigidly_joined_bodies_cannot_be_set() -> None:
    with launch("pybullet", 1) as backend:
        backend.load(_model("sawyer_pick_place_v3"))
        with pytest.raises(UnsupportedFeature, match="'head'"):
            backend.set_parameter("mass", "head", [1.0])
        backend.set_parameter("mass", "obj", [1.5])
        assert backend.get_parameter("mass", "obj") == [1.5]


def test_contacts_of_bodies_in_one_link_are_told_apart() -> None:
    """Pad and claw are one rigid group; a squeezed puck is felt by the pads, and the pads push against each other."""
    pairs = (("rightpad", "obj"), ("leftpad", "obj"), ("rightclaw", "obj"))
    scene = Scene(base=Asset(path=metaworld_scene("sawyer_pick_place_v3")), welds=(WELD,))
    with launch("pybullet", 1) as backend:
        backend.load(compile_scene(scene, Reads(bodies=("hand",), contacts=pairs)))
        goals = backend.targets
        goals.mocap_quat[:], goals.mocap_pos[:], goals.ctrl[:] = [1, 0, 1, 0], [0, 0.6, 0.2], [-1, 1]
        backend.step(250)
        x, y, _ = backend.state.body("hand").pos[0]
        backend.write(Start(joints={"objjoint": [[x, y, 0.02, 1, 0, 0, 0]]}))
        goals.mocap_pos[:] = [x, y, 0.06]
        backend.step(250)
        goals.ctrl[:] = [1, -1]
        backend.step(250)
        right, left, claw = (backend.contact_force(*pair)[0] for pair in pairs)
        assert right[1] * left[1] < 0
        assert abs(right[1]) > 50
        assert abs(right[1] + left[1]) < 0.2 * abs(right[1])
        assert np.abs(claw).max() < abs(right[1])


def test_a_sphere_can_stand_on_a_fixed_body_that_was_moved() -> None:
    objects = {
        "shelf": Box(size_m=(0.2, 0.2, 0.1), pos=(0, 0, 0.05), fixed=True),
        "ball": Sphere(radius_m=0.05, mass_kg=0.3, pos=(0, 0, 0.2)),
    }
    with launch("pybullet", 2) as backend:
        backend.load(compile_scene(Scene(objects=objects), Reads(joints=("ball",), bodies=("shelf",))))
        backend.write(Start(bodies={"shelf": [[0, 0, 0.05], [1, 0, 0.05]]}))
        heights = backend.step(500).joint("ball").pos[:, 2]
    assert heights == pytest.approx([0.15, 0.05], abs=1e-3)


def test_a_mocap_body_carries_what_lies_on_it_and_goes_home(tmp_path: Path) -> None:
    text = """
    <mujoco><worldbody>
      <body name="lift" mocap="true" pos="0 0 0.1"><geom name="lift" type="box" size="0.2 0.2 0.1"/></body>
      <body name="ball" pos="0 0 0.25"><freejoint name="ball"/><geom size="0.05" mass="0.2"/></body>
    </worldbody></mujoco>"""
    with launch("pybullet", 2) as backend:
        backend.load(_from_text(text, tmp_path, Reads(joints=("ball",), bodies=("lift",))))
        for k in range(100):
            backend.targets.mocap_pos[1, 0, 2] = 0.1 + 0.001 * k
            backend.step(5)
        assert backend.step(200).joint("ball").pos[:, 2] == pytest.approx([0.25, 0.349], abs=2e-3)
        backend.reset()
        assert backend.step(200).joint("ball").pos[:, 2] == pytest.approx([0.25, 0.25], abs=2e-3)
