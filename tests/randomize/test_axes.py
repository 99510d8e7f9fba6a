"""Each axis does what its value says: formulas against what the engines hold, and draws against their ranges."""

from collections.abc import Iterator

import numpy as np
import pytest

from metasim.core.backend import Start
from metasim.core.control import BoundControl, Control
from metasim.core.errors import InvalidState, UnknownName, UnsupportedFeature
from metasim.core.reads import Reads
from metasim.core.scene import Box, Physics, Scene
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS, Task
from metasim.envs import Episodes
from metasim.randomize import AXES, check, sample, scene_key, starts, varied_task
from metasim.randomize.parts import parts_of
from metasim.randomize.starting import joined

ENGINES = ("mujoco", "pybullet")
PICK = "tabletop/pick-cube-v0"
PHYSICS = ("size", "distractors", "mass", "friction", "gains", "robot-state", "action-noise", "action-delay", "pushes")
DT, SUBSTEPS = 0.002, 10


class _Bound(BoundControl):
    def __init__(self, backend) -> None:
        self.size, self.targets, self.given = 2, backend.targets, []

    def reset(self, state, worlds) -> None: ...

    def apply(self, action, state) -> None:
        self.given.append(np.array(action))


class _Log(Control):
    """Keeps the actions that arrive."""

    def bind(self, backend) -> BoundControl:
        return _Bound(backend)


class Adrift(Task):
    """A body in empty space."""

    id = "test/adrift-v0"
    scene = Scene(
        ground=False,
        objects={"rock": Box(size_m=(0.1, 0.2, 0.3), mass_kg=2.0)},
        physics=Physics(timestep_s=DT, gravity=(0.0, 0.0, 0.0)),
    )
    control = _Log()
    reads = Reads(bodies=("rock",), velocities=("rock",))
    substeps = SUBSTEPS
    horizon = 40

    def observe(self, state, memory):
        return {"rock": state.body("rock").pos}

    def success(self, state, memory):
        return np.zeros(state.num_worlds, bool)


def seeds(n: int, task: str = PICK, split: str = "train") -> list[EpisodeSeed]:
    return [EpisodeSeed(root=5, task=task, episode=i, split=split) for i in range(n)]


@pytest.fixture(scope="module", params=ENGINES)
def pick(request) -> Iterator[Episodes]:
    episodes = Episodes(PICK, request.param, 3)
    yield episodes
    episodes.close()


@pytest.fixture(scope="module")
def one() -> Iterator[Episodes]:
    episodes = Episodes(PICK, "mujoco", 1)
    yield episodes
    episodes.close()


@pytest.fixture(params=ENGINES)
def adrift(request) -> Iterator[Episodes]:
    episodes = Episodes(Adrift, request.param, 3)
    yield episodes
    episodes.close()


def begin(episodes: Episodes, *variations) -> dict:
    n = len(variations)
    return dict(episodes.begin(np.arange(n), seeds(n, episodes.task.id), variations=variations))


def test_masses_are_scaled_in_the_worlds_that_say_so(pick: Episodes) -> None:
    begin(pick, {"mass": 0.5}, None, {"mass": 3.0})
    np.testing.assert_allclose(pick.backend.get_parameter("mass", "cube"), 0.06 * np.array([0.5, 1.0, 3.0]), rtol=1e-6)


def test_friction_of_both_sides_of_a_contact_is_scaled(pick: Episodes) -> None:
    begin(pick, None, None, None)
    plain = {geom: pick.backend.get_parameter("friction", geom) for geom in ("table", "cube")}
    begin(pick, {"friction": 0.5}, {"friction": 1.0}, {"friction": 2.0})
    for geom, own in plain.items():
        np.testing.assert_allclose(pick.backend.get_parameter("friction", geom), own * [0.5, 1.0, 2.0], rtol=1e-6)


def test_gains_are_scaled_by_group(pick: Episodes) -> None:
    begin(pick, None, {"gains": {"arm": 0.5}}, {"gains": {"arm": 2.0, "gripper": 3.0}})
    np.testing.assert_allclose(pick.backend.get_parameter("gain", "panda_joint3"), [4000.0, 2000.0, 8000.0], rtol=1e-6)
    finger = pick.backend.get_parameter("gain", "panda_finger_joint1")
    np.testing.assert_allclose(finger, finger[0] * np.array([1.0, 1.0, 3.0]), rtol=1e-6)


