"""The tutorial's task is short, and runs in both engines; tests/docs follows the page."""

import importlib.util
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import metasim

FILE = Path(__file__).parents[2] / "docs" / "tutorials" / "push_cube.py"
ID = "lab/push-cube-v0"


@pytest.fixture(scope="module", autouse=True)
def _registered() -> None:
    if ID not in metasim.TASKS:
        spec = importlib.util.spec_from_file_location("push_cube", FILE)
        assert spec and spec.loader
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_it_is_short() -> None:
    text = FILE.read_text()
    assert len([line for line in text.splitlines() if line.strip()]) <= 25


@pytest.mark.parametrize("backend", ["mujoco", "pybullet"])
def test_it_runs_through_gymnasium(backend: str) -> None:
    env = gym.make(ID, backend=backend)
    observation, _ = env.reset(seed=0)
    assert observation.shape == (9,)
    for _ in range(5):
        observation, reward, *_ = env.step(np.array([0, 0, -1], np.float32))
    assert observation[2] < 0.47 and reward == 0.0
    env.close()
    envs = gym.make_vec(ID, num_envs=3, backend=backend)
    first, _ = envs.reset(seed=0)
    assert first.shape == (3, 9) and np.ptp(first[:, 3:5], axis=0).min() > 0.01
    envs.close()


@pytest.mark.parametrize("backend", ["mujoco", "pybullet"])
def test_a_pushed_cube_comes_closer_to_the_goal(backend: str) -> None:
    """By the hand of a few lines: go behind the cube, come down, push."""
    envs = metasim.make_vec(ID, 4, backend=backend)
    observation, _ = envs.reset(seed=0)
    distance = np.linalg.norm(observation[:, 3:6] - observation[:, 6:9], axis=1)
    succeeded = np.zeros(4, bool)
    pushing = np.zeros(4, bool)
    for _ in range(149):
        hand, cube, goal = observation[:, :3], observation[:, 3:6], observation[:, 6:9]
        way = goal - cube
        way[:, 2] = 0
        way /= np.linalg.norm(way, axis=1, keepdims=True)
        behind = cube - 0.1 * way
        pushing |= (np.linalg.norm((hand - behind)[:, :2], axis=1) < 0.02) & (hand[:, 2] < 0.06)
        over = np.linalg.norm((hand - behind)[:, :2], axis=1) < 0.03
        to = np.where(pushing[:, None], cube + 0.01 * way, behind)
        to[:, 2] = np.where(pushing | over, 0.03, 0.15)
        speed = np.where(pushing, 0.25, 1.0)[:, None] * ~succeeded[:, None]
        observation, _, _, _, info = envs.step(np.clip((to - hand) * 20, -speed, speed).astype(np.float32))
        succeeded |= info["success"]
    envs.close()
    left = np.linalg.norm(observation[:, 3:6] - observation[:, 6:9], axis=1)
    assert (left < 0.5 * distance).sum() >= 2 and succeeded.sum() >= 2  # a round finger may slip off a cube
