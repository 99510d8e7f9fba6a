"""rsl_rl's VecEnv: its runner trains, and its clock is the worlds' clock."""

import warnings

import numpy as np
import pytest

import metasim
from metasim.core.errors import InvalidConfig, UnsupportedFeature

pytest.importorskip("rsl_rl", reason='rsl_rl is not installed (pip install "rsl-rl-lib>=5,<6")')
torch = pytest.importorskip("torch")

from metasim.adapters.rsl_rl import RslRlVecEnv  # noqa: E402

N = 6


def test_it_steps_like_the_batch(cart_pole) -> None:
    ours = RslRlVecEnv(cart_pole, N, seed=1, horizon=9)
    batch = metasim.make_vec(cart_pole, N, horizon=9, autoreset_mode="same_step")
    observation, _ = batch.reset(seed=1)
    assert (ours.num_envs, ours.num_actions, ours.max_episode_length) == (N, 1, 9)
    np.testing.assert_array_equal(ours.get_observations()["policy"], observation.astype(np.float32))
    rng, ends = np.random.default_rng(0), 0
    for _ in range(20):
        action = rng.normal(0, 2, (N, 1)).astype(np.float32)
        seen, reward, done, extras = ours.step(torch.from_numpy(action))
        observation, wanted, terminated, truncated, info = batch.step(action)
        np.testing.assert_array_equal(seen["policy"], observation.astype(np.float32))
        np.testing.assert_array_equal(reward, wanted.astype(np.float32))
        np.testing.assert_array_equal(done, (terminated | truncated).astype(int))
        np.testing.assert_array_equal(extras["time_outs"], truncated & ~terminated)
        assert (ours.episode_length_buf[done.bool()] == 0).all()
        if done.any():
            ends += 1
            assert extras["log"]["/success_rate"] == info["final_info"]["success"][done.bool().numpy()].mean()
    assert ends
    ours.close()
    batch.close()


def test_the_clock_can_be_set(cart_pole) -> None:
    env = RslRlVecEnv(cart_pole, N, seed=0, horizon=50)
    env.episode_length_buf = torch.arange(N) + 50 - N
    held = torch.zeros(N, 1)
    for k in range(N):
        *_, done, extras = env.step(held)
        assert extras["time_outs"].nonzero().flatten().tolist() == [N - 1 - k] == done.nonzero().flatten().tolist()
    assert env.episode_length_buf.tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(InvalidConfig, match="episode lengths"):
        env.episode_length_buf = torch.zeros(3)
    env.close()
    tasks = RslRlVecEnv("metaworld/MT10", seed=0)
    with pytest.raises(UnsupportedFeature, match="several tasks"):
        tasks.episode_length_buf = torch.zeros(10)
    assert tasks.episode_length_buf.tolist() == [0] * 10
    tasks.close()


def test_named_observations_are_groups(cart_pole) -> None:
    env = RslRlVecEnv(cart_pole, N, seed=0, obs_mode="dict")
    assert {name: tuple(group.shape) for name, group in env.get_observations().items()} == {
        "cart": (N, 1),
        "pole": (N, 1),
        "speeds": (N, 2),
    }
    env.close()


def test_the_library_trains(cart_pole, tmp_path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the library's own imports say
        from rsl_rl.runners import OnPolicyRunner  # pyright: ignore[reportMissingImports]
    env = RslRlVecEnv(cart_pole, 16, seed=0, horizon=40)
    network = {"class_name": "MLPModel", "hidden_dims": [16], "activation": "elu", "obs_normalization": True}
    settings = {
        "algorithm": {"class_name": "PPO", "num_learning_epochs": 2, "num_mini_batches": 2, "learning_rate": 1e-3},
        "actor": {**network, "distribution_cfg": {"class_name": "GaussianDistribution", "init_std": 1.0}},
        "critic": network,
        "obs_groups": {"actor": ["policy"], "critic": ["policy"]},
        "num_steps_per_env": 8,
        "save_interval": 50,
        "multi_gpu": None,
    }
    runner = OnPolicyRunner(env, settings, log_dir=None, device="cpu")
    before = [p.detach().clone() for p in runner.alg.actor.parameters()]
    runner.learn(3, init_at_random_ep_len=True)
    assert any((a != b).any() for a, b in zip(before, runner.alg.actor.parameters(), strict=True))
    env.close()
