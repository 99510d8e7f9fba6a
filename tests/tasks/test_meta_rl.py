"""The meta-RL families: kinematics and rewards against formulas, hidden tasks, splits, environments by id."""

from collections.abc import Iterator
from typing import Any

import mujoco
import numpy as np
import pytest

import metasim
from metasim.benchmarks.runner import EvaluateConfig, evaluate
from metasim.core.errors import InvalidConfig, InvalidState, UnknownName
from metasim.core.protocol import PROTOCOLS
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS
from metasim.envs.episodes import Episodes
from metasim.model.assets import locate
from metasim.tasks.meta_rl import FAMILIES as EVERY
from metasim.tasks.meta_rl import benchmark
from metasim.tasks.metaworld.protocols import ml1

ENGINES = ["mujoco", "pybullet"]
FAMILIES = {name: family for name, family in EVERY.items() if name != "reach"}
SIZES = {"point": (2, 2), "cheetah": (20, 6), "ant": (27, 8), "hopper": (11, 3), "walker": (17, 6)}
FILES = {"cheetah": ("half_cheetah.xml", 5), "ant": ("ant.xml", 5), "hopper": ("hopper.xml", 4)}
FILES["walker"] = ("walker2d_v5.xml", 5)
VELOCITIES, GOAL = (
    [0.8602143330156432, 0.2732030596806184, 0.2949792669075699],
    [-0.822069093514781, 0.6679055593785168],
)
RANGES = {"goal": (-1.0, 1.0), "velocity": (0.0, 3.0), "angle": (0.0, 2 * np.pi), "log_scales": (-3.0, 3.0)}


def kind(family: str) -> str:
    return family.partition("-")[0]


def begun(family: str, engine: str, worlds: int = 3, **overrides: Any) -> tuple[Episodes, Any]:
    pytest.importorskip(engine)
    task = FAMILIES[family].task
    episodes = Episodes(task, engine, worlds)
    seeds = [EpisodeSeed(root=1, task=task, episode=i) for i in range(worlds)]
    return episodes, episodes.begin(np.arange(worlds), seeds, overrides)


def flat(observation: Any) -> Any:
    return np.concatenate([*observation.values()], axis=1)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    pytest.importorskip(request.param)
    yield request.param


@pytest.mark.parametrize("family", FAMILIES)
def test_sizes_and_horizons_are_those_published(family: str) -> None:
    task: Any = TASKS[FAMILIES[family].task]
    assert task.horizon == (20 if family == "point-robot" else 200)
    episodes, observation = begun(family, "mujoco")
    assert (flat(observation).shape[1], episodes.action_size) == SIZES[kind(family)]
    if family != "point-robot":
        assert episodes.control_period_s == task.step_s
    episodes.close()


def test_the_point_goes_exactly_where_it_is_told(engine: str) -> None:
    goals = np.array([[0.3, 0.0], [-0.5, 0.9], [1.0, 1.0]])
    episodes, observation = begun("point-robot", engine, goal=goals)
    np.testing.assert_array_equal(flat(observation), np.zeros((3, 2)))
    rng = np.random.default_rng(0)
    at = np.zeros((3, 2))
    for step in range(20):
        action = rng.uniform(-2, 2, (3, 2)).astype(np.float32)
        done = episodes.step(action)
        at += 0.1 * np.clip(action.astype(float), -1, 1)
        np.testing.assert_allclose(flat(done.observation), at, atol=1e-12)
        np.testing.assert_allclose(done.reward, -np.linalg.norm(at - goals, axis=1), atol=1e-12)
        assert done.truncated.all() == (step == 19) and not done.terminated.any()
    episodes.close()


def test_the_point_succeeds_within_a_centimetre_on_each_axis(engine: str) -> None:
    episodes, _ = begun("point-robot", engine, goal=[[0.1, 0.1], [0.109, 0.091], [0.111, 0.1]])
    assert episodes.step(np.ones((3, 2))).success.tolist() == [True, True, False]
    episodes.close()


def expected(family: str, task: Any, before: Any, after: Any, period_s: float, action: Any) -> Any:
    """Return the published reward, from positions before and after."""
    velocity, effort = (after - before) / period_s, (np.asarray(action, float) ** 2).sum(axis=1)
    match family:
        case "cheetah-vel":
            return -abs(velocity[:, 0] - task[:, 0]) - 0.05 * effort
        case "cheetah-dir":
            return task[:, 0] * velocity[:, 0] - 0.05 * effort
        case "ant-dir":
            heading = np.stack([np.cos(task[:, 0]), np.sin(task[:, 0])], axis=1)
            return (velocity * heading).sum(axis=1) - 0.5 * effort + 1
        case _:
            return velocity[:, 0] + (family == "walker-param") - 1e-3 * effort


