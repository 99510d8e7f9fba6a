"""The classic suite on MuJoCo against gymnasium's own v5 environments, from the same states with the same actions."""

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from scipy.stats import ks_2samp

from metasim.core.errors import UnknownName
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS
from metasim.envs.episodes import Episodes
from metasim.model.assets import locate
from metasim.tasks.classic.family import ClassicTask

ORIGINALS = {
    "cart-pole": "InvertedPendulum-v5",
    "reacher": "Reacher-v5",
    "half-cheetah": "HalfCheetah-v5",
    "hopper": "Hopper-v5",
    "walker2d": "Walker2d-v5",
    "ant": "Ant-v5",
    "humanoid": "Humanoid-v5",
}
SUNK_M = {"half-cheetah": 0.2, "hopper": 0.2, "walker2d": 0.2, "ant": 0.6, "humanoid": 0.4}
"""How far the bodies that run are put into the floor at most."""
WRENCH = {"ant": 78, "humanoid": 78}
"""How many numbers at the end of an observation are wrenches."""
STATES = 100
EXACT = 1e-9


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Any]]:
    """The originals without wrappers; what their files warn of goes into a log in a folder of its own."""
    with contextlib.chdir(tmp_path_factory.mktemp("log")), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        envs = {name: gym.make(id).unwrapped for name, id in ORIGINALS.items()}
        yield envs
        for env in envs.values():
            env.close()


def seeds(count: int) -> list[EpisodeSeed]:
    """Seeds of some episodes."""
    return [EpisodeSeed(root=0, task="classic", episode=k) for k in range(count)]


def opened(name: str, worlds: int = STATES) -> Episodes:
    """Episodes of a task, begun."""
    episodes = Episodes(f"classic/{name}-v0", "mujoco", worlds)
    episodes.begin(np.arange(worlds), seeds(worlds))
    return episodes


def flat(observation: Mapping[str, Any]) -> np.ndarray:
    """An observation as one array ``(N, K)``."""
    return np.concatenate([*observation.values()], axis=1)


def one_step(name: str, env: Any, *, lifted: bool) -> dict[str, np.ndarray]:
    """From 100 states, differences of observations before, coordinates, observations, rewards, ends; and whether free.

    States: those of a reset with random velocities; bodies that run are lifted by 3 m, or sunk into the floor.
    """
    episodes, rng = opened(name), np.random.default_rng(1)
    task, backend = episodes.task, episodes.backend
    assert isinstance(task, ClassicTask)
    qpos = backend.state.qpos.copy()
    qvel = backend.state.qvel + rng.normal(size=backend.state.qvel.shape) * (0.1 if lifted else 0.3)
    if name in SUNK_M:
        qpos[:, task.body.hidden] += 3.0 if lifted else -rng.uniform(0.0, SUNK_M[name], STATES)
    backend.write_state(qpos, qvel)
    episodes.memory = dict(task.begin(backend.state, episodes.draw(seeds(STATES))))
    before = flat(task.observe(backend.state, episodes.memory))
    action = rng.uniform(-1.0, 1.0, (STATES, episodes.action_size)).astype(np.float32)
    step = episodes.step(action)
    after, rows = flat(step.observation), []
    for i in range(STATES):
        mujoco.mj_resetData(env.model, env.data)
        env.set_state(qpos[i], qvel[i])
        touching, first = env.data.ncon, np.abs(env._get_obs() - before[i]).max()
        seen, reward, ended, _, _ = env.step(action[i].astype(float) * env.model.actuator_ctrlrange[:, 1])
        coordinates = np.concatenate([env.data.qpos - backend.state.qpos[i], env.data.qvel - backend.state.qvel[i]])
        rows.append(
            {
                "before": first,
                "coordinates": np.abs(coordinates).max(),
                "observation": np.abs(seen - after[i]),
                "reward": abs(reward - step.reward[i]),
                "ended": float(ended != step.terminated[i]),
                "free": float(touching + env.data.ncon == 0),
                "size": np.abs(seen).max(),
            }
        )
    episodes.close()
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


@pytest.mark.parametrize("name", ORIGINALS)
def test_a_step_in_the_air_is_the_originals(name: str, originals: Mapping[str, Any]) -> None:
    """Contact-free: coordinates, observation and reward to 1e-9, joint limits included."""
    found = one_step(name, originals[name], lifted=True)
    assert found["free"].all()
    for key in ("before", "coordinates", "observation", "reward", "ended"):
        assert found[key].max() <= EXACT, key


