"""Scenes compile to models that are their sources in mass, inertia and kinematics."""

from typing import Any

import mujoco
import numpy as np
import pytest

from metasim.core.errors import InvalidModel, UnknownName
from metasim.core.reads import Reads
from metasim.core.scene import Asset, Box, Camera, Capsule, Cylinder, Drive, Mesh, Physics, Robot, Scene, Sphere, Weld
from metasim.model import Model, compile_scene
from metasim.model.assets import METAWORLD, locate, package_folder
from metasim.model.robots import ROBOTS

SCENES = sorted(p.stem for p in (package_folder("envpool_assets", "") / METAWORLD / "sawyer_xyz").glob("*.xml"))


def kinematics(model: mujoco.MjModel, qpos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    data = mujoco.MjData(model)
    data.qpos[:] = qpos
    mujoco.mj_kinematics(model, data)
    return data.xpos.copy(), data.ximat.copy()


def random_qpos(model: mujoco.MjModel, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    data = mujoco.MjData(model)
    mujoco.mj_integratePos(model, data.qpos, rng.normal(size=model.nv), 0.5)
    return data.qpos.copy()


@pytest.mark.parametrize("name", SCENES)
def test_meta_world_scene_is_its_source(name: str) -> None:
    path = locate(f"metaworld:sawyer_xyz/{name}.xml")
    source = mujoco.MjModel.from_xml_path(str(path))
    model = compile_scene(Scene(base=Asset(path=f"metaworld:sawyer_xyz/{name}.xml"))).mj
    for field in ("body_mass", "body_inertia", "body_ipos", "body_iquat", "dof_damping", "dof_armature", "jnt_range"):
        np.testing.assert_allclose(getattr(model, field), getattr(source, field), atol=1e-9, err_msg=field)
    colliding = [g for g in range(source.ngeom) if source.geom_contype[g] or source.geom_conaffinity[g]]
    assert len(colliding) == sum(bool(a or b) for a, b in zip(model.geom_contype, model.geom_conaffinity, strict=True))
    for seed in range(3):
        qpos = random_qpos(source, seed)
        for ours, theirs in zip(kinematics(model, qpos), kinematics(source, qpos), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-9)


@pytest.mark.parametrize("name", ["panda", "a1"])
def test_robot_in_a_scene_is_the_robot(name: str) -> None:
    alone = ROBOTS[name].load()[0].compile()
    scene = Scene(robot=Robot(model=name, pos=(0.3, -0.2, 0.5), quat=(0.6, 0.0, 0.0, 0.8)))
    model = compile_scene(scene)
    assert model.info.robots["robot"] == tuple(alone.joint(j).name for j in range(alone.njnt) if alone.jnt_type[j] >= 2)
    np.testing.assert_allclose(model.mj.body_mass, alone.body_mass, rtol=1e-12)
    np.testing.assert_allclose(model.mj.body_inertia, alone.body_inertia, rtol=1e-9)
    if name == "panda":
        turn = np.array([[-0.28, -0.96, 0], [0.96, -0.28, 0], [0, 0, 1]])  # 2 acos(0.6) about z
        qpos = random_qpos(alone, 0)
        ours, theirs = kinematics(model.mj, qpos)[0][1:], kinematics(alone, qpos)[0][1:]
        np.testing.assert_allclose(ours, theirs @ turn.T + [0.3, -0.2, 0.5], atol=1e-9)
    else:
        assert model.info.home_qpos[2] == pytest.approx(0.5 + ROBOTS["a1"].height_m)
    index = model.info.index("joint", next(iter(ROBOTS[name].home)))
    assert model.info.home_qpos[model.info.qpos_start[index]] == pytest.approx(next(iter(ROBOTS[name].home.values())))


def test_primitives_have_their_mass_and_extents(tmp_path) -> None:  # noqa: ANN001
    import trimesh

    trimesh.creation.box((0.2, 0.4, 0.6)).export(tmp_path / "block.ply")
    model = compile_scene(
        Scene(
            objects={
                "box": Box(size_m=(0.2, 0.4, 0.6), mass_kg=3.0, pos=(0, 0, 1)),
                "ball": Sphere(radius_m=0.1, density=500.0, pos=(1, 0, 1)),
                "can": Cylinder(radius_m=0.1, height_m=0.5, mass_kg=2.0, pos=(2, 0, 1)),
                "pill": Capsule(radius_m=0.1, length_m=0.3, mass_kg=1.0, pos=(3, 0, 1)),
                "block": Mesh(path=tmp_path / "block.ply", mass_kg=3.0, pos=(4, 0, 1)),
                "shelf": Box(size_m=(1.0, 1.0, 0.1), fixed=True, pos=(0, 3, 1)),
            }
        )
    ).mj
    mass = {model.body(b).name: model.body_mass[b] for b in range(model.nbody)}
    assert mass["box"] == pytest.approx(3.0) and mass["can"] == pytest.approx(2.0)
    assert mass["ball"] == pytest.approx(500.0 * 4 / 3 * np.pi * 0.1**3)
    box = 3.0 / 12 * np.array([0.4**2 + 0.6**2, 0.2**2 + 0.6**2, 0.2**2 + 0.4**2])
    np.testing.assert_allclose(model.body("box").inertia, box, rtol=1e-12)
    np.testing.assert_allclose(sorted(model.body("block").inertia), sorted(box), rtol=1e-6)
    can = 2.0 * np.array([(3 * 0.1**2 + 0.5**2) / 12] * 2 + [0.1**2 / 2])
    np.testing.assert_allclose(model.body("can").inertia, can, rtol=1e-12)
    assert model.body("shelf").dofnum[0] == 0 and model.njnt == 5


def test_weld_physics_camera_and_digest() -> None:
    weld = Weld(mocap="mocap", body="hand", relative_quat=(-1.0, 0.0, 0.0, 0.0), torque_scale=5.0)
    scene = Scene(
        base=Asset(path="metaworld:sawyer_xyz/sawyer_reach_v3.xml"), welds=(weld,), physics=Physics(multiccd=False)
    )
    model = compile_scene(scene)
    np.testing.assert_array_equal(model.mj.eq_data[0], [0, 0, 0, 0, 0, 0, -1, 0, 0, 0, 5, 0])
    assert model.mj.neq == 1 and model.mj.opt.disableflags & int(mujoco.mjtDisableBit.mjDSBL_MULTICCD)
    assert model.info.digest == compile_scene(scene).info.digest
    assert model.info.digest != compile_scene(Scene(base=scene.base, welds=scene.welds)).info.digest
    looking = compile_scene(Scene(cameras={"c": Camera(pos=(1.0, 0.0, 1.0), target=(0.0, 0.0, 0.0), fov_rad=1.0)}))
    data = mujoco.MjData(looking.mj)
    mujoco.mj_forward(looking.mj, data)
    axis = data.cam_xmat[0].reshape(3, 3)[:, 2]
    np.testing.assert_allclose(axis, np.array([1.0, 0.0, 1.0]) / np.sqrt(2), atol=1e-12)
    assert looking.mj.cam_fovy[0] == pytest.approx(np.degrees(1.0))


def test_drive_adds_actuators_in_declared_order() -> None:
    robot = Robot(model="kuka_iiwa", drive=Drive(kind="position", stiffness=100.0, damping=10.0))
    info = compile_scene(Scene(robot=robot)).info
    assert info.actuators == info.joints and set(info.actuator_kinds) == {"position"}
    np.testing.assert_allclose(info.home_ctrl, info.home_qpos)


def read(**reads: Any) -> Model:
    return compile_scene(Scene(objects={"cube": Sphere(radius_m=0.1)}), Reads(**reads))


def test_unknown_names_are_suggested(tmp_path) -> None:  # noqa: ANN001
    for kind in ("bodies", "geoms", "joints"):
        with pytest.raises(UnknownName, match="cube"):
            read(**{kind: ("cubee",)})
    with pytest.raises(UnknownName, match="cube"):
        read(contacts=(("cub", "ground"),))
    with pytest.raises(UnknownName, match="panda"):
        compile_scene(Scene(robot="pandas"))
    with pytest.raises(UnknownName, match="hand"):
        compile_scene(
            Scene(base=Asset(path="metaworld:sawyer_xyz/sawyer_reach_v3.xml"), welds=(Weld(mocap="mocap", body="hnd"),))
        )
    with pytest.raises(InvalidModel, match="no file"):
        compile_scene(Scene(base=Asset(path=tmp_path / "nothing.xml")))
    for text in (
        "<mujoco><worldbody><body><joint/></body></worldbody></mujoco>",
        "<mujoco><worldbdy/></mujoco>",
        "no xml",
    ):
        (tmp_path / "bad.xml").write_text(text)
        with pytest.raises(InvalidModel):
            compile_scene(Scene(base=Asset(path=tmp_path / "bad.xml")))