def test_the_robot_starts_off_home_and_targets_begin_there(pick: Episodes) -> None:
    begin(pick, None, {"robot-state": {"panda_joint1": 0.1}}, {"robot-state": {"panda_joint6": -0.2}})
    home = np.array(list(parts_of(TASKS[PICK]).arm_joints.values()))
    offset = np.zeros((3, 7))
    offset[1, 0], offset[2, 5] = 0.1, -0.2
    np.testing.assert_allclose(pick.backend.state.qpos[:, :7], home + offset, atol=1e-9)
    np.testing.assert_allclose(pick.control.memory["target_pos"], pick.backend.state.body("panda_grasptarget").pos)
    np.testing.assert_allclose(pick.backend.targets.ctrl[:, :7], home + offset, atol=1e-9)


def test_a_push_changes_the_momentum_by_force_times_duration(adrift: Episodes) -> None:
    push = {"body": "rock", "force": [3.0, -1.0, 0.5], "at": [2, 9], "steps": 4}
    begin(adrift, {"pushes": push}, None, {"pushes": {**push, "at": [30]}})
    speeds = []
    for _ in range(15):
        adrift.advance(np.zeros((3, 2), np.float32))
        speeds.append(adrift.backend.state.body("rock").lin_vel.copy())
    gain = np.array(push["force"]) * 4 * SUBSTEPS * DT / 2.0
    np.testing.assert_allclose(speeds[1][0], 0.0, atol=1e-12)
    np.testing.assert_allclose(speeds[5][0], gain, rtol=1e-3)
    np.testing.assert_allclose(speeds[8][0], speeds[5][0], rtol=1e-3)
    np.testing.assert_allclose(speeds[14][0], 2 * gain, rtol=1e-3)
    np.testing.assert_allclose(speeds[14][1:], 0.0, atol=1e-12)


def test_a_delay_shifts_actions_by_exactly_so_many_steps(adrift: Episodes) -> None:
    begin(adrift, None, {"action-delay": 1}, {"action-delay": 7})
    sent = np.random.default_rng(0).uniform(-1, 1, (40, 3, 2)).astype(np.float32)
    for action in sent:
        adrift.advance(action)
    given = np.array(adrift.control.given)  # type: ignore[attr-defined]
    for world, delay in enumerate((0, 1, 7)):
        np.testing.assert_array_equal(given[delay:, world], sent[: 40 - delay, world])
        assert not given[:delay, world].any()


def test_noise_has_the_deviation_that_the_value_says(adrift: Episodes) -> None:
    begin(adrift, {"action-noise": 0.05}, {"action-noise": 0.2}, None)
    for _ in range(2000):
        adrift.control.apply(adrift._varying.channels.act(np.zeros((3, 2), np.float32)), adrift.backend.state)
    given = np.array(adrift.control.given)  # type: ignore[attr-defined]
    deviation = given.std(axis=0)  # its own standard error is sd / sqrt(2 * 2000), 1.6 %
    np.testing.assert_allclose(deviation[:2], [[0.05, 0.05], [0.2, 0.2]], rtol=0.08)
    assert abs(np.corrcoef(given[:-1, 1, 0], given[1:, 1, 0])[0, 1]) < 0.08
    assert not given[:, 2].any()


def test_noise_comes_before_the_delay_and_stays_within_the_range(adrift: Episodes) -> None:
    begin(adrift, {"action-delay": 2, "action-noise": 0.5}, None, None)
    for _ in range(30):
        adrift.advance(np.ones((3, 2), np.float32))
    given = np.array(adrift.control.given)  # type: ignore[attr-defined]
    assert not given[:2, 0].any() and given[2:, 0].std() > 0.1 and np.abs(given).max() <= 1.0


@pytest.mark.parametrize("factor", [0.9, 1.2])
def test_sizes_are_scaled_masses_are_not_and_things_still_stand_on_the_table(factor: float) -> None:
    task = varied_task(TASKS[PICK], {"size": factor})
    cube = task.scene.objects["cube"]
    assert isinstance(cube, Box)
    np.testing.assert_allclose(cube.size_m, 0.04 * factor)
    assert cube.mass_kg == 0.06 and cube.pos[2] == pytest.approx(0.02 * factor)
    assert task.id == PICK and varied_task(task, {"size": factor}) is task and varied_task(task, {}) is TASKS[PICK]


