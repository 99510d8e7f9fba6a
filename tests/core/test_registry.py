"""Registry, errors and seeds."""

import pickle

import numpy as np
import pytest

from metasim.core.errors import AlreadyRegistered, MissingDependency, UndeclaredRead, UnknownName
from metasim.core.registry import Registry
from metasim.core.seeding import EpisodeSeed


def test_registry_returns_refuses_and_suggests() -> None:
    registry: Registry[object] = Registry("task")
    item = object()
    assert registry.register("suite/balance-v0", item) is item
    assert registry["suite/balance-v0"] is item and list(registry) == ["suite/balance-v0"]
    with pytest.raises(AlreadyRegistered, match="suite/balance-v0"):
        registry.register("suite/balance-v0", object())
    with pytest.raises(UnknownName, match=r"no task named 'suite/balnce-v0'; did you mean \['suite/balance-v0'\]"):
        registry["suite/balnce-v0"]


def test_strings_are_imported_on_demand() -> None:
    registry: Registry[object] = Registry("thing")
    registry.register("join", "os.path:join")
    registry.register("none", "no_such_package_here:thing")
    import os.path

    assert registry["join"] is os.path.join
    with pytest.raises(MissingDependency, match="no_such_package_here"):
        registry["none"]


@pytest.mark.parametrize("error", [UnknownName("joint", "whel", ["wheel", "arm"]), UndeclaredRead("body", "a", ["b"])])
def test_errors_survive_pickling(error: Exception) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error) and str(copy) == str(error)


def test_episode_streams_are_independent_and_reproducible() -> None:
    seed = EpisodeSeed(root=1, task="a/b-v0", episode=2)
    draw = seed.rng("place").random(4)
    np.testing.assert_array_equal(draw, EpisodeSeed(root=1, task="a/b-v0", episode=2).rng("place").random(4))
    others = [
        seed.rng("mass"),
        EpisodeSeed(root=2, task="a/b-v0", episode=2).rng("place"),
        EpisodeSeed(root=1, task="a/c-v0", episode=2).rng("place"),
        EpisodeSeed(root=1, task="a/b-v0", episode=3).rng("place"),
        EpisodeSeed(root=1, task="a/b-v0", episode=2, split="test").rng("place"),
        EpisodeSeed(root=1, task="a/b-v0", episode=2, variation="light").rng("place"),
    ]
    assert all((rng.random(4) != draw).all() for rng in others)
