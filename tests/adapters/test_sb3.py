"""Stable-Baselines3's VecEnv: what the library itself expects, and the same numbers as the batch below."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import metasim
from metasim.core.errors import InvalidConfig, UnknownName
from metasim.core.task_files import load_task_module

pytest.importorskip("stable_baselines3", reason="Stable-Baselines3 is not installed (extra learn)")

from stable_baselines3 import PPO, SAC  # noqa: E402  # pyright: ignore[reportMissingImports]
from stable_baselines3.common.evaluation import evaluate_policy  # noqa: E402  # pyright: ignore[reportMissingImports]
from stable_baselines3.common.monitor import Monitor  # noqa: E402  # pyright: ignore[reportMissingImports]
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize  # noqa: E402  # pyright: ignore[reportMissingImports]

from metasim.adapters.sb3 import SB3VecEnv  # noqa: E402

N = 5
ACTIONS = np.random.default_rng(0).uniform(-1, 1, (60, N, 1)).astype(np.float32)


def test_it_steps_like_their_loop_over_single_environments(cart_pole) -> None:
    """DummyVecEnv is the oracle: world i of ours is their environment that runs the same episodes."""
    ours = SB3VecEnv(cart_pole, N, seed=3, horizon=12)
    theirs: Any = DummyVecEnv([lambda i=i: _Episodes(cart_pole, 3, i) for i in range(N)])
    np.testing.assert_array_equal(ours.reset(), theirs.reset().astype(np.float32))
    ended = cut = 0
    for action in ACTIONS:
        observation, reward, done, infos = ours.step(action)
        wanted, their_reward, their_done, their_infos = theirs.step(action)
        np.testing.assert_array_equal(observation, wanted.astype(np.float32))
        np.testing.assert_array_equal(reward, their_reward)
        np.testing.assert_array_equal(done, their_done)
        for mine, other in zip(infos, their_infos, strict=True):
            assert mine["TimeLimit.truncated"] == other["TimeLimit.truncated"]
            assert mine["is_success"] == other["is_success"]
            assert ("terminal_observation" in mine) == ("terminal_observation" in other)
            if "terminal_observation" in mine:
                np.testing.assert_array_equal(
                    mine["terminal_observation"], other["terminal_observation"].astype(np.float32)
                )
                ended, cut = ended + 1, cut + mine["TimeLimit.truncated"]
    assert 0 < cut < ended
    ours.close()
    theirs.close()


class _Episodes(gym.Wrapper):
    """One environment that runs episodes i, i + N, i + 2 N, ... of a root seed, each cut off after twelve steps."""

    def __init__(self, task: str, root: int, world: int) -> None:
        super().__init__(metasim.make(task, horizon=12))
        self._root, self._episode = root, world

    def reset(self, **_):
        episode, self._episode = self._episode, self._episode + N
        return self.env.reset(seed=self._root, options={"episode": episode})


def test_types_spaces_and_episode_records(cart_pole) -> None:
    env = SB3VecEnv(cart_pole, N, seed=0, horizon=7)
    observation: Any = env.reset()
    assert env.observation_space.dtype == observation.dtype == np.float32
    assert env.observation_space.contains(observation[0]) and env.num_envs == N
    total = np.zeros(N)
    for k in range(7):
        observation, reward, done, infos = env.step(np.zeros((N, 1), np.float32))
        assert (observation.dtype, reward.dtype, done.dtype) == (np.float32, np.float32, bool)
        total += reward
        assert done.all() == (k == 6) and type(infos) is list
    assert [info["episode"]["r"] for info in infos] == total.tolist()
    assert {info["episode"]["l"] for info in infos} == {7}
    env.close()
    env.close()


def test_a_seed_repeats_and_goes_on_with_the_next_episodes(cart_pole) -> None:
    env = SB3VecEnv(cart_pole, N)
    env.seed(4)
    first, second = env.reset(), env.reset()
    assert env.seed(4) == [4] * N
    np.testing.assert_array_equal(env.reset(), first)
    assert (first != second).any() and len(np.unique(first, axis=0)) == N
    env.set_options({"episodes": np.arange(N) + N})
    env.seed(4)
    np.testing.assert_array_equal(env.reset(), second)
    env.close()


def test_attributes_and_methods_are_those_of_the_batch(cart_pole) -> None:
    env = SB3VecEnv(cart_pole, N, seed=0, render_mode="rgb_array", width=24, height=16)
    env.reset()
    assert env.get_attr("task_description") == ["keep the pole upright"] * N
    assert env.get_attr("max_episode_steps", [0, 2]) == [200, 200]
    assert env.has_attr("episodes") and not env.has_attr("no_such_thing")
    assert env.env_method("call", "camera") == [("side",) * N] * N
    assert env.env_is_wrapped(Monitor) == [True] * N
    env.set_attr("camera", "side")
    for act in (lambda: env.set_attr("camera", "x", 0), lambda: env.env_method("render", indices=[1])):
        with pytest.raises(InvalidConfig, match="one batch"):
            act()
    picture = env.render("rgb_array")
    assert picture is not None and picture.shape == (3 * 16, 2 * 24, 3)  # five pictures, tiled
    env.close()


def test_named_observations_are_a_dictionary(cart_pole) -> None:
    env = SB3VecEnv(cart_pole, 2, seed=0, obs_mode="dict", horizon=2)
    assert set(env.reset()) == {"cart", "pole", "speeds"}
    env.step(np.zeros((2, 1)))
    observation, _, done, infos = env.step(np.zeros((2, 1)))
    assert done.all() and set(infos[0]["terminal_observation"]) == set(observation)
    PPO("MultiInputPolicy", env, n_steps=8, batch_size=8, n_epochs=1, device="cpu").learn(16)
    env.close()


def test_a_protocol_or_an_environment_will_do(cart_pole) -> None:
    env = SB3VecEnv("metaworld/MT10", 10, one_hot=True)
    assert env.reset().shape == (10, 49) and len(env.get_attr("tasks")[0]) == 10
    env.close()
    batch = metasim.make_vec(cart_pole, 3, autoreset_mode="same_step")
    assert SB3VecEnv(batch).env is batch
    with pytest.raises(InvalidConfig, match="num_envs"):
        SB3VecEnv(batch, 4)
    batch.close()
    other = metasim.make_vec(cart_pole, 3)
    with pytest.raises(InvalidConfig, match="same_step"):
        SB3VecEnv(other)
    other.close()
    with pytest.raises(InvalidConfig, match="make_vec"):
        SB3VecEnv(gym.make_vec("CartPole-v1", 2))
    with pytest.raises(UnknownName, match="cart-pole"):
        SB3VecEnv("test/cartpole-v0", 3)


@pytest.mark.parametrize("kind", ["ppo", "sac"])
def test_the_library_trains_and_evaluates(cart_pole, kind: str) -> None:
    env = VecNormalize(SB3VecEnv(cart_pole, 4, seed=0, horizon=25))
    if kind == "ppo":
        learner = PPO("MlpPolicy", env, n_steps=32, batch_size=32, n_epochs=2, seed=0, device="cpu")
    else:
        learner = SAC("MlpPolicy", env, learning_starts=40, batch_size=32, seed=0, device="cpu")
    before = [p.detach().clone() for p in learner.policy.parameters()]
    learner.learn(256)
    assert any((a != b).any() for a, b in zip(before, learner.policy.parameters(), strict=True))
    assert learner.ep_info_buffer is not None and {e["l"] <= 25 for e in learner.ep_info_buffer} == {True}
    mean, _ = evaluate_policy(learner, env, n_eval_episodes=4)  # it would warn if episodes were not recorded
    assert 0 < float(np.mean(mean)) <= 25
    env.close()


def test_a_world_that_fails_ends_its_episode_and_says_why() -> None:
    load_task_module(str(Path(__file__).parents[1] / "benchmarks" / "odd_tasks.py"))
    env = SB3VecEnv("test/half-breaks-v0", 8, seed=0)
    env.reset()
    *_, done, infos = env.step(np.zeros((8, 7), np.float32))
    assert 0 < done.sum() < 8
    for ended, info in zip(done, infos, strict=True):
        assert ended == ("failure" in info) == ("terminal_observation" in info)
        assert not info["TimeLimit.truncated"] and not info["is_success"]
        assert np.isfinite(info.get("terminal_observation", 0.0)).all()
    env.close()
