"""Observation, reward and success against trajectories recorded from the original Meta-World.

The oracle is the recording: each recorded engine state is put into MuJoCo, and everything is recomputed from it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import mujoco
import numpy as np
import pytest

from metasim.core.backend import launch
from metasim.core.seeding import EpisodeSeed
from metasim.core.state import State
from metasim.core.task import TASKS
from metasim.envs.episodes import Episodes
from metasim.model import Model, compile_scene

NAMES = sorted(id.split("/")[1].removesuffix("-v3") for id in TASKS if id.startswith("metaworld/"))
EXTRACT = Path(__file__).parent.parent / "data" / "metaworld_goldens.h5"
FULL = Path(__file__).parents[3] / "shared" / "goldens" / "metaworld"

# Rows 0 that the original recorded before its kinematics were up to date, and by how much they are off [m].
STALE_FIRST_ROWS = {
    "window-close": 0.2 + 1e-3,
    "window-open": 1e-4,
    "drawer-open": 1e-4,
    "dial-turn": 1e-4,
    "faucet-open": 1e-4,
    "lever-pull": 1e-4,
    "door-lock": 2e-4,
}

# Hands that the original settled against the handle or lock already in place, and by how much that pushed one aside
# [m]; the engine's version decides how, and here handles do not, and locks are placed after the settling.
PUSHED_HANDS = {"handle-press": 7e-3, "handle-pull": 7e-3, "door-lock": 7e-3, "door-unlock": 7e-3}

# Objects that the original settled against furniture already in place, and by how much that turned one [components of a
# quaternion, m]; here box-close's starts upright, and disassemble's as a table says that is good to a degree.
TURNED_OBJECTS = {"box-close": 9e-3, "disassemble": 9e-3}


def recordings(name: str) -> Iterator[Any]:
    """Yield a task's episodes: all of them where the full recordings are beside the checkout, else the extract's."""
    full = FULL / f"{name}-v3.h5"
    with h5py.File(full if full.exists() else EXTRACT) as file:
        root: Any = file if full.exists() else file[name]
        for kind in ("scripted", "random"):
            yield from (root[kind][episode] for episode in root[kind])


def contacts(model: Model, episode: Any) -> np.ndarray:
    """Return the declared contacts (T + 1, C, 4) by a forward pass with forces; no furniture may have been moved."""
    data, width = mujoco.MjData(model.mj), 4 * len(model.reads.contacts)
    grip = np.clip(episode["action"][:, 3], -1, 1)
    values = []
    for row, effort in enumerate([grip[0], *grip]):
        data.qpos[:], data.qvel[:] = episode["qpos"][row], episode["qvel"][row]
        data.mocap_pos[:], data.mocap_quat[:] = episode["mocap_pos"][row], episode["mocap_quat"][row]
        data.ctrl[:] = effort, -effort
        mujoco.mj_forward(model.mj, data)
        values.append(data.sensordata[model.contact_start :][:width].reshape(-1, 4).copy())
    return np.array(values)


def recompute(name: str, episode: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return observations (T + 1, 39), rewards (T,), success (T,) and goal (3,), from the recorded states alone."""
    task = TASKS[f"metaworld/{name}-v3"]()
    qpos, action = episode["qpos"][:], np.clip(episode["action"][:], -1, 1)
    rows = len(qpos)
    vector = np.repeat(episode.attrs["rand_vec"][None], rows, axis=0)
    model = compile_scene(task.scene, task.reads)
    with launch("mujoco", rows) as backend:
        backend.load(model)
        backend.write(task.start({"rand_vec": vector}))
        backend.targets.mocap_pos[:, 0] = episode["mocap_pos"][:].reshape(rows, 3)
        backend.targets.mocap_quat[:, 0] = episode["mocap_quat"][:].reshape(rows, 4)
        backend.write_state(qpos, episode["qvel"][:])
        state = backend.state
        if task.reads.contacts:
            state = State(state.layout, state.qpos, state.qvel, state.sensors, contacts(model, episode))
        first = task.begin(state.take(np.zeros(1, int)), {"rand_vec": vector[:1]})
        first = task.advance(state.take(np.ones(1, int)), first, action[:1])  # notes what is noted at the first step
        memory = {key: np.repeat(value, rows, axis=0) for key, value in first.items()}
        memory = task.advance(state, memory, action)
        memory["previous"] = np.concatenate([memory["frame"][:1], memory["frame"][:-1]])
        observation = np.concatenate([*task.observe(state, memory).values()], axis=1)
        reward = task.reward(state, memory, np.concatenate([action[:1], action]))
        return observation, reward[1:], task.success(state, memory)[1:], memory["goal"][0]