@pytest.mark.parametrize("id", [PICK, "metaworld/push-v3", "metaworld/drawer-open-v3"])
def test_distractors_touch_nothing_and_move_nothing_of_the_task_at_the_start(id: str) -> None:
    drawn = {s.episode: sample({"distractors": "test"}, TASKS[id], s) for s in seeds(12, id)}
    same = [i for i, v in drawn.items() if scene_key(v) == scene_key(drawn[0])]
    chosen = [s for s in seeds(12, id) if s.episode in same]
    varied = varied_task(TASKS[id], drawn[0])
    things = sorted(set(varied.scene.objects) - set(TASKS[id].scene.objects))
    rows = np.arange(len(same))
    plain, busy = Episodes(id, "mujoco", len(same)), Episodes(varied, "mujoco", len(same))
    first = plain.begin(rows, chosen)
    second = busy.begin(rows, chosen, variations=[drawn[i] for i in same])
    for name, value in first.items():
        np.testing.assert_allclose(second[name], value, atol=1e-7)
    info = busy.model.info
    assert len(things) >= 4
    for _ in range(20):  # what overlaps is pushed apart; what stands stays
        busy.advance(np.zeros((len(same), busy.action_size), np.float32))
    for thing in things:
        column = int(info.qpos_start[info.index("joint", thing)])
        k = int(thing.rpartition("-")[2])
        places = np.array([drawn[i]["distractors"]["places"][k] for i in same])
        np.testing.assert_allclose(busy.backend.state.qpos[:, column : column + 2], places[:, :2], atol=1e-4)
    plain.close()
    busy.close()


@pytest.mark.parametrize("name", PHYSICS)
def test_ranges_of_train_and_test_differ_and_a_value_depends_on_its_own_stream_only(name: str) -> None:
    task = TASKS[PICK]
    drawn = {split: [sample({name: split}, task, s)[name] for s in seeds(40)] for split in ("train", "test")}
    assert not [value for value in drawn["test"] if value in drawn["train"]]
    both = sample({"mass": "test", name: "train"}, task, seeds(1)[0])
    assert both[name] == drawn["train"][0] or name == "mass"
    if isinstance(drawn["train"][0], float):
        assert np.ptp(drawn["test"]) > np.ptp(drawn["train"])


@pytest.mark.parametrize(
    ("axis", "task", "reason"),
    [
        ("mass", "metaworld/drawer-open-v3", "no free object"),
        ("gains", "metaworld/push-v3", "no actuators move its arm"),
        ("robot-state", "metaworld/push-v3", "no actuators hold"),
        ("size", "metaworld/push-v3", "no free object that is a box"),
        ("distractors", "classic/ant-v0", "no table"),
        ("distractors", "metaworld/sweep-into-v3", "no room"),
    ],
)
def test_what_cannot_vary_is_refused_with_the_reason(axis: str, task: str, reason: str) -> None:
    with pytest.raises(UnsupportedFeature, match=reason):
        check([axis], TASKS[task], "mujoco")


@pytest.mark.parametrize(
    "variation",
    [
        {"mass": 0.0},
        {"mass": "heavy"},
        {"mass": [1.0]},
        {"friction": float("nan")},
        {"gains": {"leg": 1.0}},
        {"gains": 1.2},
        {"robot-state": {"panda_joint9": 0.1}},
        {"action-delay": 1.5},
        {"action-delay": 99},
        {"action-noise": -1.0},
        {"pushes": {"body": "cube"}},
        {"pushes": {"body": "cube", "force": [1.0, 2.0], "at": [1], "steps": 2}},
    ],
)
def test_values_that_make_no_sense_are_refused(one: Episodes, variation: dict) -> None:
    with pytest.raises(InvalidState):
        one.begin(np.arange(1), seeds(1), variations=[variation])


def test_unknown_axes_are_refused_with_the_nearest_names(pick: Episodes) -> None:
    with pytest.raises(UnknownName, match="mass"):
        begin(pick, {"mas": 1.0}, None, None)


def test_every_axis_says_what_it_is() -> None:
    for name, axis in AXES.items():
        assert axis.name == name and len(axis.summary) > 10
    assert set(PHYSICS) < set(AXES)


def test_a_start_of_the_task_and_one_of_an_axis_are_both_kept() -> None:
    class Heavy(Adrift):
        def start(self, sample) -> Start:
            return Start(parameters={("mass", "rock"): np.array([4.0, 5.0, 6.0])})

    episodes = Episodes(Heavy, "mujoco", 3)
    begin(episodes, {"mass": 2.0}, None, {"mass": 0.5})
    np.testing.assert_allclose(episodes.backend.get_parameter("mass", "rock"), [8.0, 5.0, 3.0])
    episodes.close()


