"""Wrappers for all worlds at once against naive ones for a single environment, vectorised by gymnasium."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from metasim.core.errors import InvalidConfig
from metasim.envs.wrappers import HideGoal, NormalizeReward, OneHot, Recurrent

MODES = (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP)


class Toy(gym.Env[np.ndarray, np.ndarray]):
    """Counts its steps; world k ends after 3 + k of them, by turns terminated and truncated."""

    observation_space = gym.spaces.Box(-1e3, 1e3, (3,), np.float64)
    action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def __init__(self, k: int) -> None:
        self._k, self._t, self._episode = k, 0, 0
        self._rng = np.random.default_rng(k)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        self._t, self._episode = 0, self._episode + 1
        return np.array([self._k, 0.0, 7.0]), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self._t += 1
        ended = self._t == 3 + self._k
        odd = self._episode % 2 == 1
        return np.array([self._k, self._t, 7.0]), float(self._rng.normal(2.0)), ended and odd, ended and not odd, {}


class NaiveRecurrent(gym.Wrapper):
    """Appends action, a tenth of the reward and the end to one environment's observation."""

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (7,), np.float64)

    def reset(self, **options: Any) -> tuple[np.ndarray, dict[str, Any]]:
        observation, info = self.env.reset(**options)
        return np.concatenate([observation, np.zeros(4)]), info

    def step(self, action: np.ndarray) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        tail = [*action, float(reward) * 0.1, float(terminated or truncated)]
        return np.concatenate([observation, tail]), reward, terminated, truncated, info


class NaiveExponential(gym.Wrapper):
    """Divides one environment's reward by an exponential average of its deviation, updated twice a step."""

    mean, var = 0.0, 1.0

    def step(self, action: np.ndarray) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        for _ in range(2):
            self.mean += 0.001 * (float(reward) - self.mean)
            self.var += 0.001 * ((float(reward) - self.mean) ** 2 - self.var)
        return observation, float(reward) / (self.var**0.5 + 1e-8), terminated, truncated, info


def vector(mode: AutoresetMode, wrap: Any = lambda env: env, n: int = 3) -> SyncVectorEnv:
    return SyncVectorEnv([lambda k=k: wrap(Toy(k)) for k in range(n)], autoreset_mode=mode)


def roll(env: Any, steps: int = 40) -> list[tuple[Any, ...]]:
    """Run; the final observations stand in the last column."""
    rng = np.random.default_rng(0)
    log: list[tuple[Any, ...]] = [(env.reset(seed=0)[0], None)]
    for _ in range(steps):
        observation, reward, terminated, truncated, info = env.step(rng.uniform(-1, 1, (3, 2)).astype(np.float32))
        finals = [np.asarray(f) for f in info.get("final_obs", ()) if f is not None]
        log.append((observation, reward, terminated, truncated, np.array(finals)))
    return log


def same(left: list[tuple[Any, ...]], right: list[tuple[Any, ...]], atol: float = 0.0) -> None:
    for a, b in zip(left, right, strict=True):
        for x, y in zip(a, b, strict=True):
            if x is not None:
                np.testing.assert_allclose(x, y, rtol=0, atol=atol)


@pytest.mark.parametrize("mode", MODES)
def test_recurrent(mode: AutoresetMode) -> None:
    ours, naive = Recurrent(vector(mode)), vector(mode, NaiveRecurrent)
    found = roll(ours)
    same(found, roll(naive), 1e-15)
    assert all(ours.observation_space.contains(row[0]) for row in found)
    assert ours.single_observation_space.shape == (7,)


def test_recurrent_forgets_the_worlds_that_a_mask_resets() -> None:
    env = Recurrent(vector(AutoresetMode.DISABLED))
    env.reset(seed=0)
    observation, *_ = env.step(np.full((3, 2), 0.5, np.float32))
    assert (observation[:, 3:5] == 0.5).all()
    observation, _ = env.reset(options={"reset_mask": np.array([True, False, False])})
    assert (observation[0, 3:] == 0).all() and (observation[1:, 3:5] == 0.5).all()


@pytest.mark.parametrize("mode", MODES)
def test_one_hot_and_hidden_goal(mode: AutoresetMode) -> None:
    class Naive(gym.ObservationWrapper):
        def observation(self, observation: np.ndarray) -> np.ndarray:
            code = [[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]][int(observation[0])]
            return np.array([observation[0], observation[1], 0.0, *code])

    def wrap(env: gym.Env) -> gym.Env:
        wrapped = Naive(env)
        wrapped.observation_space = gym.spaces.Box(-np.inf, np.inf, (5,), np.float64)
        return wrapped

    ours = OneHot(HideGoal(vector(mode), slice(2, 3)), np.array([1, 0, 1]), 2)
    found = roll(ours)
    same(found, roll(vector(mode, wrap)))
    assert found[0][0].dtype == ours.observation_space.dtype == np.float64
    assert all(ours.observation_space.contains(row[0]) for row in found)
    space: Any = ours.single_observation_space
    assert (space.low[2:], space.high[2:]) == (pytest.approx([0, 0, 0]), pytest.approx([0, 1, 1]))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("method", "naive"), [("return", gym.wrappers.NormalizeReward), ("exponential", NaiveExponential)]
)
def test_reward_normalisation_is_each_worlds_own(mode: AutoresetMode, method: str, naive: Any) -> None:
    wrapped = vector(mode, naive)
    found, expected = roll(NormalizeReward(vector(mode), method)), roll(wrapped)
    same(found, expected, 1e-12)
    assert np.ptp([row[1] for row in found[1:]]) > 0


def test_normalisation_can_be_frozen_and_keeps_the_raw_reward() -> None:
    env = NormalizeReward(vector(AutoresetMode.SAME_STEP), "exponential")
    env.reset(seed=0)
    env.step(np.zeros((3, 2), np.float32))
    env.update = False
    ratios = []
    for _ in range(3):
        _, reward, *_, info = env.step(np.zeros((3, 2), np.float32))
        ratios.append(info["raw_reward"] / reward)
    np.testing.assert_allclose(ratios[0], ratios[2], rtol=1e-12)


def test_bad_settings_are_named() -> None:
    with pytest.raises(InvalidConfig, match="'exponential', got 'minmax'"):
        NormalizeReward(vector(AutoresetMode.SAME_STEP), "minmax")
    with pytest.raises(InvalidConfig, match="alpha"):
        NormalizeReward(vector(AutoresetMode.SAME_STEP), alpha=0.0)
