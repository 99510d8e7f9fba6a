"""Worlds of different tasks in one environment are the worlds that each task alone would have."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import metasim
from metasim.core.errors import EngineFailure, InvalidAction, InvalidConfig, InvalidState, NotReady, UnknownName
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS
from metasim.core.task_files import load_task_module
from metasim.envs import EpisodeGroup, GroupVectorEnv

REACH, PUSH, DOOR = "metaworld/reach-v3", "metaworld/push-v3", "metaworld/door-open-v3"
MIXED = (REACH, DOOR, PUSH, REACH, DOOR)
ENGINES = ("mujoco", "pybullet")
GOALS = np.array([[0.0, 0.6, 0.02, x, 0.8, 0.1] for x in (-0.1, 0.0, 0.1)])


def actions(steps: int, worlds: int = len(MIXED)) -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, (steps, worlds, 4)).astype(np.float32)


def roll(envs: GroupVectorEnv, steps: int = 15) -> list[np.ndarray]:
    seen = [envs.reset(seed=3)[0]]
    for action in actions(steps):
        observation, reward, terminated, truncated, info = envs.step(action)
        seen += [observation, reward, terminated, truncated, info["success"]]
    return seen


@pytest.mark.parametrize("backend", ENGINES)
def test_each_world_is_the_one_its_task_alone_would_have(backend: str) -> None:
    seen = roll(group := GroupVectorEnv(MIXED, backend=backend))
    group.close()
    for world, task in enumerate(MIXED):
        alone = metasim.make(task, backend=backend)
        expected = [alone.reset(seed=3, options={"episode": world})[0]]
        for action in actions(15):
            observation, reward, terminated, truncated, info = alone.step(action[world])
            expected += [observation, reward, terminated, truncated, info["success"]]
        for ours, theirs in zip(seen, expected, strict=True):
            np.testing.assert_array_equal(ours[world], theirs)
        alone.close()


@pytest.mark.parametrize("mode", ["next_step", "same_step"])
def test_the_number_of_workers_changes_no_bit(mode: str) -> None:
    rolls = []
    for workers in (1, 2, 9):
        envs = GroupVectorEnv(MIXED, workers=workers, horizon=6, autoreset_mode=mode)
        rolls.append(roll(envs))
        envs.close()
    for one, other in ((rolls[0], rolls[1]), (rolls[0], rolls[2])):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_snapshots_go_back_in_every_worker() -> None:
    envs = GroupVectorEnv(MIXED, workers=2)
    envs.reset(seed=0)
    kept = envs.episodes.snapshot()
    first = [envs.step(action)[0] for action in actions(5)]
    envs.episodes.restore(kept)
    np.testing.assert_array_equal(first, [envs.step(action)[0] for action in actions(5)])
    envs.close()


def test_success_ends_an_episode_where_that_is_asked_for() -> None:
    envs = GroupVectorEnv([REACH] * 2, terminate_on_success=True, autoreset_mode="disabled")
    observation, _ = envs.reset(seed=0)
    expert = TASKS[REACH].expert
    assert expert is not None
    for _ in range(80):
        observation, _, terminated, _, info = envs.step(expert(observation))
        np.testing.assert_array_equal(terminated, info["success"])
        if terminated.any():
            break
    assert terminated.any()
    envs.close()


def test_goals_drawn_follow_the_seed_and_cover_the_list() -> None:
    rolls = []
    for _ in range(2):
        envs = GroupVectorEnv([REACH] * 4, goals=[GOALS] * 4)
        envs.reset(seed=5)
        rolls.append([envs.goal_index.tolist() for _ in range(12) if envs.reset() is not None])
        envs.close()
    assert rolls[0] == rolls[1]
    assert {i for row in rolls[0] for i in row} == {0, 1, 2}


def test_goals_in_turn_and_goals_held() -> None:
    envs = GroupVectorEnv([REACH] * 2, goals=[GOALS, GOALS[1:]], goal_choice="cycle")
    seen = [envs.reset(seed=0 if k == 0 else None)[0][:, 36:] for k in range(4)]
    np.testing.assert_array_equal([row[0] for row in seen], GOALS[[0, 1, 2, 0], 3:])
    np.testing.assert_array_equal([row[1] for row in seen], GOALS[1:][[0, 1, 0, 1], 3:])
    envs.close()
    envs = GroupVectorEnv([REACH] * 2, goals=[GOALS] * 2, goal_choice="hold")
    envs.reset(seed=0)
    envs.set_goals([2, 1])
    for _ in range(2):
        observation, _ = envs.reset()
        np.testing.assert_array_equal(observation[:, 36:], GOALS[[2, 1], 3:])
    with pytest.raises(InvalidConfig, match=r"\[3, 0\].*\[3 3\]"):
        envs.set_goals([3, 0])
    with pytest.raises(InvalidConfig, match=r"\(2,\) integers"):
        envs.set_goals([0.5, 1.0])
    envs.close()


def test_a_goal_out_of_range_or_too_close_is_refused() -> None:
    far = GOALS[:1] + (0, 0, 0, 5.0, 0, 0)
    with pytest.raises(InvalidState, match=r"4\.9.*outside the task's range"):
        GroupVectorEnv([REACH], goals=[far])
    envs = GroupVectorEnv([REACH])
    close = [[0.1, 0.7, 0.02, 0.1, 0.8, 0.1]]
    with pytest.raises(InvalidState, match=r"0\.100 m apart.*0\.15 m"):
        envs.reset(options={"sample": {"rand_vec": close[0]}})
    envs.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": []}, "one per world"),
        ({"tasks": REACH}, "one per world"),
        ({"workers": 0}, "positive integer, got 0"),
        ({"goals": [GOALS]}, "1 entries for 2 worlds"),
        ({"goals": [GOALS, None]}, "every world or for none"),
        ({"goals": [GOALS, np.zeros((0, 6))]}, r"\(G, K\)"),
        ({"goal_choice": "best"}, "'random', 'cycle', 'hold'"),
        ({"render_mode": "human"}, "rgb_array"),
    ],
)
def test_bad_settings_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidConfig, match=message):
        GroupVectorEnv(**{"tasks": [REACH, PUSH], **options})


def test_tasks_that_observe_differently_are_refused() -> None:
    load_task_module(str(Path(__file__).parents[1] / "cli" / "my_task.py"))
    with pytest.raises(InvalidConfig, match="observe and act alike"):
        GroupVectorEnv([REACH, "lab/touch-v0"])
    with pytest.raises(UnknownName, match="reach"):
        GroupVectorEnv(["metaworld/reech-v3"])


def test_calls_at_the_wrong_time_and_bad_actions_are_refused() -> None:
    envs = GroupVectorEnv(MIXED)
    with pytest.raises(NotReady, match="reset"):
        envs.step(actions(1)[0])
    envs.reset(seed=0)
    for bad, message in ((np.zeros((5, 3)), r"\(5, 4\)"), (np.full((5, 4), np.nan), "not finite"), ("up", "numbers")):
        with pytest.raises(InvalidAction, match=message):
            envs.step(bad)
    envs.close()
    envs.close()
    with pytest.raises(NotReady, match="closed"):
        envs.reset()


def test_a_worker_that_dies_is_named_and_the_rest_can_be_closed() -> None:
    group = EpisodeGroup((REACH, PUSH), "mujoco", workers=2)
    os.kill(group._crew._processes[0].pid or 0, signal.SIGKILL)
    with pytest.raises(EngineFailure, match="exit code -9"):
        for _ in range(3):
            group.begin(np.arange(2), [EpisodeSeed(root=0, task=task, episode=0) for task in (REACH, PUSH)])
    group.close()


def test_pictures_come_from_every_task() -> None:
    envs = GroupVectorEnv([REACH, DOOR], render_mode="rgb_array", width=64, height=48)
    envs.reset(seed=0)
    pictures = envs.render()
    assert pictures is not None
    a, b = pictures
    assert a.shape == b.shape == (48, 64, 3) and (a != b).any()
    envs.close()