@pytest.mark.parametrize("family", [f for f in FAMILIES if f != "point-robot"])
def test_rewards_and_observations_follow_from_the_states(family: str, engine: str) -> None:
    episodes, observation = begun(family, engine)
    task = episodes.draw([s for s in episodes.seeds if s])[FAMILIES[family].factor]
    rng, state = np.random.default_rng(0), episodes.backend.state
    hidden = 2 if family == "ant-dir" else 1
    for _ in range(15):
        before = state.qpos[:, :2].copy()
        action = rng.uniform(-1, 1, (3, episodes.action_size)).astype(np.float32)
        done = episodes.step(action)
        wanted = expected(family, task, before, state.qpos[:, :2], episodes.control_period_s, action)
        np.testing.assert_allclose(done.reward, wanted, atol=1e-9)
        speeds = np.clip(state.qvel, -10, 10) if "param" in family else state.qvel
        columns = [state.qpos[:, hidden:], speeds]
        if kind(family) == "cheetah":
            columns.append(np.stack([state.qpos[:, 0], np.zeros(3), state.qpos[:, 1] + 0.7], axis=1))
        np.testing.assert_allclose(flat(done.observation), np.concatenate(columns, axis=1), atol=1e-9)
        assert not done.terminated.any() and not done.success.any()
    episodes.close()


@pytest.mark.parametrize("family", ["cheetah-vel", "ant-dir"])
def test_bodies_move_as_gymnasiums_files_do(family: str) -> None:
    episodes, _ = begun(family, "mujoco")
    file, substeps = FILES[kind(family)]
    model = mujoco.MjModel.from_xml_path(str(locate(f"gymnasium:{file}")))
    data = mujoco.MjData(model)
    state = episodes.backend.state
    data.qpos[:], data.qvel[:] = state.qpos[1], state.qvel[1]
    rng = np.random.default_rng(3)
    for _ in range(4):
        action = rng.uniform(-1, 1, (3, model.nu)).astype(np.float32)
        episodes.step(action)
        data.ctrl[:] = action[1]
        mujoco.mj_step(model, data, substeps)
        np.testing.assert_allclose(state.qpos[1], data.qpos, atol=1e-9)
        np.testing.assert_allclose(state.qvel[1], data.qvel, atol=1e-8)
    episodes.close()


@pytest.mark.parametrize("family", FAMILIES)
def test_an_episode_is_the_same_in_any_batch_and_hides_its_task(family: str, engine: str) -> None:
    entry = FAMILIES[family]
    one, three = Episodes(entry.task, engine, 1), Episodes(entry.task, engine, 3)
    seeds = [EpisodeSeed(root=5, task=entry.task, episode=i) for i in range(3)]
    alone, together = one.begin(np.array([0]), seeds[2:]), three.begin(np.arange(3), seeds)
    np.testing.assert_array_equal(flat(alone)[0], flat(together)[2])
    for name, value in one.draw(seeds[2:]).items():
        np.testing.assert_array_equal(value[0], three.draw(seeds)[name][2])
    other = {entry.factor: three.draw(seeds)[entry.factor][0] * (-1.0 if family == "cheetah-dir" else 0.5)}
    np.testing.assert_array_equal(flat(three.begin(np.arange(3), seeds, other)), flat(together))
    three.begin(np.arange(3), seeds)
    for k in range(3):
        action = np.full((3, one.action_size), 0.3 * k - 0.2, np.float32)
        a, b = one.step(action[:1]), three.step(action)
        np.testing.assert_array_equal(flat(a.observation)[0], flat(b.observation)[2])
        assert a.reward[0] == b.reward[2]
    one.close()
    three.close()


@pytest.mark.parametrize("family", FAMILIES)
def test_splits_are_fixed_and_disjoint(family: str) -> None:
    entry, built = FAMILIES[family], benchmark(family, seed=0)
    train, test = built.train.goals[entry.task], built.test.goals[entry.task]  # type: ignore[union-attr]
    assert built.factor == entry.factor and (len(train), len(test)) == (entry.train, entry.test)
    again = benchmark(family, seed=99, num_goals=50)
    np.testing.assert_array_equal(again.train.goals[entry.task], train)
    if entry.same:
        return
    low, high = RANGES[entry.factor]
    every = np.concatenate([train, test])
    assert len(np.unique(every, axis=0)) == 50 and (every >= low).all() and (every <= high).all()
    fewer = benchmark(family, num_goals=10)
    np.testing.assert_array_equal(fewer.train.goals[entry.task], every[:9])
    np.testing.assert_array_equal(fewer.test.goals[entry.task], every[9:10])  # type: ignore[union-attr]
    assert (benchmark(family, split_seed=1).train.goals[entry.task] != train).all()


