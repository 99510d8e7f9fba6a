"""Policies by name: noise as they explored with, factors that they are shown, the same bits in any batch."""

import pickle
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
import pytest

pytest.importorskip("safetensors", reason="safetensors is not installed (extra learn)")

import metasim  # noqa: E402
from metasim.benchmarks.runner import EvaluateConfig, evaluate  # noqa: E402
from metasim.core.errors import InvalidConfig  # noqa: E402
from metasim.core.policy import POLICIES  # noqa: E402
from metasim.core.protocol import protocol_goals  # noqa: E402
from metasim.core.seeding import EpisodeSeed  # noqa: E402
from metasim.core.task import TASKS  # noqa: E402
from metasim.datasets import CollectConfig, Dataset, collect, verify  # noqa: E402
from metasim.policies import InvalidPolicy, Learned, load_policy, saved  # noqa: E402
from metasim.policies.learned import PolicyInfo  # noqa: E402
from metasim.policies.scripted import CHUNK_STEPS  # noqa: E402

POINT = "meta_rl/point-robot-v0"
INFO = PolicyInfo(
    algorithm="sac",
    task=POINT,
    backend="mujoco",
    observation_size=4,
    action_size=2,
    activation="relu",
    squash=False,
    clip_observation=10.0,
    seed=0,
    steps=7,
    versions={},
    shown=("goal",),
)


def pilot(deviation: float = 0.0, **changes: Any) -> Learned:
    """Go straight to the goal: ten times the difference, clipped, is the displacement of 0.1 m per unit."""
    weights = {"layers.0.weight": 10.0 * np.hstack([-np.eye(2), np.eye(2)]).astype(np.float32)}
    weights["layers.0.bias"] = np.zeros(2, np.float32)
    if deviation:
        weights["spread.bias"] = np.full(2, np.log(deviation), np.float32)
    return Learned(INFO.__class__(**{**vars(INFO), **changes}), weights)


def goals(split: str) -> np.ndarray:
    return protocol_goals(f"meta_rl/point-robot-{split}", (POINT,), 0)[1][POINT]


def best_return(goal: np.ndarray, steps: int = 20) -> float:
    """Minus the distances after moves of at most 0.1 m along each axis."""
    at, total = np.zeros(2), 0.0
    for _ in range(steps):
        at = at + np.clip(goal - at, -0.1, 0.1)
        total -= float(np.hypot(*(goal - at)))
    return total


@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
def test_noise_is_what_the_learner_explores_with(algorithm: str, tmp_path: Path) -> None:
    """Mean and deviation of the library's own actor, squashed or clipped as it does, are the oracle."""
    pytest.importorskip("stable_baselines3", reason="Stable-Baselines3 is not installed (extra learn)")
    import torch

    from metasim.policies.training import TrainConfig
    from metasim.policies.training.learner import make_learner, policy_of

    more = {"goals": "meta_rl/point-robot-train", "show_goals": True}
    config = TrainConfig(algorithm=algorithm, task=POINT, out=tmp_path, num_envs=2, changes={"hidden": (16,)}, **more)
    learner = make_learner(config)
    rng = np.random.default_rng(0)
    observation, noise = rng.normal(0, 0.5, (50, 4)), rng.normal(size=(50, 2)).astype(np.float32)
    normalizer = learner.get_vec_normalize_env()
    assert normalizer is not None and learner.observation_space.shape == (4,)
    seen = torch.as_tensor(normalizer.normalize_obs(observation), dtype=torch.float32)
    with torch.no_grad():
        policy = learner.policy
        if algorithm == "sac":
            mean, log_deviation, _ = policy.actor.get_action_dist_params(seen)  # type: ignore[operator, union-attr]
            wanted = torch.tanh(mean + log_deviation.exp() * torch.as_tensor(noise))
        else:
            found = policy.get_distribution(seen).distribution  # type: ignore[operator]
            wanted = torch.clip(found.mean + found.stddev * torch.as_tensor(noise), -1.0, 1.0)
    mine = policy_of(learner, config)
    np.testing.assert_allclose(mine.act(observation, noise), wanted.numpy(), rtol=1e-4, atol=1e-5)
    assert mine.info.shown == ("goal",) and mine.explores
    learner.env.close()  # type: ignore[union-attr]


def test_the_file_keeps_what_is_shown(tmp_path: Path) -> None:
    policy = load_policy(pilot(deviation=0.3).save(tmp_path / "p.safetensors"))
    assert policy.info.shown == ("goal",)
    noise = np.ones((1, 2), np.float32)
    np.testing.assert_allclose(policy.act(np.zeros((1, 4)), noise), np.full((1, 2), 0.3), rtol=1e-6)
    assert b"shown" not in pilot(shown=()).to_bytes(), "files and names from before have no such entry"


