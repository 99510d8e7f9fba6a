"""The classic suite in both engines: episodes, rules at their edges, and what PyBullet refuses or approximates."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import pytest

from metasim.conformance.scenes import SCENES
from metasim.core.backend import launch
from metasim.core.errors import InvalidConfig, UndeclaredRead, UnknownName, UnsupportedFeature
from metasim.core.reads import Reads
from metasim.core.seeding import EpisodeSeed
from metasim.core.state import State
from metasim.core.task import TASKS
from metasim.envs import VectorTaskEnv
from metasim.envs.episodes import Episodes
from metasim.model import compile_scene
from metasim.tasks.classic.runners import Healthy
from metasim.tasks.classic.scenes import ANT, HALF_CHEETAH, HUMANOID

NAMES = sorted(id for id in TASKS if id.startswith("classic/"))
FIRST_STEP = {
    "classic/cart-pole-v0": 0.03,
    "classic/reacher-v0": 0.03,
    "classic/half-cheetah-v0": 0.1,
    "classic/hopper-v0": 3e-3,
    "classic/walker2d-v0": 0.03,
    "classic/ant-v0": 0.5,
    "classic/humanoid-v0": 0.1,
}
"""How far coordinates may be apart after one action from the same start [m, rad]: MuJoCo integrates by RK4."""


def rollout(name: str, backend: str, steps: int) -> tuple[np.ndarray, Mapping[str, Any], list[bool]]:
    """Coordinates after one action, the last observation, and which steps were whole, from the same seed."""
    rng, episodes = np.random.default_rng(0), Episodes(name, backend, 2)
    episodes.begin(np.arange(2), [EpisodeSeed(root=0, task=name, episode=k) for k in range(2)])
    whole, first = [], np.zeros(0)
    for k in range(steps):
        step = episodes.step(rng.uniform(-1, 1, (2, episodes.action_size)))
        first = episodes.backend.state.qpos.copy() if k == 0 else first
        whole.append(bool(np.isfinite(step.reward).all() and not episodes.failures))
        observation = step.observation
    episodes.close()
    return first, observation, whole


@pytest.mark.parametrize("name", NAMES)
def test_both_engines_run_it_alike(name: str) -> None:
    ours, seen, whole = rollout(name, "mujoco", 25)
    theirs, shown, sound = rollout(name, "pybullet", 25)
    assert all(whole)
    assert all(sound)
    assert np.abs(ours - theirs).max() < FIRST_STEP[name]
    assert {k: v.shape for k, v in seen.items()} == {k: v.shape for k, v in shown.items()}
    assert all(np.isfinite(v).all() for v in shown.values())


@pytest.mark.parametrize("name", NAMES)
def test_episodes_end_and_begin_in_a_vector_environment(name: str) -> None:
    """A random policy meets every end: the pole falls, bodies fall, the horizon comes."""
    env = VectorTaskEnv(name, 4, autoreset_mode="same_step", horizon=40)
    rng = np.random.default_rng(0)
    env.reset(seed=0)
    ended = np.zeros(4, bool)
    for _ in range(80):
        _, reward, terminated, truncated, _ = env.step(rng.uniform(-1, 1, (4, env.episodes.action_size)))
        assert np.isfinite(reward).all()
        ended |= terminated | truncated
    env.close()
    assert ended.all()


def test_in_the_air_the_half_cheetah_flies_alike_in_both() -> None:
    """The one body whose file asks for Euler's method, as PyBullet integrates: ten actions to 1e-9."""
    ends = []
    for backend in ("mujoco", "pybullet"):
        rng, episodes = np.random.default_rng(0), Episodes("classic/half-cheetah-v0", backend, 4)
        episodes.begin(np.arange(4), [EpisodeSeed(root=0, task="air", episode=k) for k in range(4)])
        qpos, qvel = episodes.backend.state.qpos.copy(), episodes.backend.state.qvel.copy()
        qpos[:, 1] += 3.0
        episodes.backend.write_state(qpos, qvel)
        for _ in range(10):
            episodes.step(rng.uniform(-1, 1, (4, 6)))
        ends.append(episodes.backend.state.qpos.copy())
        episodes.close()
    np.testing.assert_allclose(*ends, atol=1e-9)


