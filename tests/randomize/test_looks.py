"""Looks change what pictures show, per world, and nothing else; their axes draw from seeds without a renderer."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from metasim.backends.mujoco import dress
from metasim.core.errors import InvalidConfig, UnknownName, UnsupportedFeature
from metasim.core.looks import (
    TEXTURE_SIZE,
    CameraLook,
    LightLook,
    Looks,
    MaterialLook,
    ReflectionLook,
    texture,
)
from metasim.core.scene import Scene
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS, Task
from metasim.datasets.collection import CollectConfig, collect
from metasim.datasets.reader import Dataset
from metasim.datasets.tools.rendering import RenderConfig, render_dataset
from metasim.envs import Episodes
from metasim.model import compile_scene
from metasim.randomize import AXES, sample
from metasim.randomize.looks.textures import FAMILIES, names

Array = Any
TASK = "tabletop/pick-cube-v0"
OF_LOOKS = ("materials", "camera", "light", "reflection", "renderer")
FULL = Looks(
    camera=CameraLook(shift_m=(0.1, 0.0, -0.05), turn_rad=(0.0, 0.1, 0.2), fov_scale=1.1),
    light=LightLook(position=(1.0, 0.0, 2.0), direction=(-1.0, 0.0, -2.0), colour=(1.0, 0.9, 0.8), strength=0.7),
    materials={"table": MaterialLook(texture="planks-017", tint=(0.9, 1.0, 1.0))},
    reflection=ReflectionLook(specular=0.9, shininess=0.2, reflectance=0.3),
)


@pytest.fixture(scope="module")
def worlds() -> Iterator[Episodes]:
    """Three worlds in MuJoCo, drawn by its renderer."""
    episodes = started("mujoco", 3)
    try:
        episodes.pictures("front", 8, 8)
    except UnsupportedFeature as refusal:
        pytest.skip(str(refusal))
    yield episodes
    episodes.close()


@pytest.fixture(autouse=True)
def as_the_scene_has_it(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "worlds" in request.fixturenames:
        episodes = request.getfixturevalue("worlds")
        episodes.looks = [None] * episodes.num_worlds


def started(engine: str, count: int, task: str = TASK) -> Episodes:
    episodes = Episodes(task, engine, count)
    episodes.begin(np.arange(count), [EpisodeSeed(root=1, task=task, episode=0)] * count)
    return episodes


def shown(episodes: Episodes, *looks: Looks | None, renderer: str = "") -> Array:
    episodes.looks = [*looks, *[None] * (episodes.num_worlds - len(looks))]
    return episodes.pictures("front", 64, 64, renderer=renderer).rgb.astype(float)


def test_looks_round_trip_through_json() -> None:
    assert Looks.from_json(json.loads(json.dumps(FULL.json()))) == FULL
    assert Looks.from_json({}) == Looks() and not Looks() and FULL


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ({"camera": {"fov_scale": 9.0}}, r"fov_scale must be a number in \[0.25, 2\]"),
        ({"camera": {"fov_scale": None}}, "fov_scale must be a number"),
        ({"light": {"colour": None}}, "colour must be three numbers"),
        ({"camera": {"shift_m": [0.0, 1.0]}}, "shift_m must be three numbers"),
        ({"camera": {"shift_m": [0.0, 1.0, float("nan")]}}, "shift_m must be three numbers"),
        ({"light": {"strength": -1.0}}, "strength must be"),
        ({"light": {"direction": [0.0, 0.0, 0.0]}}, "must not be zero"),
        ({"light": {"colour": "red"}}, "colour must be three numbers"),
        ({"materials": {"table": {"texture": "planks"}}}, "'<family>-<number>'"),
        ({"materials": {"table": "planks-001"}}, "must be a mapping"),
        ({"reflection": {"roughness": 0.1}}, "has no .'roughness'"),
        ({"fog": {}}, "looks has no .'fog'"),
    ],
)
def test_values_that_make_no_sense_are_refused(value: Any, what: str) -> None:
    with pytest.raises(InvalidConfig, match=what):
        Looks.from_json(value)


def test_textures_are_the_same_in_every_process_and_split_nine_to_one() -> None:
    code = "import hashlib, metasim.core.looks as l; print(hashlib.sha256(l.texture('marble-304')).hexdigest())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert hashlib.sha256(texture("marble-304")).hexdigest() == other
    every: set[str] = set()
    for surface, count in {"table": 300, "floor": 150, "wall": 150}.items():
        train, test = names(surface, "train"), names(surface, "test")
        assert len(train) + len(test) == count and not set(train) & set(test)
        assert len(test) == count // 10
        every |= {*train, *test}
        assert {n.rpartition("-")[0] for n in test} == set(FAMILIES[surface])
    assert len(every) == 600  # no two surfaces share one
    for name in sorted(every)[::60]:
        pixels = texture(name)
        assert pixels.shape == (TEXTURE_SIZE, TEXTURE_SIZE, 3) and pixels.dtype == np.uint8
    with pytest.raises(UnknownName, match="family of textures named 'velvet'"):
        texture("velvet-001")


def test_textures_tile_without_a_seam() -> None:
    for name in ("marble-001", "noise-301"):
        pixels = texture(name).astype(float)
        inside = np.abs(np.diff(pixels, axis=0)).mean()
        assert np.abs(pixels[0] - pixels[-1]).mean() < 3.0 * inside + 1.0


@pytest.mark.parametrize("look", ["camera", "light", "materials", "reflection"])
def test_each_part_changes_its_own_world_and_is_taken_off_again(worlds: Episodes, look: str) -> None:
    before = shown(worlds)
    one = shown(worlds, None, Looks(**{look: getattr(FULL, look)}))
    np.testing.assert_array_equal(one[[0, 2]], before[[0, 2]])
    assert np.abs(one[1] - before[1]).mean() > 1.0
    np.testing.assert_array_equal(shown(worlds), before)


def test_a_shifted_camera_sees_what_a_scene_with_that_camera_would(worlds: Episodes) -> None:
    """The cube's pixels move as the pinhole formula says."""
    body, model = worlds.model.info.index("body", "cube"), worlds.model
    camera = model.info.index("camera", "front")
    look = CameraLook(shift_m=(0.1, 0.05, 0.2), turn_rad=(0.05, -0.08, 0.3), fov_scale=0.9)
    worlds.looks = [None, Looks(camera=look), None]
    found = worlds.pictures("front", 256, 256, modes=("segmentation",)).segmentation[1]
    w, x, y, z = model.visual.cam_quat[camera]
    axes = Rotation.from_quat([x, y, z, w]).as_matrix()
    pos = model.visual.cam_pos[camera] + axes @ np.array(look.shift_m)
    axes = axes @ Rotation.from_rotvec(look.turn_rad).as_matrix()
    q = axes.T @ (worlds.backend.state.qpos[1, model.info.qpos_start[model.info.index("joint", "cube")] :][:3] - pos)
    focal = 128 / np.tan(np.radians(model.visual.cam_fovy[camera]) * 0.9 / 2)
    rows, columns = np.nonzero(found == body)
    wanted = [128 + focal * q[0] / -q[2], 128 - focal * q[1] / -q[2]]
    np.testing.assert_allclose([columns.mean() + 0.5, rows.mean() + 0.5], wanted, atol=1.5)


