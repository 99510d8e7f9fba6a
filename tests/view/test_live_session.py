"""A running task without a browser: time, episodes, dragging, engines; and that what is drawn is where things are."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from metasim.core.errors import InvalidConfig, InvalidState, NotReady, UnknownName
from metasim.core.policy import POLICIES
from metasim.core.rotation import rotate
from metasim.core.scene import Box, Capsule, Cylinder, Scene, Sphere
from metasim.core.seeding import EpisodeSeed
from metasim.envs import Episodes, make
from metasim.model import compile_scene
from metasim.view.live import Clock, LiveConfig, Poses, Session, session, shapes

TASK = "metaworld/reach-v3"
DRAWER = "metaworld/drawer-open-v3"


@pytest.fixture
def reach(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """The reach task in MuJoCo, on a machine that is fast enough."""
    monkeypatch.setattr(session, "BUDGET_S", 60.0)
    live = Session(LiveConfig(task=TASK, horizon=30))
    yield live
    live.close()


@pytest.mark.parametrize("backend", ["mujoco", "pybullet"])
def test_bodies_and_sites_are_where_the_engine_says(backend: str) -> None:
    episodes = Episodes(DRAWER, backend, 2)
    try:
        seeds = [EpisodeSeed(root=3, task=DRAWER, episode=i) for i in range(2)]
        observation = episodes.begin(np.arange(2), seeds)
        poses, expert = Poses(episodes.model, 2), POLICIES["expert"](episodes.task, 2)
        poses.refresh(episodes)
        for _ in range(25):
            observation = episodes.step(expert.act(np.concatenate([*observation.values()], axis=1))).observation
        frame, info, state = poses.read(episodes), episodes.model.info, episodes.backend.state
        reads = episodes.model.reads
        assert "drawer_link" in reads.bodies and reads.sites
        for kind, names in (("body", reads.bodies), ("site", reads.sites)):
            pos, quat = frame.of(kind)
            for name in names:
                k, declared = info.index(kind, name), getattr(state, kind)(name)
                np.testing.assert_allclose(pos[:, k], declared.pos, atol=1e-9)
                np.testing.assert_allclose(np.abs(np.vecdot(quat[:, k], declared.quat)), 1.0, atol=1e-9)
        drawer = frame.body_pos[:, info.index("body", "drawer")]
        assert np.abs(drawer[0] - drawer[1]).max() > 1e-3  # each world has its own
    finally:
        episodes.close()


def test_primitives_have_their_volume_and_colour() -> None:
    red = (1.0, 0.0, 0.0, 1.0)
    scene = Scene(
        objects={
            "box": Box(size_m=(0.1, 0.2, 0.3), rgba=red),
            "ball": Sphere(radius_m=0.1),
            "can": Cylinder(radius_m=0.1, height_m=0.3),
            "pill": Capsule(radius_m=0.1, length_m=0.3),
        }
    )
    drawn = {shape.name.rpartition("_")[0]: shape for shape in shapes(compile_scene(scene))}
    ball = 4 / 3 * np.pi * 0.1**3
    wanted = {"box": 0.006, "ball": ball, "can": np.pi * 0.01 * 0.3, "pill": ball + np.pi * 0.01 * 0.3}
    for name, volume in wanted.items():
        a, b, c = np.moveaxis(drawn[name].vertices[drawn[name].faces].astype(float), 1, 0)
        got = float(np.vecdot(a, np.cross(b, c)).sum()) / 6  # divergence theorem; outward faces count positive
        assert got == pytest.approx(volume, rel=0.03)  # 32 corners instead of a circle
    assert drawn["box"].rgba == red
    ground = drawn["world"]
    assert ground.rgba != red and np.ptp(ground.vertices[:, 2]) == 0.0


def test_a_mesh_keeps_its_vertices_and_its_sharp_edges() -> None:
    episodes = Episodes(DRAWER)
    try:
        m, info = episodes.model.visual, episodes.model.info
        geom = next(g for g in range(m.ngeom) if m.geom_type[g] == 7 and m.geom_group[g] < 3)
        body, mesh = int(m.geom_bodyid[geom]), int(m.geom_dataid[geom])
        start = int(m.mesh_vertadr[mesh])
        corners = rotate(m.geom_quat[geom], m.mesh_vert[start : start + int(m.mesh_vertnum[mesh])]) + m.geom_pos[geom]
        drawn = [s for s in shapes(episodes.model) if s.kind == "body" and s.index == body]
        every = np.concatenate([s.vertices for s in drawn])
        for corner in corners[:: max(1, len(corners) // 50)]:
            assert np.abs(every - corner).max(axis=1).min() < 1e-5
        assert info.bodies[body] in {s.name.rpartition("_")[0] for s in drawn}
    finally:
        episodes.close()


def test_a_session_gives_the_rewards_of_the_environment(reach: Session) -> None:
    reach.reset(seed=5)
    for _ in range(20):
        reach.step()
    env = make(TASK, horizon=30)
    try:
        observation, _ = env.reset(seed=5)
        expert, rewards = POLICIES["expert"](reach.task, 1), []
        for _ in range(20):
            observation, reward, *_ = env.step(expert.act(observation[None])[0])
            rewards.append(reward)
    finally:
        env.close()
    assert list(reach.curves()[0]) == rewards
    status = reach.status()
    assert (status.step, status.seed, status.total) == (20, 5, pytest.approx(sum(rewards)))


def test_time_stands_still_while_paused_and_a_step_is_one_step(reach: Session) -> None:
    reach.clock.pause()
    before = reach.episodes.backend.dump()
    assert not reach.tick(10.0)
    np.testing.assert_array_equal(reach.episodes.backend.dump(), before)
    reach.clock.pause(False)
    reach.step()
    assert reach.status().step == 1 and reach.clock.paused


@pytest.mark.parametrize("speed", [0.3, 1.0, 2.5])
def test_real_time_asks_for_as_many_steps_as_it_holds(speed: float) -> None:
    clock, rng = Clock(speed=speed), np.random.default_rng(0)
    ticks = rng.uniform(0.0, 0.05, 1000)
    steps = sum(clock.due(float(tick), 0.0125) for tick in ticks)
    assert abs(steps - ticks.sum() * speed / 0.0125) <= 1.0
    with pytest.raises(InvalidConfig, match="speed must be a positive number"):
        clock.set_speed(0.0)


def test_the_next_episode_begins_when_one_is_over(reach: Session) -> None:
    reach.tick(31 * reach.episodes.control_period_s + 1e-6)
    assert (reach.status().episode, reach.status().step) == (1, 1)
    reach.next_episode()
    assert (reach.status().episode, reach.status().step) == (2, 0)


def test_time_stops_at_the_end_if_nothing_is_to_go_on() -> None:
    live = Session(LiveConfig(task=TASK, horizon=3, go_on=False))
    try:
        for _ in range(5):
            live.step()
        assert live.status().ended and live.status().step == 3 and live.clock.paused
    finally:
        live.close()


def test_worlds_run_episodes_of_their_own_and_only_the_watched_one_is_dragged() -> None:
    live = Session(LiveConfig(task=TASK, num_worlds=3, episode=4))
    try:
        assert [seed.episode for seed in live.seeds] == [4, 5, 6]
        goals = live.episodes.memory["goal"].copy()
        goal = next(handle for handle in live.handles() if handle.name == "goal")
        target = live.start_of(goal) + [0.01, -0.01, 0.0]
        live.drag(goal, np.clip(target, [-0.1, 0.8, 0.05], [0.1, 0.9, 0.3]))
        assert np.abs(live.episodes.memory["goal"] - goals).max(axis=1).astype(bool).tolist() == [True, False, False]
    finally:
        live.close()


def test_a_goal_goes_where_it_is_dragged(reach: Session) -> None:
    for _ in range(3):
        reach.step()
    goal = next(handle for handle in reach.handles() if handle.is_goal)
    reach.drag(goal, np.array([0.05, 0.85, 0.2]))
    info = reach.model.info
    np.testing.assert_allclose(reach.frame().site_pos[0, info.index("site", "goal")], [0.05, 0.85, 0.2], atol=1e-9)
    np.testing.assert_allclose(reach.episodes.memory["goal"][0], [0.05, 0.85, 0.2], atol=1e-9)
    assert reach.status().step == 0


def test_a_goal_out_of_range_changes_nothing(reach: Session) -> None:
    for _ in range(3):
        reach.step()
    goal = next(handle for handle in reach.handles() if handle.is_goal)
    before, sample = reach.episodes.backend.dump(), reach.sample["rand_vec"].copy()
    with pytest.raises(InvalidState, match="train range: number 3 is 0.5, not in -0.1 to 0.1"):
        reach.drag(goal, np.array([0.5, 0.85, 0.2]))
    np.testing.assert_array_equal(reach.episodes.backend.dump(), before)
    np.testing.assert_array_equal(reach.sample["rand_vec"], sample)
    assert reach.status().step == 3


@pytest.mark.parametrize("backend", ["mujoco", "pybullet"])
def test_an_object_goes_where_it_is_dragged(backend: str) -> None:
    live = Session(LiveConfig(task=DRAWER, backend=backend))
    try:
        (drawer,) = live.handles()
        target = live.start_of(drawer) + [0.02 if live.sample["rand_vec"][0] < 0 else -0.02, 0.0, 0.0]
        live.drag(drawer, target)
        np.testing.assert_allclose(drawer.position(live.frame()), target, atol=1e-9)
        assert drawer.axes[0]
    finally:
        live.close()


@pytest.mark.parametrize("backend", ["mujoco", "pybullet"])
def test_a_joint_moves_while_paused_within_its_limits(backend: str) -> None:
    live = Session(LiveConfig(task=DRAWER, backend=backend))
    try:
        with pytest.raises(NotReady, match="pause before you move the joint"):
            live.set_joint("goal_slidey", -0.1)
        live.clock.pause()
        name = "goal_slidey"
        _, low, high = live.joints[name]
        before = live.frame().body_pos[0, live.model.info.index("body", "drawer_link")]
        live.set_joint(name, 0.5 * low)
        assert live.joints[name][0] == pytest.approx(0.5 * low, abs=1e-12)
        after = live.frame().body_pos[0, live.model.info.index("body", "drawer_link")]
        assert np.linalg.norm(after - before) == pytest.approx(abs(0.5 * low), rel=1e-6)
        with pytest.raises(InvalidState, match="outside its limits"):
            live.set_joint(name, high + 1.0)
        with pytest.raises(UnknownName, match="no joint named 'goal_slide'"):
            live.set_joint("goal_slide", 0.0)
    finally:
        live.close()


def test_another_engine_begins_the_same_episode_and_an_unknown_one_changes_nothing(reach: Session) -> None:
    reach.drag(reach.handles()[0], np.array([0.05, 0.85, 0.2]))
    reach.choose_backend("pybullet")
    assert reach.episodes.backend.name == "pybullet" and reach.status().backend == "pybullet"
    np.testing.assert_allclose(reach.episodes.memory["goal"][0], [0.05, 0.85, 0.2], atol=1e-9)
    reach.step()
    kept = reach.episodes
    with pytest.raises(UnknownName, match="no backend named 'bullet'"):
        reach.choose_backend("bullet")
    assert reach.episodes is kept
    reach.step()
    assert reach.status().step == 2


def test_another_policy_acts_from_the_next_step_on(reach: Session) -> None:
    seen: list[Any] = []
    act = reach.episodes.control.apply
    reach.episodes.control.apply = lambda action, state: (seen.append(action.copy()), act(action, state))  # type: ignore[method-assign]
    reach.step()
    reach.choose_policy("zero")
    reach.step()
    assert np.any(seen[0]) and not np.any(seen[1]) and reach.status().policy == "zero"
    with pytest.raises(UnknownName, match="no policy named 'best'"):
        reach.choose_policy("best")
    assert reach.status().policy == "zero"


def test_declared_contacts_are_named_with_their_force() -> None:
    live = Session(LiveConfig(task="metaworld/stick-push-v3"))
    try:
        assert live.model.reads.contacts
        for _ in range(150):
            live.step()
            if live.status().contacts:
                break
        (pair, force), *_ = live.status().contacts
        a, b = pair.split(" - ")
        assert force == pytest.approx(float(np.linalg.norm(live.episodes.backend.contact_force(a, b)[0])))
    finally:
        live.close()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [({"num_worlds": 0}, "at least 1"), ({"split": "all"}, "'train' or 'test'"), ({"episode": -1}, "counted from 0")],
)
def test_a_config_that_cannot_be_is_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidConfig, match=sentence):
        LiveConfig(task=TASK, **wrong)
