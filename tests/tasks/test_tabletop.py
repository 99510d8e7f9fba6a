"""The tabletop suite: every task in both engines, what experts read, where factors put things, and experts at work."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import metasim
import metasim.tasks.tabletop
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS
from metasim.datasets import CollectConfig, collect, verify
from metasim.envs.episodes import Episodes
from metasim.tasks.tabletop.objects import OBJECTS
from metasim.tasks.tabletop.plan import STEP_M, Phase, expert

ENGINES = ("mujoco", "pybullet")
OTHERS = ("-sawyer-", *(f"pick-{name}-" for name in OBJECTS))  # test_tabletop_objects.py
IDS = tuple(id for id in TASKS if id.startswith("tabletop/") and not any(word in id for word in OTHERS))
EXPERTS = tuple(id for id in IDS if TASKS[id].expert is not None)
THINGS = {"open-drawer": "cabinet", "close-box": "box", "move-slider": "slider", "push-cube": "cube"}


def expert_of(id: str) -> Any:
    """Return a task's expert, which has its layout, or None."""
    return TASKS[id].expert


def begun(id: str, backend: str, worlds: int, split: str = "train", root: int = 1) -> tuple[Episodes, dict]:
    """Return worlds at the start of episodes 0, 1, ... and their observation."""
    episodes = Episodes(id, backend, worlds)
    seeds = [EpisodeSeed(root=root, task=id, episode=i, split=split) for i in range(worlds)]
    return episodes, dict(episodes.begin(np.arange(worlds), seeds))


def solved(id: str, backend: str, worlds: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which of the worlds succeed at any step, and at the last."""
    act = expert_of(id)
    episodes, seen = begun(id, backend, worlds)
    ever, now = np.zeros(worlds, bool), np.zeros(worlds, bool)
    for _ in range(episodes.horizon):
        step = episodes.step(act(np.concatenate([*seen.values()], axis=1)))
        seen, now = step.observation, np.array(step.success)
        ever |= now
    episodes.close()
    return ever, now


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("id", IDS)
def test_starts_and_shows_what_its_expert_reads(id: str, backend: str) -> None:
    episodes, seen = begun(id, backend, 1)
    sizes = {name: value.shape[1] for name, value in seen.items()}
    size = 4 if expert_of(id) is not None else episodes.control.size
    step = episodes.step(np.zeros((1, size), np.float32))
    episodes.close()
    assert TASKS[id].instruction
    assert all(np.isfinite(value).all() for value in step.observation.values())
    assert not step.success.any()
    if expert_of(id) is not None:
        assert list(expert_of(id).layout.items()) == list(sizes.items())


@pytest.mark.filterwarnings("ignore:.*A Box observation space m.* is .*infinity")
def test_gymnasium_accepts_it() -> None:
    env = metasim.make("tabletop/open-drawer-v0")
    check_env(env.unwrapped, skip_render_check=True)
    env.close()


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("name", THINGS)
def test_things_stand_where_they_were_drawn(name: str, backend: str, split: str) -> None:
    id = f"tabletop/{name}-v0"
    episodes, seen = begun(id, backend, 2, split)
    drawn = [TASKS[id]().sample(seed) for seed in episodes.seeds if seed]
    part, thing = "cube" if name == "push-cube" else "base", THINGS[name]
    x, y, turn = np.array([values[thing] for values in drawn]).T
    np.testing.assert_allclose(seen[part][:, :2], np.stack([x, y], axis=1), atol=1e-6)
    got = 2 * np.arctan2(seen[f"{part}_quat"][:, 3], seen[f"{part}_quat"][:, 0])
    np.testing.assert_allclose(got, turn, atol=1e-6)
    if name == "close-box":
        np.testing.assert_allclose(seen["hinge"], [values["hinge"] for values in drawn], atol=1e-6)
    if name == "move-slider":  # the post is on the line of the rail, which the thing's turn makes of the y axis
        for point, factor in (("knob", "slide"), ("mark", "mark")):
            far = np.array([values[factor][-1 if point == "knob" else 1] for values in drawn])
            want = np.stack([x - far * np.sin(turn), y + far * np.cos(turn)], axis=1)
            np.testing.assert_allclose(seen[point][:, :2], want, atol=1e-6)
    episodes.close()


@pytest.mark.parametrize("id", EXPERTS)
def test_a_batch_gives_the_bits_of_its_rows(id: str) -> None:
    act = expert_of(id)
    rng = np.random.default_rng(0)
    seen = rng.uniform(-0.3, 0.6, (32, sum(act.layout.values())))
    batch = act(seen)
    assert batch.shape == (32, 4)
    assert batch.dtype == np.float32
    assert np.abs(batch).max() <= 1.0
    assert batch.tobytes() == np.concatenate([act(row[None]) for row in seen]).tobytes()
    with pytest.raises(ValueError, match="the expert reads"):
        act(seen[:, 1:])


def test_a_far_target_is_approached_on_a_straight_line() -> None:
    act = expert(lambda see: (Phase(True, see.spot, 1.0),), spot=3).__func__
    seen = np.zeros((1, 11))
    seen[0, 8:] = 0.3, -0.6, 0.15
    np.testing.assert_allclose(act(seen), [[0.5, -1.0, 0.25, 1.0]])
    seen[0, 8:] = 2 * STEP_M, 0.0, 0.0  # a quarter of the way
    np.testing.assert_allclose(act(seen), [[0.5, 0.0, 0.0, 1.0]])


@pytest.mark.parametrize("id", EXPERTS)
def test_experts_succeed(id: str) -> None:
    ever, last = solved(id, "mujoco", 4)
    assert ever.all()
    assert last.sum() >= 3


@pytest.mark.slow
@pytest.mark.parametrize("id", EXPERTS)
def test_experts_succeed_in_the_other_engine(id: str) -> None:
    ever, last = solved(id, "pybullet", 4)
    assert ever.sum() >= 3
    assert last.sum() >= 3


@pytest.mark.parametrize("id", EXPERTS)
def test_episodes_of_every_task_are_written_and_repeated(id: str, tmp_path: Path) -> None:
    out = collect(CollectConfig(tasks=(id,), out=tmp_path / "demos.hdf5", episodes=1, horizon=2, keep="all", tail=None))
    assert verify(out).bit_identical == 1
