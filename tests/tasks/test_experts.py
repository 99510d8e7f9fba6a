"""The scripted Meta-World experts as functions: batches, bounds, purity, and their work on an ideal hand."""

import pickle

import numpy as np
import pytest

from metasim.core.task import TASKS
from metasim.tasks.metaworld.experts import EXPERTS, Expert

ROWS = 64
READ = [*range(0, 14), *range(18, 22), *range(29, 32), *range(36, 39)]  # now; then hand, opening, second object; goal


def observations(rows: int = ROWS, seed: int = 0) -> np.ndarray:
    """Observations (rows, 39) of which half have the hand within a few centimetres of the object."""
    rng = np.random.default_rng(seed)
    obs = rng.normal(size=(rows, 39))
    obs[:, 36:39] = rng.uniform((-0.3, 0.4, 0.0), (0.3, 0.9, 0.3), (rows, 3))
    obs[:, 4:7] = rng.uniform((-0.3, 0.4, 0.0), (0.3, 0.9, 0.3), (rows, 3))
    obs[:, 0:3] = rng.uniform((-0.5, 0.4, 0.05), (0.5, 1.0, 0.5), (rows, 3))
    near = rng.random(rows) < 0.5
    obs[near, 0:3] = obs[near, 4:7] + rng.uniform((-0.03, -0.03, -0.01), (0.03, 0.03, 0.06), (near.sum(), 3))
    obs[:, 18:21] = obs[:, 0:3] + rng.normal(scale=0.005, size=(rows, 3))
    obs[:, 3] = rng.uniform(0.2, 1.0, rows)
    obs[:, 21] = obs[:, 3] + rng.normal(scale=0.02, size=rows)
    return obs


def bits(action: np.ndarray) -> bytes:
    return np.ascontiguousarray(action).tobytes()


