"""Environments by a protocol's id: worlds, goals, observations, spaces, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import h5py
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import metasim
from metasim.core.errors import InvalidConfig, InvalidState, UnknownName
from metasim.core.protocol import PROTOCOLS, TaskGoal
from metasim.envs import ProtocolEnv, benchmark_env
from metasim.tasks.metaworld import MT10, protocols

GOLDENS = Path(__file__).parent.parent / "data" / "metaworld_goldens.h5"
REACH, PUSH = "metaworld/reach-v3", "metaworld/push-v3"
GOAL = slice(36, 39)


def ml1(**options: Any) -> ProtocolEnv:
    return metasim.make_vec("metaworld/ML1-train", 4, task="reach", seed=42, **options)


def run(env: Any, steps: int = 4) -> list[Any]:
    log = [env.reset()[0]]
    env.action_space.seed(0)
    return log + [env.step(env.action_space.sample())[0] for _ in range(steps)]


def test_ten_models_in_one_environment_with_the_recorded_goals() -> None:
    """Goals 0 and 1 of seed 42 in MT1 are those of the recordings; so is where the original said the target is."""
    env = metasim.make_vec("metaworld/custom-mt", tasks=[*MT10], seed=42, goal_choice="cycle", max_episode_steps=2)
    assert env.tasks == MT10 and env.num_envs == 10
    one = metasim.make_vec("metaworld/MT1", task="reach", seed=42, goal_choice="cycle", max_episode_steps=1)
    observations = [one.reset()[0][0, GOAL], one.step(one.action_space.sample())[0][0, GOAL]]
    with h5py.File(GOLDENS) as file:
        for k, observation in enumerate(observations):
            targets: Any = file["reach"].attrs["targets"]
            np.testing.assert_allclose(observation, targets[k], atol=1e-12)
        hidden = metasim.make_vec("metaworld/MT1", task="reach", seed=42, goals_visible=False)
        assert (hidden.reset()[0][:, GOAL] == 0).all()
        for world, task in enumerate(env.tasks):
            vector = protocols.mt1(task, 42 + world).train.goals[task][0]
            np.testing.assert_array_equal(env.benchmark.train.goals[task][0], vector)
    observation, _ = env.reset()
    assert [goal.index for goal in env.task_goals] == [0] * 10
    np.testing.assert_allclose(observation[0, GOAL], env.split.goals[REACH][0, 3:], atol=1e-12)
    for e in (env, one, hidden):
        e.close()


def test_every_observation_is_in_its_space() -> None:
    options: dict[str, Any] = {"one_hot": True, "recurrent": True, "normalize_reward": "return", "max_episode_steps": 3}
    for id, chosen in (("MT1", {"task": "push"}), ("ML1-test", {"task": "push"})):
        env = metasim.make_vec(f"metaworld/{id}", seed=7, **chosen, **options)
        assert env.single_observation_space.shape == (39 + 1 + 4 + 2,)
        for observation in run(env, 7):
            assert observation.dtype == np.float64
            assert env.observation_space.contains(observation)
            hidden = env.single_observation_space.high[GOAL]
            assert (hidden == (np.inf if id == "MT1" else 0.0)).all()
        env.close()


def test_gymnasium_makes_them_by_the_same_ids() -> None:
    ours = metasim.make_vec("metaworld/ML1-train", task="reach", seed=3)
    gyms: Any = gym.make_vec("metaworld/ML1-train", task="reach", seed=3)
    assert ours.num_envs == gyms.num_envs == 20
    assert gyms.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    for a, b in zip(run(ours, 3), run(gyms, 3), strict=True):
        np.testing.assert_array_equal(a, b)
    four: Any = gym.make_vec("metaworld/MT1", num_envs=4, task="reach", seed=3)
    assert four.tasks == (REACH,) * 4
    assert all(gym.spec(id).vector_entry_point for id in PROTOCOLS)
    for env in (ours, gyms, four):
        env.close()


def test_the_same_seed_is_the_same_episodes_and_the_global_state_is_left_alone() -> None:
    np.random.seed(0)
    before: Any = np.random.get_state()
    first = run(one := ml1(goal_choice="random"))
    after: Any = np.random.get_state()
    np.testing.assert_array_equal(before[1], after[1])
    np.random.seed(1)
    for a, b in zip(first, run(two := ml1(goal_choice="random")), strict=True):
        np.testing.assert_array_equal(a, b)
    other, _ = two.reset(seed=43)
    assert one.task_goals != two.task_goals and (other != first[0]).any()
    one.close()
    two.close()


def test_sampled_goals_hold_and_every_one_has_its_turn() -> None:
    env = ml1(max_episode_steps=1, goals_per_task=10)
    seen: list[list[int]] = []
    for _ in range(3):
        env.sample_tasks()
        held = env.task_goals
        env.reset()
        env.step(env.action_space.sample())  # ends the episode, and begins the next
        assert env.task_goals == held
        seen.append([goal.index for goal in held])
    rounds = np.array(seen)  # worlds 0 and 1 have three goals, 2 and 3 have two
    assert [set(rounds[:, w]) for w in (0, 1)] == [{0, 4, 8}, {1, 5, 9}]
    assert [set(rounds[:2, w]) for w in (2, 3)] == [{2, 6}, {3, 7}]
    first = env.sample_tasks(seed=5), env.task_goals
    assert (env.sample_tasks(seed=5), env.task_goals)[1] == first[1]
    env.close()


def test_goals_can_be_chosen() -> None:
    env = ml1()
    wanted = [TaskGoal(task=REACH, index=i) for i in (3, 1, 4, 1)]
    env.set_tasks(wanted)
    shown = benchmark_env(env.benchmark, "train", 4, goals_visible=True, goal_choice="hold")
    shown.set_tasks(wanted)
    observation, _ = shown.reset()
    env.reset()
    assert list(env.task_goals) == wanted
    np.testing.assert_allclose(observation[:, GOAL], env.split.goals[REACH][[3, 1, 4, 1], 3:], atol=1e-12)
    with pytest.raises(UnknownName, match="train split named 'metaworld/push-v3'"):
        env.set_tasks([TaskGoal(task=PUSH, index=0)] * 4)
    with pytest.raises(InvalidConfig, match="4 goals, one per world, got 1"):
        env.set_tasks(wanted[:1])
    with pytest.raises(InvalidConfig, match="0 to 49"):
        env.set_tasks([TaskGoal(task=REACH, index=50)] * 4)
    with pytest.raises(InvalidState, match="outside the task's range"):
        env.reset(options={"sample": {"rand_vec": np.array([5.0, 0.6, 0.02, 0.0, 0.8, 0.1])}})
    env.close()
    shown.close()


def test_a_goal_of_another_task_is_refused() -> None:
    env = metasim.make_vec(
        "metaworld/custom-ml-train", 2, train=["reach", "push"], test=["window-open"], seed=1, goals_per_task=2
    )
    with pytest.raises(InvalidConfig, match="world 1 runs metaworld/push-v3; it cannot be set to .*reach"):
        env.set_tasks([TaskGoal(task=REACH, index=0)] * 2)
    env.close()


def test_worlds_per_task_and_the_end_on_success() -> None:
    env = metasim.make_vec(
        "metaworld/custom-mt", 4, tasks=["reach", "drawer-close"], seed=1, one_hot=True, terminate_on_success=True
    )
    assert env.tasks == (REACH, REACH, "metaworld/drawer-close-v3", "metaworld/drawer-close-v3")
    observation, _ = env.reset()
    assert observation[:, 39:].tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]]
    expert = metasim.TASKS[REACH].expert
    assert expert is not None
    action, ended = np.zeros((4, 4), np.float32), np.zeros(4, bool)
    for _ in range(80):
        action[:2] = np.clip(expert(observation[:2, :39]), -1, 1)
        observation, _, terminated, _, info = env.step(action)
        if terminated.any():
            assert (info["final_info"]["success"][terminated]).all()
        ended |= terminated
    assert ended.tolist() == [True, True, False, False]
    env.close()


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: metasim.make_vec("metaworld/MT11"), UnknownName, "no task or protocol named.*MT1"),
        (lambda: metasim.make_vec("metaworld/ML10"), UnknownName, "ML10-train.*ML10-test|ML10-test.*ML10-train"),
        (lambda: metasim.make_vec("metaworld/MT10", 15), InvalidConfig, "multiple of the 10 tasks.*15.*nearest is 20"),
        (lambda: metasim.make_vec("metaworld/MT10", 0), InvalidConfig, "nearest is 10"),
        (lambda: metasim.make_vec("metaworld/MT10", seed=-3), InvalidConfig, "seed.*-3"),
        (lambda: metasim.make_vec("metaworld/MT10", task="reach"), InvalidConfig, "no tasks, got"),
        (lambda: metasim.make_vec("metaworld/MT1"), InvalidConfig, "needs"),
        (lambda: ml1(meta_batch_size=8), InvalidConfig, "num_envs 4 and meta_batch_size 8"),
        (lambda: ml1(one_hott=True), InvalidConfig, r"unknown options \['one_hott'\].*one_hot"),
        (lambda: ml1(goal_choice="hold", goals_per_task=3), InvalidConfig, "4 worlds per task cannot share 3"),
        (lambda: ml1(goal_choice="shuffle"), InvalidConfig, "goal_choice"),
        (lambda: ml1(normalize_reward="max"), InvalidConfig, "normalize_reward"),
        (lambda: ml1(num_goals=0), InvalidConfig, "num_goals"),
        (lambda: ml1(backend="bullet"), UnknownName, "pybullet"),
        (lambda: ml1(goal_choice="random").sample_tasks(), InvalidConfig, "goal_choice='hold'"),
        (lambda: benchmark_env(protocols.ml1("push", 1), "tets"), InvalidConfig, "no split 'tets'.*test"),
    ],
)
def test_what_cannot_work_is_named(make: Callable[[], object], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        make()


@pytest.mark.parametrize("id", [id for id, p in PROTOCOLS.items() if p.tasks and id.startswith("metaworld/")])
def test_default_numbers_of_worlds(id: str) -> None:
    """At least the original's, and equally many for each task: 20 for ML10, 25 for ML25-train, 45 for ML45-train."""
    protocol = PROTOCOLS[id]
    expected = {"ML25-train": 25, "ML45-train": 45}.get(
        id.split("/")[1], 20 if protocol.worlds else len(protocol.tasks)
    )
    assert len(protocol.tasks) * -(-(protocol.worlds or 1) // len(protocol.tasks)) == expected


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["mujoco", "pybullet"])
def test_fifty_models_side_by_side(backend: str) -> None:
    env = metasim.make_vec("metaworld/MT50", 100, seed=42, one_hot=True, backend=backend)
    assert env.num_envs == 100 and len(set(env.tasks)) == 50
    for observation in run(env, 5):
        assert env.observation_space.contains(observation)
        assert (observation[:, 39:].argmax(1) == np.repeat(np.arange(50), 2)).all()
    env.close()