@pytest.mark.parametrize("name", SUNK_M)
def test_a_step_on_the_ground_is_the_originals_but_for_observed_wrenches(
    name: str, originals: Mapping[str, Any]
) -> None:
    """Coordinates are equal in contact, too. Wrenches of ant and humanoid are taken a little beside the original's.

    Measured here: humanoid's within 0.5 % of the largest number observed, its reward within 0.03; ant's, clipped to
    [-1, 1], flip where a contact is about to begin or end, in one state of six; its reward is within 0.01.
    """
    found = one_step(name, originals[name], lifted=False)
    touching = found["free"] == 0
    assert touching.mean() > 0.4
    wrench = WRENCH.get(name, 0)
    places = found["observation"][:, : found["observation"].shape[1] - wrench]
    for values in (found["before"], found["coordinates"], found["ended"], places):
        assert values.max() <= EXACT
    if not wrench:
        assert found["reward"].max() <= EXACT
        return
    off = found["observation"][:, -wrench:].max(axis=1)
    assert np.median(off[touching] / found["size"][touching]) < (5e-3 if name == "humanoid" else 0.05)
    assert found["reward"].max() < (0.05 if name == "humanoid" else 0.015)


@pytest.mark.parametrize("name", ORIGINALS)
def test_spaces_times_and_starts_are_the_originals(name: str, originals: Mapping[str, Any]) -> None:
    env, episodes = originals[name], opened(name, 1)
    task = episodes.task
    assert isinstance(task, ClassicTask)
    assert flat(episodes.example(seeds(1)[0])).shape[1:] == env.observation_space.shape
    assert (episodes.action_size,) == env.action_space.shape
    assert episodes.control_period_s == task.body.period_s == env.dt
    assert episodes.horizon == gym.spec(ORIGINALS[name]).max_episode_steps
    assert tuple(task.body.joints) == episodes.model.info.joints
    assert (task.body.qpos_size, task.body.qvel_size) == (env.model.nq, env.model.nv)
    np.testing.assert_array_equal(np.concatenate([*task.body.joints.values()]), env.init_qpos)
    episodes.close()


@pytest.mark.parametrize("name", ORIGINALS)
def test_starts_have_the_originals_noise(name: str, originals: Mapping[str, Any]) -> None:
    """400 starts of ours and of the original could be of one distribution, coordinate by coordinate."""
    env, episodes = originals[name], opened(name, 400)
    theirs = []
    for k in range(400):
        env.reset(seed=k)
        theirs.append(np.concatenate([env.data.qpos, env.data.qvel]))
    ours = np.concatenate([episodes.backend.state.qpos, episodes.backend.state.qvel], axis=1)
    for column, (a, b) in enumerate(zip(ours.T, np.array(theirs).T, strict=True)):
        _, chance = cast(tuple[float, float], ks_2samp(a, b))
        assert chance > 1e-4, column
    episodes.close()


@pytest.mark.parametrize("name", ["half-cheetah", "hopper", "walker2d"])
def test_an_episode_stays_on_the_originals_track(name: str, originals: Mapping[str, Any]) -> None:
    """Sixty random actions from a reset, contacts and ends included: rewards and observations as the original's."""
    env, episodes, rng = originals[name], opened(name, 1), np.random.default_rng(3)
    env.reset(seed=0)
    env.set_state(episodes.backend.state.qpos[0].copy(), episodes.backend.state.qvel[0].copy())
    for _ in range(60):
        action = rng.uniform(-1.0, 1.0, (1, episodes.action_size)).astype(np.float32)
        step = episodes.step(action)
        seen, reward, ended, _, _ = env.step(action[0].astype(float))
        np.testing.assert_allclose(flat(step.observation)[0], seen, atol=1e-6)
        assert step.reward[0] == pytest.approx(reward, abs=1e-6)
        assert step.terminated[0] == ended
    episodes.close()


def test_every_task_of_the_suite_has_an_original() -> None:
    assert {id for id in TASKS if id.startswith("classic/")} == {f"classic/{name}-v0" for name in ORIGINALS}


def test_files_are_gymnasiums_own() -> None:
    assert locate("gymnasium:ant.xml") == Path(gym.__file__).parent / "envs" / "mujoco" / "assets" / "ant.xml"
    with pytest.raises(UnknownName, match="half_cheetah.xml"):
        locate("gymnasium:half-cheetah.xml")
