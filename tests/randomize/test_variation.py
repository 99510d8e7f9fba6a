"""A varied episode is a function of its seed and its JSON, whatever runs beside it; what varied is gone afterwards."""

import json

import numpy as np
import pytest

from metasim.core.errors import InvalidConfig, MetasimError, UnsupportedFeature
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS
from metasim.envs import EpisodeGroup, Episodes
from metasim.randomize import AXES, sample, scene_key, varied_task

PICK, PUSH = "tabletop/pick-cube-v0", "metaworld/push-v3"
STEPS = 12
NOT_SCENES = ("mass", "friction", "gains", "robot-state", "action-noise", "action-delay", "pushes")


def seed(i: int, task: str = PICK) -> EpisodeSeed:
    return EpisodeSeed(root=11, task=task, episode=i)


def drawn(i: int, axes=NOT_SCENES, split: str = "test", task: str = PICK) -> dict:
    value = sample(dict.fromkeys(axes, split), TASKS[task], seed(i, task))
    if "pushes" in value:
        value["pushes"]["at"] = [1 + i % 3, 6]  # within the few steps taken here
    return value


def acts(seeds: list[EpisodeSeed], size: int) -> np.ndarray:
    return np.stack([s.rng("test").uniform(-1, 1, (STEPS, size)) for s in seeds], axis=1).astype(np.float32)


def states(episodes: Episodes, seeds: list[EpisodeSeed], variations) -> np.ndarray:
    """Dumps ``(T + 1, n, K)`` of episodes in the first worlds, the others idle with the last one."""
    n, extra = len(seeds), episodes.num_worlds - len(seeds)
    rows = np.arange(n + extra)
    seeds, variations = [*seeds, *seeds[-1:] * extra], [*variations, *variations[-1:] * extra]
    episodes.begin(rows, seeds, variations=variations)
    found = [episodes.backend.dump()[:n]]
    for action in acts(seeds, episodes.action_size):
        episodes.advance(action)
        found.append(episodes.backend.dump()[:n])
    return np.array(found)


def bits(array: np.ndarray) -> bytes:
    return np.ascontiguousarray(array).tobytes()


@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
def test_what_was_stored_runs_again_bit_by_bit_alone_or_among_others_in_any_order(engine: str) -> None:
    ids, n = [3, 0, 5], 4
    stored = {i: json.dumps(drawn(i)) for i in ids}
    many, single = Episodes(PICK, engine, n), Episodes(PICK, engine, 1)
    together = states(many, [seed(i) for i in ids], [drawn(i) for i in ids])
    again = states(many, [seed(i) for i in ids[::-1]], [json.loads(stored[i]) for i in ids[::-1]])
    assert bits(again[:, ::-1]) == bits(together)
    for k, i in enumerate(ids[:2]):
        alone = states(single, [seed(i)], [json.loads(stored[i])])
        assert bits(alone[:, 0]) == bits(together[:, k])
    many.close()
    single.close()


def test_one_world_or_sixteen_give_the_same_bytes() -> None:
    many, single = Episodes(PICK, "mujoco", 16), Episodes(PICK, "mujoco", 1)
    ids = list(range(16))
    variations = [drawn(i) if i % 3 else None for i in ids]
    together = states(many, [seed(i) for i in ids], variations)
    for i in (0, 4, 14):
        assert bits(states(single, [seed(i)], [variations[i]])[:, 0]) == bits(together[:, i])
    many.close()
    single.close()


@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
def test_nothing_of_a_variation_is_left_when_the_next_episode_begins_without(engine: str) -> None:
    episodes = Episodes(PICK, engine, 2)
    plain = states(episodes, [seed(0), seed(1)], [None, None])
    varied = states(episodes, [seed(0), seed(1)], [drawn(0), None])
    assert bits(varied[:, 1]) == bits(plain[:, 1]) and bits(varied[:, 0]) != bits(plain[:, 0])
    assert episodes.variations == [drawn(0), None]
    assert bits(states(episodes, [seed(0), seed(1)], [None, {}])) == bits(plain)
    assert episodes.variations == [None, None] and not episodes._varying.at_steps
    episodes.close()


def test_worlds_that_begin_in_the_middle_leave_the_noise_and_delay_of_others_alone() -> None:
    episodes, seeds = Episodes(PICK, "mujoco", 2), [seed(0), seed(1)]
    variations = [drawn(i, ("action-noise", "action-delay")) for i in range(2)]
    whole = states(episodes, seeds, variations)
    episodes.begin(np.arange(2), seeds, variations=variations)
    for t, action in enumerate(acts(seeds, episodes.action_size)):
        if t == 5:
            episodes.begin(np.array([0]), [seed(7)], variations=[drawn(7)])
        episodes.advance(action)
    assert bits(episodes.backend.dump()[1]) == bits(whole[-1, 1])
    episodes.close()