def test_a_seed_is_an_episode() -> None:
    """The same seed starts the same, in any world; another does not."""
    first, second = (gym.make("classic/ant-v0").reset(seed=seed)[0] for seed in (5, 5))
    other = gym.make("classic/ant-v0").reset(seed=6)[0]
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("healthy", "qpos", "speed", "good"),
    [
        (Healthy(height_m=(0.2, 1.0), closed=True), [0, 0.2, 0], 0.0, True),
        (Healthy(height_m=(0.2, 1.0)), [0, 0.2, 0], 0.0, False),
        (Healthy(height_m=(0.2, 1.0)), [0, 0.3, 99], 0.0, True),
        (Healthy(height_m=(0.2, 1.0), angle_rad=(-0.2, 0.2)), [0, 0.3, 0.19], 0.0, True),
        (Healthy(height_m=(0.2, 1.0), angle_rad=(-0.2, 0.2)), [0, 0.3, -0.2], 0.0, False),
        (Healthy(height_m=(0.2, 1.0), rest=100.0), [0, 0.3, 0], 100.0, False),
    ],
)
def test_health_at_its_edges(healthy: Healthy, qpos: list[float], speed: float, good: bool) -> None:
    layout = compile_scene(ANT.scene).layout
    empty = np.zeros((1, 0))
    state = State(layout, np.array([qpos], float), np.array([[speed]]), empty, np.zeros((1, 0, 4)))
    assert healthy(state, 1).tolist() == [good]


@pytest.mark.parametrize("backend", ["mujoco", "pybullet"])
def test_the_wrenches_of_a_body_at_rest_carry_it(backend: str) -> None:
    """An ant that has come to rest: the external forces on all of its bodies are its weight, their torques cancel."""
    model = compile_scene(ANT.scene, Reads(fields=("cfrc_ext",)))
    with launch(backend) as engine:
        engine.load(model)
        engine.step(1500)
        wrench = engine.state.field("cfrc_ext")[0].sum(axis=0)
    weight = mujoco.mj_getTotalmass(model.mj) * 9.81
    np.testing.assert_allclose(wrench[3:], [0.0, 0.0, weight], atol=0.05 * weight)
    np.testing.assert_allclose(wrench[:3], 0.0, atol=0.05 * weight)


@pytest.mark.parametrize("backend", ["mujoco", "pybullet"])
def test_reading_wrenches_changes_nothing_else(backend: str) -> None:
    """Motion and contacts of a falling humanoid are the same to the bit whether its wrenches are read or not."""
    contacts = Reads(contacts=(("right_foot", "floor"), ("left_foot", "floor")))
    seen = []
    for reads in (contacts, contacts.merge(Reads(fields=("xpos", "cvel", "cfrc_ext")))):
        with launch(backend, 2) as engine:
            engine.load(compile_scene(HUMANOID.scene, reads))
            engine.targets.ctrl[1] = 0.2
            states = (engine.step(5) for _ in range(40))
            seen.append([np.hstack([s.qpos, s.qvel, s.contacts.reshape(2, -1)]) for s in states])
    assert max(np.abs(row[:, -8:]).max() for row in seen[0]) > 0
    np.testing.assert_array_equal(seen[0], seen[1])


def test_tendons_that_do_nothing_are_no_hindrance() -> None:
    assert compile_scene(HUMANOID.scene).mj.ntendon == 2
    with launch("pybullet") as engine:
        engine.load(compile_scene(HUMANOID.scene))


def test_what_pybullet_cannot_tell_is_refused() -> None:
    scene, reads = SCENES["mocap"]
    with launch("pybullet") as engine, pytest.raises(UnsupportedFeature, match="welds.*cfrc_ext"):
        engine.load(compile_scene(scene, reads.merge(Reads(fields=("cfrc_ext",)))))


def test_fields_are_declared_by_name() -> None:
    with pytest.raises(UnknownName, match="cfrc_ext"):
        Reads(fields=("cfrc_exit",))
    with pytest.raises(InvalidConfig, match="tuple"):
        Reads(fields="xpos")  # type: ignore[arg-type]
    with launch("mujoco") as engine:
        engine.load(compile_scene(ANT.scene, Reads(fields=("xpos",))))
        with pytest.raises(UndeclaredRead, match="cvel"):
            engine.state.field("cvel")
        with pytest.raises(UnknownName, match="torso"):
            engine.state.field("xpos", "torsos")


def test_loading_writes_nothing_into_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MuJoCo would note in a file there that the half-cheetah's file uses a deprecated word."""
    monkeypatch.chdir(tmp_path)
    compile_scene(HALF_CHEETAH.scene)
    assert not [*tmp_path.iterdir()]