def test_a_start_may_say_one_row_for_all_worlds_however_many_there_are() -> None:
    """Three worlds and rows of three numbers, of which nothing but the parameter tells what they are."""

    class Still(Adrift):
        def start(self, sample) -> Start:
            own = {("mass", "rock"): 4.0, ("inertia", "rock"): np.array([0.1, 0.2, 0.25]), ("gravity", ""): [0, 1, -2]}
            return Start(joints={"rock": [1.0, 2.0, 3.0]}, parameters=own)

    episodes = Episodes(Still, "mujoco", 3)
    for variations in ([{"mass": 2.0}, None, {"mass": 0.5}], [{"mass": 2.0}, {"mass": 1.0}, {"mass": 0.5}]):
        begin(episodes, *variations)
        np.testing.assert_allclose(episodes.backend.get_parameter("mass", "rock"), [8.0, 4.0, 2.0])
        np.testing.assert_allclose(episodes.backend.get_parameter("gravity", ""), [[0.0, 1.0, -2.0]] * 3)
        np.testing.assert_allclose(episodes.backend.get_parameter("inertia", "rock"), [[0.1, 0.2, 0.25]] * 3)
        np.testing.assert_allclose(episodes.backend.state.body("rock").pos, [[1.0, 2.0, 3.0]] * 3)
    episodes.close()


@pytest.mark.parametrize(
    ("angles", "wanted"), [([0.1, 0.2], [0.1, 0.2]), ([[0.1], [0.2]], [0.1, 0.2]), ([0.1], [0.1, 0.1])]
)
def test_the_angle_of_a_hinge_is_of_its_world_where_worlds_vary_otherwise(pick: Episodes, angles, wanted) -> None:
    base, rows = Start(joints={"panda_joint1": angles}), np.arange(2)
    for part, start in starts(pick.task, pick.backend.info, base, [{"mass": 2.0}, None]):
        pick.backend.write(start, rows[part])
    np.testing.assert_allclose(pick.backend.state.qpos[:2, 0], wanted, atol=1e-9)


@pytest.mark.parametrize("own", [[0.1, 0.2, 0.25], [[0.1, 0.2, 0.25]] * 3])
def test_a_factor_of_a_vector_is_each_worlds(own) -> None:
    start = joined(Start(parameters={("inertia", "rock"): own}), Start(scales={("inertia", "rock"): np.arange(1.0, 4)}))
    np.testing.assert_allclose(start.parameters["inertia", "rock"], np.outer([1.0, 2.0, 3.0], [0.1, 0.2, 0.25]))
    assert not start.scales


def test_a_start_of_fewer_worlds_than_begin_is_refused() -> None:
    class Few(Adrift):
        def start(self, sample) -> Start:
            return Start(parameters={("mass", "rock"): np.array([4.0, 5.0])})

    episodes = Episodes(Few, "mujoco", 3)
    with pytest.raises(InvalidState, match=r"'rock'\) must have a row for each of 3 worlds, got shape \(2,\)"):
        begin(episodes, {"mass": 2.0}, {"mass": 2.0}, None)
    episodes.close()


def test_things_added_to_a_scene_from_a_file_have_the_inertia_of_their_shape() -> None:
    task = TASKS["metaworld/push-v3"]  # its file lets only some groups of geoms decide on masses
    variation = {"distractors": {"variant": "train-1", "places": [[0.0, 0.0, 0.0]] * 3}}
    m = Episodes(varied_task(task, variation), "mujoco", 1).model.mj
    box, can = m.body("distractor-0"), m.body("distractor-2")
    x, y, z = 0.05, 0.03, 0.03
    solid = 0.1 / 12 * np.array([y * y + z * z, x * x + z * z, x * x + y * y])
    np.testing.assert_allclose(box.mass, 0.1)
    np.testing.assert_allclose(np.sort(box.inertia), np.sort(solid), rtol=1e-6)
    r, h = 0.025, 0.03
    round_ = 0.1 * np.array([(3 * r * r + h * h) / 12, (3 * r * r + h * h) / 12, r * r / 2])
    np.testing.assert_allclose(np.sort(can.inertia), np.sort(round_), rtol=1e-6)