def test_names_say_the_noise(tmp_path: Path) -> None:
    file = pilot(deviation=0.3).save(tmp_path / "p.safetensors")
    plain, noisy = saved(file), saved(f"{file}:noise=1.0")
    assert noisy == f"{plain}:noise=1" and saved(f"{file}:noise=0") == plain
    again = pickle.loads(pickle.dumps(noisy))
    assert again == noisy and again.path == str(file.resolve())
    assert CollectConfig(tasks=(POINT,), out=tmp_path / "x.h5", policy=noisy).policy is noisy
    assert POLICIES[f"{plain}:noise=0.5"](TASKS[POINT], 3) is not None
    with pytest.raises(InvalidConfig, match="noise"):
        saved(f"{file}:nose=1")
    quiet = pilot().save(tmp_path / "quiet.safetensors")
    with pytest.raises(InvalidPolicy, match="does not say what it explored with"):
        POLICIES[saved(f"{quiet}:noise=1")](TASKS[POINT], 1)


def test_a_rows_action_does_not_depend_on_the_batch(tmp_path: Path) -> None:
    """With noise, over the borders of what is drawn at once, and begun at different times."""
    name = saved(f"{pilot(deviation=0.3).save(tmp_path / 'p.safetensors')}:noise=1")
    kind = TASKS[POINT]
    seeds = [EpisodeSeed(root=0, task=POINT, episode=i) for i in range(5)]
    values = np.random.default_rng(0).uniform(-1, 1, (5, 2))
    many, alone = POLICIES[name](kind, 5), [POLICIES[name](kind, 1) for _ in seeds]
    many.reset(np.arange(5), seeds)
    many.show(np.arange(5), {"goal": values})
    for one, seed, value in zip(alone, seeds, values, strict=True):
        one.reset(np.arange(1), [seed])
        one.show(np.arange(1), {"goal": value[None]})
    seen = np.random.default_rng(1).uniform(-1, 1, (CHUNK_STEPS + 3, 5, 2))
    for observation in seen:
        action = many.act(observation)
        parts = [one.act(observation[i : i + 1])[0] for i, one in enumerate(alone)]
        np.testing.assert_array_equal(action, parts)
    assert not np.array_equal(action[0], action[1])


def test_evaluations_show_what_the_policy_needs(tmp_path: Path) -> None:
    """A policy that goes straight to the hidden goal gets the return of doing so, on every test task."""
    name = saved(pilot().save(tmp_path / "p.safetensors"))
    config = EvaluateConfig(tasks=(POINT,), policy=name, episodes=10, goals="meta_rl/point-robot-test", worlds=3)
    rows = evaluate(config).episodes
    wanted = [best_return(goals("test")[i % 5]) for i in range(10)]
    np.testing.assert_allclose([row.episode_return for row in rows], wanted, atol=1e-5)
    env = metasim.make_vec(POINT, 2)
    observation, _ = env.reset(seed=0)
    with pytest.raises(InvalidPolicy, match="with the episode's goal shown"):
        POLICIES[name](TASKS[POINT], 2).act(observation)
    env.close()


def test_what_is_shown_is_not_written(tmp_path: Path) -> None:
    """Recordings have the task's own observations, and the same bytes with any number of worlds."""
    name = saved(f"{pilot(deviation=0.2).save(tmp_path / 'p.safetensors')}:noise=1")
    options = {"policy": name, "episodes": 10, "keep": "all", "tail": None, "goals": "meta_rl/point-robot-test"}
    one = collect(CollectConfig(tasks=(POINT,), out=tmp_path / "one.h5", worlds=1, **options))
    many = collect(CollectConfig(tasks=(POINT,), out=tmp_path / "many.h5", worlds=7, **options))
    assert one.read_bytes() == many.read_bytes()
    assert verify(one).ok and verify(one).bit_identical == 10
    with Dataset(one) as data:
        assert {tuple(cast(h5py.Group, demo.group["obs"])) for demo in data} == {("position",)}
        for i, demo in enumerate(data):
            assert demo.info.policy == name and demo.observation.shape == (20, 2)
            np.testing.assert_array_equal(demo.sample["goal"], goals("test")[i % 5])
            off = np.clip(10.0 * (demo.sample["goal"] - demo.observation), -1, 1) - demo.array("actions")
            assert 0.01 < np.abs(off).mean() < 0.3, "goes to the goal, with noise"
