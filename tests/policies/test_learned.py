"""Learned policies: the same numbers as the library that trained them, in a file that says what it is for."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("safetensors", reason="safetensors is not installed (extra learn)")

from metasim.core.policy import POLICIES, Policy  # noqa: E402
from metasim.core.task import TASKS  # noqa: E402
from metasim.core.task_files import load_task_module  # noqa: E402
from metasim.policies import InvalidPolicy, Learned, load_policy, saved  # noqa: E402
from metasim.policies.learned import PolicyInfo  # noqa: E402

CART_POLE = "test/cart-pole-v0"
load_task_module(str(Path(__file__).parents[1] / "adapters" / "cart_pole.py"))
INFO = PolicyInfo(
    algorithm="ppo",
    task=CART_POLE,
    backend="mujoco",
    observation_size=4,
    action_size=1,
    activation="tanh",
    squash=False,
    clip_observation=10.0,
    seed=0,
    steps=7,
    versions={"torch": "2"},
)


def network(info: PolicyInfo = INFO, hidden: int = 16, seed: int = 0) -> Learned:
    """A policy with random weights."""
    rng = np.random.default_rng(seed)
    sizes = (info.observation_size, hidden, hidden, info.action_size)
    weights: dict[str, Any] = {"observation.mean": rng.normal(size=4), "observation.deviation": rng.uniform(0.5, 2, 4)}
    for k, (n, m) in enumerate(zip(sizes, sizes[1:], strict=False)):
        weights[f"layers.{k}.weight"] = rng.normal(size=(m, n)).astype(np.float32)
        weights[f"layers.{k}.bias"] = rng.normal(size=m).astype(np.float32)
    return Learned(info, weights)


@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
def test_it_acts_as_the_library_that_trained_it(algorithm: str, tmp_path: Path) -> None:
    """Stable-Baselines3's own predict is the oracle, normalisation of observations included."""
    pytest.importorskip("stable_baselines3", reason="Stable-Baselines3 is not installed (extra learn)")
    from metasim.policies.training import TrainConfig
    from metasim.policies.training.learner import make_learner, policy_of

    changes = {"normalize_observation": True, "hidden": (24, 16)}
    config = TrainConfig(algorithm=algorithm, task=CART_POLE, out=tmp_path, num_envs=2, changes=changes)
    learner = make_learner(config)
    normalizer = learner.get_vec_normalize_env()
    assert normalizer is not None
    normalizer.reset()
    for _ in range(5):
        normalizer.step(np.full((2, 1), 0.5, np.float32))
    observation = np.random.default_rng(0).normal(0, 0.1, (50, 4))
    wanted, _ = learner.predict(normalizer.normalize_obs(observation), deterministic=True)  # type: ignore[arg-type]
    policy = policy_of(learner, config)
    np.testing.assert_allclose(policy.act(observation), wanted, rtol=1e-4, atol=1e-6)  # float32 sums, other order
    assert isinstance(policy, Policy) and np.ptp(wanted) > 0
    normalizer.close()


def test_a_rows_action_does_not_depend_on_the_batch() -> None:
    policy = network(hidden=64)
    observation = np.random.default_rng(0).normal(size=(37, 4))
    whole = policy.act(observation)
    assert whole.dtype == np.float32 and whole.shape == (37, 1) and np.abs(whole).max() <= 1
    for size in (1, 2, 3, 8, 16):
        parts = [policy.act(observation[i : i + size]) for i in range(0, 37, size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_a_file_gives_the_policy_back(tmp_path: Path) -> None:
    policy = network()
    path = policy.save(tmp_path / "run" / "policy.safetensors")
    again = load_policy(tmp_path / "run")
    assert again.info == policy.info and again.to_bytes() == path.read_bytes() == network().to_bytes()
    observation = np.random.default_rng(0).normal(size=(5, 4))
    np.testing.assert_array_equal(again.act(observation), policy.act(observation))
    assert again.name == policy.name != network(seed=1).name
    size = int.from_bytes(path.read_bytes()[:8], "little")
    header = json.loads(json.loads(path.read_bytes()[8 : 8 + size])["__metadata__"]["metasim"])
    assert (header["task"], header["steps"]) == (CART_POLE, 7)


def test_a_saved_policy_is_known_by_its_name_in_every_process(tmp_path: Path) -> None:
    path = network().save(tmp_path / "policy.safetensors")
    name = saved(tmp_path)
    assert name.startswith("ppo-") and name in POLICIES
    assert saved(path) == name
    policy = POLICIES[name](TASKS[CART_POLE], 3)
    assert policy.act(np.zeros((3, 4))).shape == (3, 1)
    data = pickle.dumps(name)
    assert pickle.loads(data) == name
    network(seed=1).save(path)
    with pytest.raises(InvalidPolicy, match="when this run began"):
        pickle.loads(data)


def test_it_runs_its_own_task_only(tmp_path: Path) -> None:
    name = saved(network().save(tmp_path / "a"))
    with pytest.raises(InvalidPolicy, match="trained for 'test/cart-pole-v0' and cannot run 'metaworld/reach-v3'"):
        POLICIES[name](TASKS["metaworld/reach-v3"], 1)
    wide = replace(INFO, observation_size=5)
    rng = np.random.default_rng(0)
    other = Learned(wide, {"layers.0.weight": rng.normal(size=(1, 5)), "layers.0.bias": np.zeros(1)})
    name = saved(other.save(tmp_path / "b"))
    with pytest.raises(InvalidPolicy, match="5 observations and 1 actions, but .* has 4 and 1 now"):
        POLICIES[name](TASKS[CART_POLE], 1)
    with pytest.raises(InvalidPolicy, match=r"\(N, 4\), got \(2, 3\)"):
        network().act(np.zeros((2, 3)))


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    whole = network().to_bytes()
    flipped = bytearray(whole)
    flipped[-3] ^= 1
    for data, message in (
        (whole[:-10], "damaged or no policy file"),
        (whole[:5], "damaged or no policy file"),
        (b"", "damaged or no policy file"),
        (b"PK\x03\x04 a zip file of another library", "damaged or no policy file"),
        (bytes(flipped), "its weights are not those that were saved"),
        (whole.replace(b"metasim.policy/1", b"metasim.policy/9"), "expected 'metasim.policy/1'"),
        (whole.replace(b'"metasim"', b'"someone"'), "no header of a policy"),
        (whole.replace(b"algorithm", b"algorythm"), "no header of a policy"),
    ):
        path = tmp_path / "policy.safetensors"
        path.write_bytes(data)
        with pytest.raises(InvalidPolicy, match=message) as caught:
            load_policy(path)
        assert str(path) in str(caught.value)
    with pytest.raises(InvalidPolicy, match="there is no policy file"):
        load_policy(tmp_path / "none")


def test_weights_that_do_not_fit_are_refused() -> None:
    weights = dict(network().weights)
    for changes, message in (
        ({"layers.2.weight": np.zeros((1, 9), np.float32)}, "layer 2 takes 16 numbers"),
        ({"layers.2.weight": np.zeros((2, 16), np.float32), "layers.2.bias": np.zeros(2)}, "last layer gives 2"),
        ({"layers.0.bias": np.full(16, np.nan)}, "not finite"),
        ({"observation.mean": np.zeros(3)}, "mean and deviation"),
    ):
        with pytest.raises(InvalidPolicy, match=message):
            Learned(INFO, {**weights, **changes})
    with pytest.raises(InvalidPolicy, match="numbered"):
        Learned(INFO, {k: v for k, v in weights.items() if not k.startswith("layers.1")})