def test_reach_has_the_goals_of_ml1_with_the_published_seed() -> None:
    built, id = benchmark("reach", seed=0), "metaworld/reach-v3"
    goals = ml1("reach", seed=3407, num_goals=20).train.goals[id]
    np.testing.assert_array_equal(built.train.goals[id], goals[:15])
    np.testing.assert_array_equal(built.test.goals[id], goals[15:])  # type: ignore[union-attr]
    env = metasim.make_vec("meta_rl/reach-test", seed=0)
    assert env.num_envs == 5 and (env.reset()[0][:, 36:] == 0).all()
    env.close()


def test_the_published_tasks_do_not_change() -> None:
    """Recorded when the suite was made: results of different versions are comparable."""
    velocities = benchmark("cheetah-vel").train.goals["meta_rl/cheetah-vel-v0"][:3, 0]
    np.testing.assert_allclose(velocities, VELOCITIES, atol=1e-12)
    goal = benchmark("point-robot").test.goals["meta_rl/point-robot-v0"][0]  # type: ignore[union-attr]
    np.testing.assert_allclose(goal, GOAL, atol=1e-12)


def test_each_world_of_a_split_has_its_own_task_and_shows_it_only_if_asked() -> None:
    hidden = metasim.make_vec("meta_rl/point-robot-test", seed=3, max_episode_steps=2)
    shown = metasim.make_vec("meta_rl/point-robot-test", seed=3, max_episode_steps=2, goals_visible=True)
    goals = hidden.split.goals["meta_rl/point-robot-v0"]
    assert hidden.num_envs == 5 and [goal.index for goal in hidden.task_goals] == [0, 1, 2, 3, 4]
    first, more = hidden.reset()[0], shown.reset()[0]
    assert first.shape == (5, 2) and shown.single_observation_space.shape == (4,)
    np.testing.assert_array_equal(more, np.concatenate([first, goals], axis=1))
    _, reward, *_ = hidden.step(np.zeros((5, 2), np.float32))
    np.testing.assert_allclose(reward, -np.linalg.norm(goals, axis=1), atol=1e-12)
    hidden.close()
    shown.close()


@pytest.mark.parametrize("mode", ["same_step", "next_step"])
def test_final_observations_show_the_goal_of_their_episode(mode: str) -> None:
    env = metasim.make_vec(
        "meta_rl/point-robot-train",
        2,
        seed=0,
        goal_choice="cycle",
        goals_visible=True,
        max_episode_steps=1,
        autoreset_mode=mode,
    )
    goals = env.split.goals["meta_rl/point-robot-v0"]
    np.testing.assert_array_equal(env.reset()[0][:, 2:], goals[:2])
    observation, *_, info = env.step(np.zeros((2, 2), np.float32))
    if mode == "same_step":
        np.testing.assert_array_equal(np.stack(info["final_obs"])[:, 2:], goals[:2])
    else:
        np.testing.assert_array_equal(observation[:, 2:], goals[:2])
        observation = env.step(np.zeros((2, 2), np.float32))[0]
    np.testing.assert_array_equal(observation[:, 2:], goals[2:4])
    env.close()


def test_chosen_goals_show_from_the_next_episode_on() -> None:
    env = metasim.make_vec("meta_rl/cheetah-dir-train", seed=0, goals_visible=True)
    assert env.reset()[0][:, -1].tolist() == [1.0, -1.0]
    env.set_tasks(env.split.task_goals[:1] * 2)
    assert env.step(np.zeros((2, 6), np.float32))[0][:, -1].tolist() == [1.0, -1.0]
    assert env.reset()[0][:, -1].tolist() == [1.0, 1.0]
    env.close()


def test_random_policies_are_evaluated_on_every_family() -> None:
    ids = tuple(entry.task for entry in FAMILIES.values())
    results = evaluate(EvaluateConfig(tasks=ids, policy="random", episodes=2, horizon=5, worlds=2))
    assert {e.task for e in results.episodes} == set(ids) and all(e.length == 5 for e in results.episodes)


def test_what_makes_no_sense_is_refused() -> None:
    envs = metasim.make_vec("meta_rl/cheetah-dir-v0", 1)
    with pytest.raises(InvalidState, match="direction must be 1 or -1"):
        envs.reset(options={"sample": {"direction": [0.5]}})
    envs.close()
    with pytest.raises(UnknownName, match="cheetah-vel"):
        benchmark("cheetah-vell")
    for bad in (1, 2.5, True):
        with pytest.raises(InvalidConfig, match="num_goals"):
            benchmark("ant-dir", num_goals=bad)  # type: ignore[arg-type]
    assert {f"meta_rl/{name}-{split}" for name in EVERY for split in ("train", "test")} <= set(PROTOCOLS)
