"""Collections of a policy that was saved: a file of a network, which here is made by hand and solves reach at times."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from metasim.core.errors import DatasetError
from metasim.core.policy import POLICIES
from metasim.datasets import CollectConfig, Dataset, TooFewSuccesses, collect, verify
from metasim.policies import InvalidPolicy, Learned, saved
from metasim.policies.learned import PolicyInfo

pytest.importorskip("safetensors", reason="safetensors is not installed (extra learn)")

REACH, PUSH = "metaworld/reach-v3", "metaworld/push-v3"
INFO = PolicyInfo(
    algorithm="hand",
    task=REACH,
    backend="mujoco",
    observation_size=39,
    action_size=4,
    activation="tanh",
    squash=False,
    clip_observation=10.0,
    seed=0,
    steps=0,
    versions={},
)


@pytest.fixture(scope="module")
def name(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two layers: the way from hand to goal, through tanh, and on; too slow for far goals."""
    first, second = np.zeros((32, 39), np.float32), np.zeros((4, 32), np.float32)
    rng = np.random.default_rng(0)
    first[:3, 36:39], first[:3, :3] = 5 * np.eye(3), -5 * np.eye(3)
    first[3:] = 0.01 * rng.standard_normal((29, 39))
    second[:3, :3] = 2 * np.eye(3)
    second[:, 3:] = 0.05 * rng.standard_normal((4, 29))
    weights = {
        "layers.0.weight": first,
        "layers.0.bias": np.zeros(32, np.float32),
        "layers.1.weight": second,
        "layers.1.bias": np.zeros(4, np.float32),
    }
    before = dict(POLICIES._items)
    yield saved(Learned(INFO, weights).save(tmp_path_factory.mktemp("policy") / "reach.safetensors"))
    POLICIES._items.clear()
    POLICIES._items.update(before)


def test_the_lowest_successes_and_the_same_bytes_however_it_is_done(name: str, tmp_path: Path) -> None:
    everything = CollectConfig(
        tasks=(REACH,), out=tmp_path / "all.h5", policy=name, episodes=10, keep="all", horizon=33, tail=0, worlds=10
    )
    with Dataset(collect(everything)) as data:
        solved = [info.episode for info in data.infos() if info.success]
        assert 2 < len(solved) < 9
        for demo in data:
            assert demo.info.policy == name and type(demo.info.policy) is str
            assert demo.info.success == demo.array("success").any() == (demo.info.first_success_step > 0)
    assert name.startswith("hand-") and b"reach.safetensors" not in everything.out.read_bytes()
    assert verify(everything.out).bit_identical == 10
    only = everything.replace(keep="successes", episodes=len(solved) - 1)
    bytes_of = set()
    for workers, worlds in ((1, 5), (2, 1)):
        out = tmp_path / f"{workers}_{worlds}.h5"
        bytes_of.add(collect(only.replace(out=out, workers=workers, worlds=worlds)).read_bytes())
        with Dataset(out) as data:
            assert [info.episode for info in data.infos()] == solved[:-1]
    assert len(bytes_of) == 1


def test_a_policy_for_one_of_several_tasks_is_refused_before_anything_is_written(name: str, tmp_path: Path) -> None:
    config = CollectConfig(tasks=(REACH, PUSH), out=tmp_path / "out.h5", policy=name)
    with pytest.raises(InvalidPolicy, match=rf"{name} was trained for '{REACH}' and cannot run '{PUSH}'"):
        collect(config)
    assert not list(tmp_path.iterdir())


def test_a_policy_that_solves_nothing_is_given_up(name: str, tmp_path: Path) -> None:
    config = CollectConfig(tasks=(REACH,), out=tmp_path / "out.h5", policy=name, episodes=1, horizon=2)
    with pytest.raises(TooFewSuccesses, match=rf"policy '{name}' solved 0 of 10 episodes"):
        collect(config)


def test_another_policy_is_another_collection(name: str, tmp_path: Path) -> None:
    weights = {"layers.0.weight": np.zeros((4, 39), np.float32), "layers.0.bias": np.zeros(4, np.float32)}
    other = saved(Learned(replace(INFO, algorithm="still"), weights).save(tmp_path / "still.safetensors"))
    config = CollectConfig(tasks=(REACH,), out=tmp_path / "out.h5", policy=name, episodes=1, horizon=2, keep="all")
    collect(config)
    with pytest.raises(DatasetError, match=rf"other arguments: policy '{name}' there, '{other}' asked for"):
        collect(config.replace(policy=other))
