"""Plain ``gymnasium.vector``: the vector environment is one already; gymnasium's own wrappers hold it to that."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.wrappers import vector as wrappers

import metasim

N = 3


def test_make_vec_of_gymnasium_is_ours(cart_pole) -> None:
    env = gym.make_vec(cart_pole, N, vectorization_mode="vector_entry_point")
    assert isinstance(env, VectorEnv) and env.spec is not None and env.spec.id == cart_pole
    assert isinstance(env.metadata["autoreset_mode"], AutoresetMode)
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation.astype(env.observation_space.dtype))
    env.close()


@pytest.mark.parametrize("mode", ["next_step", "same_step"])
def test_their_episode_statistics_agree_with_a_sum(cart_pole, mode: str) -> None:
    env = wrappers.RecordEpisodeStatistics(metasim.make_vec(cart_pole, N, horizon=20, autoreset_mode=mode))
    env.reset(seed=0)
    rng, total, length, ended = np.random.default_rng(0), np.zeros(N), np.zeros(N, int), 0
    reset = np.zeros(N, bool)
    for _ in range(60):
        _, reward, terminated, truncated, info = env.step(rng.uniform(-1, 1, (N, 1)).astype(np.float32))
        total, length = np.where(reset, 0, total + reward), np.where(reset, 0, length + 1)
        done = terminated | truncated
        if done.any() and "episode" in info:
            ended += done.sum()
            np.testing.assert_allclose(info["episode"]["r"][done], total[done], rtol=1e-6)
            np.testing.assert_array_equal(info["episode"]["l"][done], length[done])
        total[done & (mode == "same_step")], length[done & (mode == "same_step")] = 0, 0
        reset = done & (mode == "next_step")
    assert ended > N
    env.close()


def test_their_chain_of_wrappers_runs(cart_pole) -> None:
    env = wrappers.NormalizeReward(wrappers.NormalizeObservation(metasim.make_vec(cart_pole, N)))
    env = wrappers.ClipAction(wrappers.DtypeObservation(env, np.float32))
    env.reset(seed=0)
    seen = [env.step(np.full((N, 1), 3.0, np.float32)) for _ in range(30)]
    assert seen[-1][0].dtype == np.float32
    assert np.isfinite([s[1] for s in seen]).all() and np.abs(np.mean([s[0] for s in seen])) < 5
    env.close()


def test_the_loop_over_single_environments_sees_the_same(cart_pole) -> None:
    """The oracle: SyncVectorEnv with one of our environments per world."""
    ours = metasim.make_vec(cart_pole, N, horizon=15)
    theirs = gym.vector.SyncVectorEnv([lambda: metasim.make(cart_pole, horizon=15)] * N)
    mine, other = ours.reset(seed=[1, 2, 3])[0], theirs.reset(seed=[1, 2, 3])[0]
    rng = np.random.default_rng(0)
    for _ in range(40):
        np.testing.assert_array_equal(mine, other)
        action = rng.uniform(-1, 1, (N, 1)).astype(np.float32)
        mine, *rest, _ = ours.step(action)
        other, *wanted, _ = theirs.step(action)
        for a, b in zip(rest, wanted, strict=True):
            np.testing.assert_array_equal(a, b)
    ours.close()
    theirs.close()
