"""Variation where users meet it: commands, environments, datasets; and the page that describes it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import metasim
from metasim.benchmarks.runner import EvaluateConfig, evaluate
from metasim.cli.listing import axes
from metasim.cli.options import vary_axes
from metasim.core.errors import DatasetError, InvalidConfig, UnknownName, UnsupportedFeature
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS
from metasim.datasets import CollectConfig, Dataset, collect, verify
from metasim.policies.replay import recorded
from metasim.randomize import sample

PICK = "tabletop/pick-cube-v0"
PAGE = Path(__file__).parents[2] / "docs" / "variation.md"


def test_the_page_has_the_table_that_the_command_prints() -> None:
    rows = [f"| `{row['axis']}` | {row['takes effect in']} | {row['varies']} |" for row in axes()]
    assert "\n".join(rows) in PAGE.read_text()


def test_axes_are_read_from_one_word() -> None:
    assert vary_axes("mass=test, friction,pushes=train") == {"mass": "test", "friction": "train", "pushes": "train"}
    assert vary_axes("") == {}
    for wrong in ("mass=often", "mass,mass", "mass=test,mass=train"):
        with pytest.raises(InvalidConfig, match="--vary is like"):
            vary_axes(wrong)
    with pytest.raises(UnknownName, match="friction"):
        vary_axes("frictoin=test")


def test_results_hold_what_was_drawn_and_do_not_depend_on_how_worlds_are_put_together() -> None:
    vary = {"size": "train", "mass": "test"}
    config = EvaluateConfig(tasks=(PICK,), policy="random", episodes=5, horizon=8, worlds=5, vary=vary)
    results = evaluate(config)
    assert evaluate(replace(config, worlds=2)).to_bytes() == results.to_bytes()
    assert [e.episode for e in results.episodes] == [0, 1, 2, 3, 4]
    for e in results.episodes:
        drawn = sample(vary, TASKS[PICK], EpisodeSeed(root=0, task=PICK, episode=e.episode))
        assert dict(e.variation) == drawn and e.level == "mass test, size train"
    with pytest.raises(UnsupportedFeature, match="no free object"):
        EvaluateConfig(tasks=("metaworld/drawer-open-v3",), vary={"mass": "test"})


def test_environments_vary_each_episode_by_its_seed() -> None:
    env = metasim.make_vec(PICK, 2, vary={"mass": "test"}, horizon=3, autoreset_mode="same_step")
    env.reset(seed=4)
    for first in (0, 2):
        for world in range(2):
            seed = EpisodeSeed(root=4, task=PICK, episode=first + world)
            assert env.episodes.variations[world] == sample({"mass": "test"}, TASKS[PICK], seed)
        for _ in range(3):
            env.step(np.zeros(env.action_space.shape, np.float32))
    env.close()
    with pytest.raises(InvalidConfig, match="a model for each of its values"):
        metasim.make_vec(PICK, 2, vary={"distractors": "train"})


def test_datasets_hold_what_varied_and_repeat_it_bit_by_bit(tmp_path: Path) -> None:
    vary = {"mass": "test", "action-noise": "train", "action-delay": "test"}
    config = CollectConfig(
        tasks=(PICK,), out=tmp_path / "a.hdf5", policy="random", episodes=3, keep="all", horizon=10, vary=vary, worlds=2
    )
    collect(config)
    collect(config.replace(out=tmp_path / "b.hdf5", worlds=3))
    assert (tmp_path / "a.hdf5").read_bytes() == (tmp_path / "b.hdf5").read_bytes()
    with Dataset(config.out) as data:
        infos = data.infos()
    for info in infos:
        drawn = sample(vary, TASKS[PICK], EpisodeSeed(root=0, task=PICK, episode=info.episode))
        assert info.varied == drawn == json.loads(info.variation)
        assert info.episode_seed == EpisodeSeed(root=0, task=PICK, episode=info.episode)
    assert all(check.bit_identical for check in verify(config.out).episodes)
    with pytest.raises(DatasetError, match="metasim verify"):
        recorded(config.out)
