"""LeRobot's conventions, by doing what its evaluation does with an environment."""

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import metasim
from metasim.adapters.lerobot import LeRobotVecEnv
from metasim.core.errors import InvalidConfig, UnknownName

REACH = "metaworld/reach-v3"


def test_a_rollout_as_their_evaluation_makes_it(cart_pole) -> None:
    env = LeRobotVecEnv(
        cart_pole, 3, horizon=6, agent_pos=("cart", "speeds"), environment_state=True, width=24, height=16
    )
    observation, info = env.reset(seed=[4, 5, 6], options={"lerobot_new_rollout": True})
    assert info["is_success"].tolist() == [False] * 3
    assert env.call("_max_episode_steps")[0] == 6
    assert list(env.call("task_description")) == ["keep the pole upright"] * 3 == list(env.get_attr("task_description"))
    assert list(env.call("task")) == [cart_pole] * 3
    assert env.unwrapped.metadata["render_fps"] == 25
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    done, steps = np.zeros(3, bool), 0
    while not done.all() and steps < 6:
        pictures = observation["pixels"]["side"]
        assert pictures.shape == (3, 16, 24, 3) and pictures.dtype == np.uint8 and pictures.std() > 0
        assert observation["agent_pos"].shape == (3, 3) and observation["environment_state"].shape == (3, 4)
        assert env.observation_space.contains(observation)
        observation, _, terminated, truncated, info = env.step(np.zeros((3, 1), np.float32))
        done, steps = terminated | truncated | done, steps + 1
    assert steps == 6 and isinstance(info["final_info"], dict)
    assert info["final_info"]["is_success"].tolist() == [True] * 3
    assert env.single_observation_space.contains(info["final_obs"][0])
    assert [picture.shape for picture in env.call("render")] == [(16, 24, 3)] * 3
    env.close()


def test_its_numbers_are_the_batchs_own() -> None:
    ours = LeRobotVecEnv(REACH, 2, agent_pos=("hand", "gripper"), cameras=(), environment_state=True)
    batch = metasim.make_vec(REACH, 2, autoreset_mode="same_step")
    seen, (flat, _) = ours.reset(seed=0)[0], batch.reset(seed=0)
    assert set(seen) == {"agent_pos", "environment_state"} == set(ours.observer.space.spaces)
    for _ in range(3):
        np.testing.assert_array_equal(seen["agent_pos"], flat[:, :4])  # their Meta-World has these four, too
        np.testing.assert_array_equal(seen["environment_state"], flat)
        action = np.full((2, 4), 0.3, np.float32)
        seen, flat = ours.step(action)[0], batch.step(action)[0]
    ours.close()
    batch.close()


def test_what_it_refuses(cart_pole) -> None:
    with pytest.raises(UnknownName, match="'cart'"):
        LeRobotVecEnv(cart_pole, agent_pos=("kart",))
    with pytest.raises(UnknownName, match="side"):
        LeRobotVecEnv(cart_pole, cameras=("site",))
    with pytest.raises(InvalidConfig, match="4 x 4"):
        LeRobotVecEnv(cart_pole, width=3)
    with pytest.raises(InvalidConfig, match="autoreset_mode"):
        LeRobotVecEnv(cart_pole, autoreset_mode="next_step")
    env = LeRobotVecEnv(cart_pole, cameras=())
    with pytest.raises(InvalidConfig, match="reset options"):
        env.reset(options={"sampel": 1})
    env.close()