def test_light_scales_what_is_seen_in_both_renderers(worlds: Episodes) -> None:
    for renderer in ("mujoco", "pybullet"):
        dark, usual, bright = (
            shown(worlds, Looks(light=LightLook(strength=s)), renderer=renderer)[0].mean() for s in (0.3, 1.0, 1.4)
        )
        assert dark < 0.8 * usual < usual < bright
        red = shown(worlds, Looks(light=LightLook(colour=(1.0, 0.2, 0.2))), renderer=renderer)[0].mean(axis=(0, 1))
        plain = shown(worlds, renderer=renderer)[0].mean(axis=(0, 1))
        assert red[1] / red[0] < 0.9 * plain[1] / plain[0]


def test_a_tint_colours_the_table_in_both_renderers(worlds: Episodes) -> None:
    blue = Looks(materials={"table": MaterialLook(tint=(0.1, 0.1, 1.0))})
    for renderer in ("mujoco", "pybullet"):
        usual = shown(worlds, renderer=renderer)
        tinted = shown(worlds, blue, renderer=renderer)
        assert tinted[0, 40:].mean(axis=(0, 1)).argmax() == 2
        np.testing.assert_array_equal(tinted[1:], usual[1:])


def test_more_textures_than_slots_are_drawn_right(worlds: Episodes, monkeypatch: pytest.MonkeyPatch) -> None:
    def table(number: int) -> Looks:
        return Looks(materials={"table": MaterialLook(texture=f"checker-{number:03d}")})

    wanted = [shown(worlds, table(k), table(k + 1), table(k + 2)) for k in (0, 3)]
    monkeypatch.setattr(dress, "SLOTS", 3)  # one of them stays white
    few = started("mujoco", 3)
    for k in (0, 3, 0):
        np.testing.assert_array_equal(shown(few, table(k), table(k + 1), table(k + 2)), wanted[k // 3])
    few.close()


def test_pybullets_renderer_refuses_what_it_cannot_show(worlds: Episodes) -> None:
    for axis in ("materials", "reflection"):
        worlds.looks = [Looks(**{axis: getattr(FULL, axis)}), None, None]
        with pytest.raises(UnsupportedFeature, match=f"axis '{axis}'.*PyBullet"):
            worlds.pictures("front", 8, 8, renderer="pybullet")
    worlds.looks = [Looks(light=LightLook(position=(0.0, 0.0, 2.0))), None, None]
    with pytest.raises(UnsupportedFeature, match="axis 'light'.*direction"):
        worlds.pictures("front", 8, 8, renderer="pybullet")


def test_looks_of_surfaces_that_are_not_there_are_refused(worlds: Episodes) -> None:
    worlds.looks = [Looks(materials={"ceiling": MaterialLook(texture="plain-001")}), None, None]
    with pytest.raises(UnknownName, match="surface named 'ceiling'"):
        worlds.pictures("front", 8, 8)
    with pytest.raises(InvalidConfig, match="one per world"):
        worlds.looks = [None]


def test_the_renderer_is_a_look_of_each_world(worlds: Episodes) -> None:
    mixed = shown(worlds, None, Looks(renderer="pybullet"), None)
    np.testing.assert_array_equal(mixed[[0, 2]], shown(worlds)[[0, 2]])
    np.testing.assert_array_equal(mixed[1], shown(worlds, renderer="pybullet")[1])


def test_physics_in_one_engine_and_pictures_by_the_other(worlds: Episodes) -> None:
    bullet = started("pybullet", 3)
    np.testing.assert_array_equal(shown(bullet, FULL), shown(worlds, FULL))
    bullet.close()


@pytest.mark.parametrize("name", OF_LOOKS)
def test_the_axes_draw_json_from_the_seed_and_keep_test_apart(name: str) -> None:
    task = TASKS[TASK]
    for split in ("train", "test"):
        seeds = [EpisodeSeed(root=0, task=TASK, episode=i) for i in range(30)]
        values = [sample({name: split}, task, seed)[name] for seed in seeds]
        assert values == [sample({name: split}, task, seed)[name] for seed in seeds]
        assert json.loads(json.dumps(values)) == values
        looks = [Looks.from_json(AXES[name].looks(value)) for value in values]  # type: ignore[attr-defined]
        assert all(looks)
        if name == "materials":
            assert all(set(look.materials) == {"table", "floor", "wall"} for look in looks)
            assert all(look.materials["wall"].texture in names("wall", split) for look in looks)
        if name == "camera":
            farthest = [max(map(abs, look.camera.shift_m)) for look in looks if look.camera]
            assert all((shift <= 0.1) == (split == "train") for shift in farthest)


def test_axes_of_surfaces_refuse_tasks_without() -> None:
    for name in ("materials", "reflection"):
        assert "surfaces" in AXES[name].refuse(Task, "mujoco")
        assert AXES[name].refuse(TASKS[TASK], "mujoco") == ""


def test_the_room_is_not_felt() -> None:
    """The physical model has no geom of it, and the same solver, joints and contacts."""
    task = TASKS[TASK]
    scene = task.scene
    without = {k: v for k, v in scene.objects.items() if k not in ("floor", "wall", "side_wall")}
    reads = task.reads.merge(task.control.reads())
    bare = compile_scene(
        Scene(
            ground=False,
            robot=scene.robot,
            objects=without,
            goals=scene.goals,
            cameras=scene.cameras,
            physics=scene.physics,
        ),
        reads,
    ).mj
    full = compile_scene(scene, reads).mj
    assert full.ngeom == bare.ngeom and full.nq == bare.nq
    states = []
    for model in (bare, full):
        data = mujoco.MjData(model)
        for k in range(100):
            data.ctrl[:] = 0.3 * np.sin(0.1 * k + np.arange(model.nu))
            mujoco.mj_step(model, data)
        states.append(np.concatenate([data.qpos, data.qvel]))
    np.testing.assert_array_equal(*states)


@pytest.mark.parametrize("task", ["metaworld/drawer-open-v3", "metaworld/shelf-place-v3"])
def test_metaworlds_surfaces_are_there(task: str) -> None:
    episodes = started("mujoco", 1, task)
    camera = episodes.task.camera
    try:
        before = episodes.pictures(camera, 48, 48).rgb.astype(float)
        for surface in episodes.task.surfaces:
            episodes.looks = [Looks(materials={surface: MaterialLook(texture="checker-003")})]
            assert np.abs(episodes.pictures(camera, 48, 48).rgb - before).max() > 20
    except UnsupportedFeature as refusal:
        pytest.skip(str(refusal))
    finally:
        episodes.close()


def test_pictures_of_a_dataset_vary_by_each_episodes_seed(tmp_path: Path, worlds: Episodes) -> None:
    plain = collect(
        CollectConfig(tasks=(TASK,), out=tmp_path / "a.h5", episodes=1, policy="random", horizon=2, keep="all")
    )
    vary = {"materials": "test", "camera": "train"}
    common: Any = {"path": plain, "size": (32, 32), "renderer": "mujoco"}
    drawn = render_dataset(RenderConfig(out=tmp_path / "b.h5", vary=vary, **common))
    with pytest.raises(InvalidConfig, match="renderer='mujoco' draws every picture, so axis 'renderer' cannot vary"):
        RenderConfig(out=tmp_path / "c.h5", vary={"renderer": "test"}, **common)
    with Dataset(drawn) as data:
        for demo in data:
            looks = sample(vary, TASKS[TASK], demo.info.episode_seed)
            assert demo.info.varied == looks
            episodes = Episodes(TASK, "mujoco", 1)
            episodes.begin(np.zeros(1, int), [demo.info.episode_seed], variations=[looks])
            np.testing.assert_array_equal(demo.array("obs/front_image")[0], episodes.pictures("front", 32, 32).rgb[0])
            episodes.close()
    with pytest.raises(InvalidConfig, match="physics feels axis 'mass'"):
        render_dataset(RenderConfig(out=tmp_path / "c.h5", vary={"mass": "train"}, **common))
