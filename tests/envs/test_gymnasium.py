"""What gymnasium demands of every task in every engine, and what users rely on beyond it."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import metasim
from metasim.core.errors import InvalidAction, InvalidConfig, NotReady, UnknownName
from metasim.tasks.metaworld.protocols import MT10, MT50

ENGINES = ("mujoco", "pybullet")
ODD_ONES = tuple(f"metaworld/{name}-v3" for name in ("coffee-pull", "hammer", "stick-pull", "bin-picking"))
EVERYWHERE = [("mujoco", id) for id in MT50]
EVERYWHERE += [("pybullet", id) for id in (*MT10, *ODD_ONES)]


# objects may be anywhere, so their observations have no bounds, as in the original
@pytest.mark.filterwarnings("ignore:.*A Box observation space m.* is .*infinity")
@pytest.mark.parametrize(("backend", "id"), EVERYWHERE)
def test_checker_accepts_every_task(id: str, backend: str) -> None:
    env = gym.make(id, backend=backend)
    check_env(env.unwrapped, skip_render_check=True)
    env.close()


@pytest.mark.parametrize(("backend", "id"), EVERYWHERE)
def test_task_contract(id: str, backend: str) -> None:
    """Finite, seeded, no shared memory, no constant observation, random starts."""
    envs = metasim.make_vec(id, 3, backend=backend)
    first, _ = envs.reset(seed=7)
    again, _ = envs.reset(seed=7)
    np.testing.assert_array_equal(first, again)
    assert not np.shares_memory(first, again)
    assert (first[0] != first[1]).any()
    other, _ = envs.reset(seed=8)
    assert (other != first).any()
    rng = np.random.default_rng(0)
    seen = [envs.step(rng.uniform(-1, 1, (3, 4)).astype(np.float32)) for _ in range(12)]
    observations = np.array([s[0] for s in seen])
    assert np.isfinite(observations).all()
    assert envs.observation_space.contains(seen[-1][0])
    assert (np.ptp(observations[:, :, :3], axis=0) > 0).all()
    assert all(
        s[1].dtype == np.float64 and s[1].shape == (3,) and (s[1] >= 0).all() and (s[1] <= 10).all() for s in seen
    )
    kept = seen[0][0].copy()
    envs.step(np.zeros((3, 4), np.float32))
    np.testing.assert_array_equal(kept, seen[0][0])
    envs.close()


@pytest.mark.parametrize("backend", ENGINES)
def test_one_world_or_many_is_the_same_episode(backend: str) -> None:
    actions = np.random.default_rng(1).uniform(-1, 1, (20, 5, 4)).astype(np.float32)
    many = metasim.make_vec("metaworld/push-v3", 5, backend=backend)
    one = metasim.make("metaworld/push-v3", backend=backend)
    observations, _ = many.reset(seed=3)
    single, _ = one.reset(seed=3, options={"episode": 4})
    np.testing.assert_array_equal(single, observations[4])
    for action in actions:
        observations, rewards, *_ = many.step(action)
        single, reward, *_ = one.step(action[4])
        np.testing.assert_array_equal(single, observations[4])
        assert reward == rewards[4]
    many.close()
    one.close()


def test_ids_work_whichever_is_imported_first() -> None:
    assert gym.make_vec("metaworld/reach-v3", num_envs=2).num_envs == 2
    assert gym.spec("metaworld/push-v3").vector_entry_point is not None


def run(mode: str, steps: int, horizon: int = 3) -> list[tuple]:
    envs = metasim.make_vec("metaworld/reach-v3", 2, autoreset_mode=mode, horizon=horizon)
    log = [envs.reset(seed=0)]
    log += [envs.step(np.full((2, 4), 0.5, np.float32)) for _ in range(steps)]
    envs.close()
    return log


def test_autoreset_same_step_gives_final_observation_and_the_next_episode() -> None:
    same, plain = run("same_step", 4), run("disabled", 3)
    done = same[3]
    assert done[3].all()
    np.testing.assert_array_equal(np.stack(done[4]["final_obs"]), plain[3][0])
    assert done[4]["_final_obs"].all() and done[4]["final_info"]["_success"].all()
    envs = metasim.make_vec("metaworld/reach-v3", 2, autoreset_mode="disabled")
    second, _ = envs.reset(seed=0, options={"episodes": [2, 3]})
    np.testing.assert_array_equal(done[0], second)


def test_autoreset_next_step_spends_a_step_on_the_reset() -> None:
    following, same = run("next_step", 5), run("same_step", 4)
    assert following[3][3].all() and not following[4][3].any()
    np.testing.assert_array_equal(following[4][0], same[3][0])  # the reset's observation, one step later
    assert (following[4][1] == 0).all()
    np.testing.assert_array_equal(following[5][0], same[4][0])


def test_disabled_resets_by_mask_and_leaves_the_rest() -> None:
    envs = metasim.make_vec("metaworld/reach-v3", 3, autoreset_mode="disabled")
    envs.reset(seed=0)
    moved, *_ = envs.step(np.full((3, 4), 0.5, np.float32))
    fresh, _ = envs.reset(options={"reset_mask": np.array([False, True, False])})
    np.testing.assert_array_equal(fresh[[0, 2]], moved[[0, 2]])
    assert (fresh[1] != moved[1]).any()


def test_bad_input_is_named() -> None:
    with pytest.raises(UnknownName, match="push-v3"):
        metasim.make("metaworld/pusj-v3")
    with pytest.raises(UnknownName, match="pybullet"):
        metasim.make("metaworld/push-v3", backend="bullet")
    with pytest.raises(InvalidConfig, match="obs_mode"):
        metasim.make("metaworld/push-v3", obs_mode="image")
    with pytest.raises(UnknownName, match="corner2"):
        metasim.make("metaworld/push-v3", obs_mode="pixels", camera="corner22")
    env = metasim.make("metaworld/push-v3")
    with pytest.raises(NotReady, match="reset"):
        env.step(np.zeros(4))
    env.reset(seed=0)
    with pytest.raises(InvalidAction, match=r"\(4,\).*\(3,\)"):
        env.step(np.zeros(3))
    before = env.episodes.backend.state.qpos.copy()
    with pytest.raises(InvalidAction, match="not finite"):
        env.step(np.array([0, np.nan, 0, 0]))
    np.testing.assert_array_equal(before, env.episodes.backend.state.qpos)
    with pytest.raises(InvalidConfig, match="rand_vek"):
        env.reset(options={"sample": {"rand_vek": [0.0]}})
    env.close()
    env.close()
    with pytest.raises(NotReady, match="closed"):
        env.step(np.zeros(4))


def test_snapshot_continues_bit_identically() -> None:
    envs = metasim.make_vec("metaworld/push-v3", 2)
    envs.reset(seed=0)
    actions = np.random.default_rng(2).uniform(-1, 1, (10, 2, 4)).astype(np.float32)
    for action in actions[:5]:
        envs.step(action)
    kept = envs.episodes.snapshot()
    first = [envs.step(action)[0] for action in actions[5:]]
    envs.episodes.restore(kept)
    np.testing.assert_array_equal(first, [envs.step(action)[0] for action in actions[5:]])


def test_dict_observations_are_the_flat_one_by_name() -> None:
    flat, named = metasim.make("metaworld/push-v3"), metasim.make("metaworld/push-v3", obs_mode="dict")
    a, _ = flat.reset(seed=5)
    b, _ = named.reset(seed=5)
    np.testing.assert_array_equal(a, np.concatenate([*b.values()]))
    assert named.observation_space.contains(b)
    assert [c.name for c in flat.observer.layout] == list(b)


def test_a_failed_world_ends_and_the_others_go_on() -> None:
    envs = metasim.make_vec("metaworld/push-v3", 3, autoreset_mode="next_step")
    calm = metasim.make_vec("metaworld/push-v3", 3, autoreset_mode="next_step")
    for e in (envs, calm):
        e.reset(seed=0)
    envs.episodes.backend.targets.mocap_pos[1] = np.nan
    action = np.zeros((3, 4), np.float32)
    observation, reward, terminated, _, info = envs.step(action)
    expected, *_ = calm.step(action)
    assert terminated.tolist() == [False, True, False]
    assert info["_failure"].tolist() == [False, True, False] and info["failure"][1]
    assert np.isfinite(observation).all() and reward[1] == 0
    np.testing.assert_array_equal(observation[[0, 2]], expected[[0, 2]])
    observation, _, terminated, _, _ = envs.step(action)
    assert not terminated.any() and np.isfinite(observation).all()