def test_a_snapshot_goes_on_bit_by_bit_in_the_middle_of_noise_delay_and_push() -> None:
    episodes, seeds = Episodes(PICK, "mujoco", 2), [seed(0), seed(1)]
    variations = [drawn(0), None]
    whole = states(episodes, seeds, variations)
    actions = acts(seeds, episodes.action_size)
    episodes.begin(np.arange(2), seeds, variations=variations)
    for action in actions[:3]:
        episodes.advance(action)
    kept = episodes.snapshot()
    states(episodes, seeds[::-1], [None, drawn(4)])
    episodes.restore(kept)
    assert episodes.variations == variations
    for t in range(3, STEPS):
        episodes.advance(actions[t])
        assert bits(episodes.backend.dump()) == bits(whole[t + 1])
    episodes.close()


@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
def test_scenes_are_rebuilt_from_json_bit_by_bit(engine: str) -> None:
    found = []
    for _ in range(2):
        variation = json.loads(json.dumps(drawn(1, ("size", "distractors", "mass"), "train")))
        episodes = Episodes(varied_task(TASKS[PICK], variation), engine, 1)
        found.append(bits(states(episodes, [seed(1)], [variation])))
        np.testing.assert_allclose(episodes.backend.get_parameter("mass", "cube"), 0.06 * variation["mass"], rtol=1e-6)
        np.testing.assert_allclose(episodes.backend.get_parameter("mass", "distractor-0"), 0.1, rtol=1e-6)
        episodes.close()
    assert found[0] == found[1]


def test_worlds_of_another_scene_are_refused() -> None:
    episodes = Episodes(PICK, "mujoco", 1)
    with pytest.raises(InvalidConfig, match="varied_task"):
        episodes.begin(np.arange(1), [seed(0)], variations=[{"size": 1.05}])
    episodes.close()
    episodes = Episodes(varied_task(TASKS[PICK], {"size": 1.05}), "mujoco", 1)
    for other in (None, {"mass": 1.0}, {"size": 0.9}):
        with pytest.raises(InvalidConfig, match="varied_task"):
            episodes.begin(np.arange(1), [seed(0)], variations=[other])
    episodes.begin(np.arange(1), [seed(0)], variations=[{"size": 1.05, "mass": 2.0}])
    episodes.close()


def test_axes_that_a_task_cannot_have_are_refused_when_episodes_begin() -> None:
    episodes = Episodes(PUSH, "mujoco", 1)
    with pytest.raises(UnsupportedFeature, match=r"gains.*metaworld/push-v3.*no actuators"):
        episodes.begin(np.arange(1), [seed(0, PUSH)], variations=[{"gains": {"arm": 1.0}}])
    with pytest.raises(InvalidConfig, match="2 variations"):
        episodes.begin(np.arange(1), [seed(0, PUSH)], variations=[None, None])
    episodes.close()


def test_worlds_of_several_tasks_vary_each_for_itself() -> None:
    tasks = [PUSH, "metaworld/pick-place-v3"]
    seeds = [seed(0, task) for task in tasks]
    variations = [{"mass": 2.0, "action-delay": 1}, None]
    group = EpisodeGroup(tasks, "mujoco")
    observed = group.begin(np.arange(2), seeds, variations=variations)
    lone = Episodes(PUSH, "mujoco", 1)
    first = lone.begin(np.arange(1), seeds[:1], variations=variations[:1])
    for name, value in first.items():
        np.testing.assert_array_equal(observed[name][:1], value)
    actions = acts(seeds, 4)
    for action in actions:
        a, b = group.step(action), lone.step(action[:1])
        np.testing.assert_array_equal(a.reward[:1], b.reward)
    group.close()
    lone.close()


def test_the_key_of_a_scene_leaves_out_where_distractors_stand() -> None:
    keys = {scene_key(drawn(i, ("distractors",))) for i in range(30)}
    assert 1 < len(keys) <= 3
    assert scene_key(drawn(0)) == scene_key(None) == ""
    assert scene_key({"size": 1.05, "mass": 2.0}) == scene_key({"mass": 3.0, "size": 1.05})


def test_variations_are_plain_json() -> None:
    for name, axis in AXES.items():
        if not axis.refuse(TASKS[PICK], "mujoco"):
            value = sample({name: "test"}, TASKS[PICK], seed(0))
            assert json.loads(json.dumps(value, allow_nan=False)) == value


BAD = (
    {"action-delay": 99},
    {"action-noise": -1.0},
    {"pushes": {"body": "nobody", "force": [1.0, 0.0, 0.0], "at": [1], "steps": 2}},
    {"mass": {"cube": -1.0}},
    {"camera": {"fov_scale": 9.0}},
    {"renderer": "crayons"},
)


@pytest.mark.parametrize("bad", BAD, ids=[next(iter(bad)) for bad in BAD])
def test_values_that_cannot_be_are_refused_before_anything_begins(bad: dict) -> None:
    episodes = Episodes(PICK, "mujoco", 2)
    rows, first = np.arange(2), [seed(0), seed(1)]
    episodes.begin(rows, first)
    episodes.advance(np.zeros((2, episodes.action_size), np.float32))
    before, clock = bits(episodes.backend.dump()), episodes.elapsed.copy()
    with pytest.raises(MetasimError):
        episodes.begin(rows, [seed(2), seed(3)], variations=[None, bad])
    assert bits(episodes.backend.dump()) == before
    assert episodes.seeds == first and (episodes.elapsed == clock).all() and episodes.variations == [None, None]
    episodes.close()
