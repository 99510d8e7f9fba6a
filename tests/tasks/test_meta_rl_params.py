"""Engine parameters that tasks set at reset: seen by the engine, gone afterwards, replayed, and refused where wrong."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest

from metasim.core.backend import Start, launch
from metasim.core.errors import InvalidState, UnknownName, UnsupportedFeature
from metasim.core.factors import Factor
from metasim.core.scene import Asset, Scene
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS
from metasim.datasets import CollectConfig, collect, verify
from metasim.envs.episodes import Episodes
from metasim.model import compile_scene
from metasim.model.assets import locate

HOPPER, WALKER = "meta_rl/hopper-param-v0", "meta_rl/walker-param-v0"
FILES = {HOPPER: ("hopper.xml", 4), WALKER: ("walker2d_v5.xml", 5)}
ALL = np.arange(3)


@pytest.fixture(params=["mujoco", "pybullet"])
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    pytest.importorskip(request.param)
    yield request.param


def seeds(task: str, first: int = 0, count: int = 3) -> list[EpisodeSeed]:
    return [EpisodeSeed(root=2, task=task, episode=first + i) for i in range(count)]


def changed(task: str, powers: Any) -> mujoco.MjModel:
    """Return gymnasium's own model, scaled as the published environments do it, by hand."""
    m = mujoco.MjModel.from_xml_path(str(locate(f"gymnasium:{FILES[task][0]}")))
    bodies, geoms, hinges = m.nbody - 1, m.ngeom, m.njnt - 3
    mass, inertia, friction, damping = np.split(powers, np.cumsum([bodies, 3 * bodies, geoms]))
    m.body_mass[1:] *= 1.5**mass
    m.body_inertia[1:] *= 1.5 ** inertia.reshape(-1, 3)
    m.geom_friction[:, 0] *= 1.5**friction
    m.dof_damping[3:] *= 1.3**damping
    assert len(damping) == hinges
    mujoco.mj_setConst(m, mujoco.MjData(m))
    return m


def run(episodes: Episodes, steps: int = 12) -> Any:
    rng, n = np.random.default_rng(7), episodes.num_worlds
    moved = []
    for _ in range(steps):
        episodes.step(np.tile(rng.uniform(-1, 1, episodes.action_size), (n, 1)))
        moved.append(episodes.backend.dump())
    return np.array(moved)


@pytest.mark.parametrize("task", [HOPPER, WALKER])
def test_the_engine_runs_the_scaled_model(task: str) -> None:
    episodes = Episodes(task, "mujoco", 3)
    episodes.begin(ALL, seeds(task))
    powers, state = episodes.draw(seeds(task))["log_scales"], episodes.backend.state
    models = [changed(task, row) for row in powers]
    datas = [mujoco.MjData(m) for m in models]
    for data, qpos, qvel in zip(datas, state.qpos, state.qvel, strict=True):
        data.qpos[:], data.qvel[:] = qpos, qvel
    rng = np.random.default_rng(0)
    for _ in range(8):
        action = rng.uniform(-1, 1, (3, episodes.action_size)).astype(np.float32)
        episodes.step(action)
        for m, data, row in zip(models, datas, action, strict=True):
            data.ctrl[:] = row
            mujoco.mj_step(m, data, FILES[task][1])
        np.testing.assert_allclose(state.qpos, [d.qpos for d in datas], atol=1e-8)
    assert np.ptp(state.qpos, axis=0).max() > 1e-3
    episodes.close()


@pytest.mark.parametrize("task", [HOPPER, WALKER])
def test_both_engines_see_the_same_masses_inertias_frictions_and_dampings(task: str, engine: str) -> None:
    episodes = Episodes(task, engine, 3)
    episodes.begin(ALL, seeds(task))
    models = [changed(task, row) for row in episodes.draw(seeds(task))["log_scales"]]
    state, info = episodes.backend.state, episodes.backend.info
    for parameter, field, names in (
        ("mass", "body_mass", info.bodies[1:]),
        ("inertia", "body_inertia", info.bodies[1:]),
        ("friction", "geom_friction", info.geoms),
        ("damping", "dof_damping", info.joints[3:]),
    ):
        for k, name in enumerate(names, start={"friction": 0, "damping": 3}.get(parameter, 1)):
            wanted = np.array([getattr(m, field)[k] for m in models])
            wanted = wanted[:, 0] if parameter == "friction" else wanted
            np.testing.assert_allclose(episodes.backend.get_parameter(parameter, name), wanted, rtol=1e-12)
    found = episodes.backend.mass_matrix()
    for m, qpos, matrix in zip(models, state.qpos, found, strict=True):
        data, full = mujoco.MjData(m), np.zeros((m.nv, m.nv))
        data.qpos[:] = qpos
        mujoco.mj_forward(m, data)
        mujoco.mj_fullM(m, data, full)
        np.testing.assert_allclose(matrix, full, atol=1e-6 * np.abs(full).max())
    episodes.close()