@pytest.mark.parametrize("name", NAMES)
def test_every_recorded_step_is_recomputed(name: str) -> None:
    steps = 0
    for episode in recordings(name):
        observation, reward, success, goal = recompute(name, episode)
        recorded = episode["obs"][:]
        steps += len(reward)
        np.testing.assert_allclose(goal, episode.attrs["_target_pos"], atol=1e-12)
        np.testing.assert_allclose(reward, episode["reward"][:], atol=1e-4)
        np.testing.assert_array_equal(success, episode["success"][:] > 0)
        np.testing.assert_allclose(observation[1:, :18], recorded[1:, :18], atol=1e-5)
        np.testing.assert_allclose(observation[0, :18], recorded[0, :18], atol=STALE_FIRST_ROWS.get(name, 1e-5))
        np.testing.assert_array_equal(observation[1:, 18:36], observation[:-1, :18])
        np.testing.assert_array_equal(observation[:, 36:], np.repeat(goal[None], len(observation), axis=0))
    assert steps > 60


@pytest.mark.parametrize("name", NAMES)
def test_a_reset_lands_where_the_original_did(name: str) -> None:
    """Our own settling and placing, against the first state recorded for the same random vector.

    The settled arm turns within its null space by up to 15 mrad more or less from MuJoCo 3.3 to 4.0, from the same
    model and controls, which moves the hand by 0.3 mm.
    """
    for episode in recordings(name):
        worlds = Episodes(f"metaworld/{name}-v3")
        worlds.begin(
            np.zeros(1, int), [EpisodeSeed(root=0, task=name, episode=0)], {"rand_vec": episode.attrs["rand_vec"]}
        )
        stale = max(known.get(name, 0.0) for known in (STALE_FIRST_ROWS, PUSHED_HANDS, TURNED_OBJECTS))
        np.testing.assert_allclose(worlds.memory["frame"][0], episode["obs"][0, :18], atol=max(2e-3, stale))
        np.testing.assert_allclose(worlds.backend.targets.mocap_pos[0, 0], episode["mocap_pos"][0].ravel())
        np.testing.assert_allclose(worlds.memory["goal"][0], episode.attrs["_target_pos"], atol=1e-5)
        worlds.close()


def replay(name: str, episode: Any) -> tuple[np.ndarray, bool]:
    """Repeat recorded actions from the recorded first state: how far the hand is off (T,) [m], success at any step."""
    vector = episode.attrs["rand_vec"][None]
    worlds = Episodes(f"metaworld/{name}-v3")
    task, backend = worlds.task, worlds.backend
    backend.write(task.start({"rand_vec": vector}))
    backend.targets.mocap_pos[:, 0] = episode["mocap_pos"][0].reshape(1, 3)
    backend.targets.mocap_quat[:, 0] = episode["mocap_quat"][0].reshape(1, 4)
    backend.write_state(episode["qpos"][:1], episode["qvel"][:1])
    memory = task.begin(backend.state, {"rand_vec": vector})
    off, success = [], False
    for t, action in enumerate(np.clip(episode["action"][:], -1, 1)):
        worlds.control.apply(action[None], backend.state)
        state = backend.step(task.substeps)
        memory = task.advance(state, memory, action[None])
        off.append(np.linalg.norm(memory["frame"][0, :3] - episode["obs"][t + 1, :3]))
        success |= bool(task.success(state, memory)[0])
    worlds.close()
    return np.array(off), success


def test_replayed_actions_move_the_hand_alike_and_still_succeed() -> None:
    """Open loop: the hand stays within 2 mm (median of 50 steps), and at least 95 % of the successes survive."""
    medians, survived = {}, {}
    with h5py.File(EXTRACT) as file:
        for name in NAMES:
            episode: Any = file[f"{name}/scripted/ep_000"]
            off, success = replay(name, episode)
            medians[name] = np.median(off[:50])
            if episode["success"][:].any():
                survived[name] = success
    assert max(medians.values()) < 2e-3, sorted(medians.items(), key=lambda item: -item[1])[:5]
    assert len(survived) >= 45
    assert np.mean([*survived.values()]) >= 0.95, [name for name, success in survived.items() if not success]