@pytest.fixture(params=sorted(EXPERTS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_every_task_has_an_expert() -> None:
    assert {f"metaworld/{name}-v3" for name in EXPERTS} == {id for id in TASKS if id.startswith("metaworld/")}


@pytest.mark.parametrize("rows", [1, 2, 7, 64])
def test_a_batch_gives_the_bits_of_its_rows(name: str, rows: int) -> None:
    obs = observations(rows, seed=rows)
    singly = [EXPERTS[name](row[None]) for row in obs]
    assert bits(EXPERTS[name](obs)) == bits(np.concatenate(singly))


def test_memory_layout_does_not_matter(name: str) -> None:
    obs = observations()
    want = bits(EXPERTS[name](obs))
    assert bits(EXPERTS[name](np.asfortranarray(obs))) == want
    assert bits(EXPERTS[name](np.repeat(obs, 2, axis=0)[::2])) == want


def test_actions_lie_in_the_action_space(name: str) -> None:
    action = EXPERTS[name](observations(1000))
    assert action.shape == (1000, 4)
    assert action.dtype == np.float32
    assert np.all(np.abs(action) <= 1.0)
    assert np.all(np.ptp(action[:, :3], axis=0) > 0.1)  # moves along every axis somewhere


def test_the_observation_is_only_read(name: str) -> None:
    obs = observations()
    before = obs.copy()
    obs.setflags(write=False)
    action = EXPERTS[name](obs)
    assert not np.shares_memory(action, obs)
    np.testing.assert_array_equal(obs, before)


def test_nothing_but_the_observation_matters(name: str) -> None:
    obs = observations()
    random_state = np.random.get_state(legacy=False)["state"]["key"]
    want = bits(EXPERTS[name](obs))
    for other in EXPERTS:
        EXPERTS[other](observations(5, seed=1))
    assert bits(EXPERTS[name](obs)) == want
    np.testing.assert_array_equal(np.random.get_state(legacy=False)["state"]["key"], random_state)


def test_unread_slots_of_the_observation_do_not_matter(name: str) -> None:
    obs = observations()
    other = np.full_like(obs, np.nan)
    other[:, READ] = obs[:, READ]
    assert bits(EXPERTS[name](other)) == bits(EXPERTS[name](obs))


@pytest.mark.parametrize("shape", [(39,), (3, 38), (2, 3, 39)])
def test_a_wrong_shape_is_refused(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(N, 39\)"):
        EXPERTS[name](np.zeros(shape))


def test_an_expert_can_be_pickled(name: str) -> None:
    assert pickle.loads(pickle.dumps(EXPERTS[name])) is EXPERTS[name]


class IdealHand:
    """A hand that follows its target with a lag of 3.5 steps; its closed fingers carry a puck along."""

    def __init__(self, obj: np.ndarray, goal: np.ndarray, floor_m: float = 0.05) -> None:
        self.floor_m = floor_m
        self.hand = np.tile((0.0, 0.6, 0.2), (len(obj), 1))
        self.target, self.opening, self.obj, self.goal = self.hand.copy(), np.ones(len(obj)), obj.copy(), goal
        self.last = self.frame()

    def frame(self) -> np.ndarray:
        rest = np.zeros((len(self.hand), 11))
        return np.concatenate([self.hand, self.opening[:, None], self.obj, rest], axis=1)

    def step(self, act: Expert) -> None:
        frame = self.frame()
        action = act(np.concatenate([frame, self.last, self.goal], axis=1)).astype(float)
        self.last = frame
        self.target = np.clip(self.target + 0.01 * action[:, :3], (-0.5, 0.4, self.floor_m), (0.5, 1.0, 0.5))
        move = (self.target - self.hand) / 3.5
        off = np.abs(self.hand - self.obj)
        around = (off[:, 0] < 0.015) & (off[:, 1] < 0.02) & (off[:, 2] < 0.06)
        self.opening = np.clip(self.opening - 0.06 * action[:, 3], np.where(around, 0.45, 0.3), 1.0)
        held = around & (self.opening < 0.46)
        self.hand = self.hand + move
        fallen = np.maximum(self.obj - (0.0, 0.0, 0.02), (-9.0, -9.0, 0.02))
        self.obj = np.where(held[:, None], self.obj + move, fallen)


def ideal(name: str, low: float, high: float) -> tuple[IdealHand, Expert]:
    rng = np.random.default_rng(2)
    obj = rng.uniform((-0.1, 0.6, 0.02), (0.1, 0.7, 0.02), (ROWS, 3))
    return IdealHand(obj, rng.uniform((-0.1, 0.8, low), (0.1, 0.9, high), (ROWS, 3))), EXPERTS[name]


@pytest.mark.parametrize(("name", "low", "high"), [("push", 0.02, 0.02), ("pick-place", 0.05, 0.3)])
def test_an_ideal_hand_brings_the_puck_to_the_goal_and_again_when_it_is_lost(
    name: str, low: float, high: float
) -> None:
    world, act = ideal(name, low, high)
    for _ in range(150):
        world.step(act)
    assert np.all(np.linalg.norm(world.obj - world.goal, axis=1) < 0.02)
    world.obj = world.obj * (1.0, 1.0, 0.0) + (0.06, -0.1, 0.02)  # torn from the fingers
    for _ in range(150):
        world.step(act)
    assert np.all(np.linalg.norm(world.obj - world.goal, axis=1) < 0.02)


@pytest.mark.parametrize("name", ["push", "pick-place"])
def test_a_hand_that_cannot_come_all_the_way_down_grasps_where_it_stops(name: str) -> None:
    world, act = ideal(name, 0.1, 0.1)
    world.floor_m = 0.07  # 2 cm above where it should close
    for _ in range(150):
        world.step(act)
    assert np.all(np.linalg.norm(world.obj - world.goal, axis=1) < 0.02)


def test_an_ideal_hand_brings_its_tips_to_the_goal_without_overshoot() -> None:
    world, act = ideal("reach", 0.05, 0.3)
    start = world.hand.copy()
    furthest = np.zeros(ROWS)
    to_goal = world.goal + (0.0, 0.0, 0.045) - start
    length = np.linalg.norm(to_goal, axis=1)
    for _ in range(100):
        world.step(act)
        furthest = np.maximum(furthest, np.sum((world.hand - start) * to_goal, axis=1) / length)
    assert np.all(np.linalg.norm(world.hand - start - to_goal, axis=1) < 0.005)
    assert np.all(furthest < length + 0.01)