@pytest.mark.parametrize("task", [HOPPER, WALKER])
def test_an_episodes_parameters_are_gone_with_it(task: str, engine: str) -> None:
    plain = {"log_scales": np.zeros_like(TASKS[task]().sample(seeds(task)[0])["log_scales"])}
    fresh, used = Episodes(task, engine, 3), Episodes(task, engine, 3)
    used.begin(ALL, seeds(task, 30))
    run(used, 3)
    for episodes in (fresh, used):
        episodes.begin(ALL, seeds(task), plain)
    np.testing.assert_array_equal(run(fresh), run(used))
    for episodes in (fresh, used):
        episodes.begin(ALL, seeds(task, 10))
    np.testing.assert_array_equal(run(fresh), run(used))
    fresh.close()
    used.close()


def test_zero_powers_are_the_model_itself(engine: str) -> None:
    """The task without its factor, from the same states, moves alike."""

    class Plain(TASKS[HOPPER]):  # type: ignore[misc]
        factors: tuple[Factor, ...] = tuple(f for f in TASKS[HOPPER].factors if f.name != "log_scales")
        varied = "start"

    one, other = Episodes(HOPPER, engine, 3), Episodes(Plain, engine, 3)
    one.begin(ALL, seeds(HOPPER), {"log_scales": np.zeros(24)})
    other.begin(ALL, seeds(HOPPER))
    np.testing.assert_allclose(run(one), run(other), atol=1e-9)
    one.close()
    other.close()


def test_snapshots_hold_an_episodes_parameters(engine: str) -> None:
    episodes = Episodes(HOPPER, engine, 3)
    episodes.begin(ALL, seeds(HOPPER))
    run(episodes, 3)
    kept = episodes.snapshot()
    first = run(episodes)
    episodes.begin(ALL, seeds(HOPPER, 20))
    run(episodes, 2)
    episodes.restore(kept)
    np.testing.assert_array_equal(run(episodes), first)
    episodes.close()


def test_recorded_episodes_replay_bit_by_bit(engine: str, tmp_path: Path) -> None:
    out = tmp_path / "hopper.h5"
    config = CollectConfig(
        tasks=(HOPPER,), backend=engine, policy="random", out=out, episodes=3, horizon=25, keep="all", worlds=2
    )
    verdict = verify(collect(config), worlds=3)
    assert verdict.ok and verdict.bit_identical == 3


def test_wrong_parameters_are_refused_before_anything_is_written(engine: str) -> None:
    model = compile_scene(Scene(base=Asset(path="gymnasium:hopper.xml")))
    with launch(engine, 2) as backend:
        backend.load(model)
        before, pose = backend.dump(), {"rootx": np.array([1.0, 2.0])}
        for error, words, fields in (
            (UnknownName, "mass", {"parameters": {("masss", "foot"): np.ones(2)}}),
            (UnknownName, "foot", {"scales": {("mass", "fot"): np.ones(2)}}),
            (InvalidState, "both", {"parameters": {("mass", "foot"): 1.0}, "scales": {("mass", "foot"): 1.0}}),
            (InvalidState, "positive", {"scales": {("inertia", "foot"): np.array([[1.0, 0.0, 1.0]] * 2)}}),
            (InvalidState, "shape", {"parameters": {("inertia", "foot"): np.ones((2, 2))}}),
            (InvalidState, "scale of inertia", {"scales": {("inertia", "foot"): np.ones((2, 2))}}),
            (InvalidState, "scale of mass", {"scales": {("mass", "foot"): np.ones((2, 1))}}),
            (InvalidState, "finite", {"scales": {("friction", "floor"): np.array([1.0, np.nan])}}),
            (InvalidState, "negative", {"scales": {("damping", "leg_joint"): -np.ones(2)}}),
        ):
            with pytest.raises(error, match=words):
                backend.write(Start(joints=pose, **fields))  # type: ignore[arg-type]
        np.testing.assert_array_equal(backend.dump(), before)
        np.testing.assert_array_equal(backend.get_parameter("mass", "foot"), [model.mj.body_mass[-1]] * 2)


def test_pybullet_says_which_inertia_it_cannot_set() -> None:
    pytest.importorskip("pybullet")
    with launch("pybullet", 1) as backend:
        backend.load(compile_scene(Scene(base=Asset(path="gymnasium:ant.xml"))))
        with pytest.raises(UnsupportedFeature, match="inertia of body 'torso'"):
            backend.set_parameter("inertia", "torso", np.ones((1, 3)))


@pytest.mark.slow
def test_workers_get_their_worlds_parameters() -> None:
    pytest.importorskip("pybullet")
    one, two = Episodes(HOPPER, "pybullet", 3), Episodes(HOPPER, "pybullet", 3, workers=2)
    for episodes in (one, two):
        episodes.begin(ALL, seeds(HOPPER))
    np.testing.assert_array_equal(run(one, 4), run(two, 4))
    one.close()
    two.close()
